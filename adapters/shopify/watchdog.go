package shopify

import (
	"context"
	"slices"
	"strings"
)

// wanted are the topics that are subscribed to. Those that follow from others, such as orders/paid
// from orders/updated, would be deliveries without news.
var wanted = []string{"orders/create", "orders/updated", "orders/cancelled", "orders/edited",
	"orders/delete", "refunds/create", "fulfillments/create", "fulfillments/update",
	"returns/request", "returns/approve", "returns/decline", "returns/cancel", "returns/close",
	"returns/process", "returns/update", "reverse_fulfillment_orders/dispose",
	"fulfillment_orders/moved", "fulfillment_orders/split", "fulfillment_orders/merged",
	"fulfillment_orders/placed_on_hold", "fulfillment_orders/hold_released",
	"inventory_levels/update", "inventory_levels/connect", "inventory_levels/disconnect",
	"products/create", "products/update", "products/delete", "locations/activate",
	"locations/deactivate", "locations/update", "locations/delete", "app/uninstalled",
	"app/scopes_update"}

// topicName is a topic as the API writes it.
func topicName(topic string) string {
	return strings.ToUpper(strings.ReplaceAll(topic, "/", "_"))
}

type subscription struct {
	ID      gid    `json:"id"`
	Topic   string `json:"topic"`
	URI     string `json:"uri"`
	Format  string `json:"format"`
	Filter  string `json:"filter"`
	Version struct {
		Handle string `json:"handle"`
	} `json:"apiVersion"`
}

// watch makes the subscriptions what they should be: one for each wanted topic at our address, of
// our version, without a filter. A second one, or one that would be sent otherwise, is deleted;
// those of other addresses are not ours, and stay.
//
// It makes before it deletes, so that dying in between costs a second delivery and not a lost one.
func (a *adapter) watch(ctx context.Context, s *shop) error {
	if s.settings.Callback == "" {
		return nil
	}
	uri := strings.TrimRight(s.settings.Callback, "/") + "/hooks/shopify/" + s.id
	all, err := s.subscriptions(ctx)
	if err != nil {
		return err
	}
	have := make(map[string]bool)
	var extra []gid
	for i := range all {
		sub := &all[i]
		switch {
		case sub.URI != uri:
		case have[sub.Topic] || !s.fits(sub):
			extra = append(extra, sub.ID)
		default:
			have[sub.Topic] = true
		}
	}
	for _, topic := range wanted {
		if !have[topicName(topic)] {
			if err := s.subscribe(ctx, topicName(topic), uri); err != nil {
				return err
			}
			a.all.cfg.Logger.Info("subscribed to a topic", "connection", s.id, "topic", topic)
		}
	}
	for _, id := range extra {
		var out struct {
			Root struct {
				Errors []userError `json:"userErrors"`
			} `json:"webhookSubscriptionDelete"`
		}
		if err := s.client.do(ctx, opUnsubscribe, idVars{id}, &out); err != nil {
			return err
		}
	}
	return nil
}

// fits reports whether a subscription sends what we read.
func (s *shop) fits(sub *subscription) bool {
	wants := slices.ContainsFunc(wanted, func(t string) bool { return topicName(t) == sub.Topic })
	return wants && sub.Filter == "" && (sub.Format == "" || sub.Format == "JSON") &&
		(sub.Version.Handle == "" || sub.Version.Handle == s.client.cfg.Version)
}

func (s *shop) subscriptions(ctx context.Context) (all []subscription, err error) {
	vars := struct {
		After *string `json:"after"`
	}{}
	for range maxPages {
		var out struct {
			Root struct {
				Page  pageInfo       `json:"pageInfo"`
				Nodes []subscription `json:"nodes"`
			} `json:"webhookSubscriptions"`
		}
		if err := s.client.do(ctx, opSubscriptions, vars, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Root.Nodes...)
		if !out.Root.Page.More {
			return all, nil
		}
		vars.After = &out.Root.Page.End
	}
	return all, nil
}

func (s *shop) subscribe(ctx context.Context, topic, uri string) error {
	type input struct {
		URI    string `json:"uri"`
		Format string `json:"format"`
	}
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"webhookSubscriptionCreate"`
	}
	vars := struct {
		Topic        string `json:"topic"`
		Subscription input  `json:"subscription"`
	}{topic, input{uri, "JSON"}}
	if err := s.client.do(ctx, opSubscribe, vars, &out); err != nil {
		return err
	}
	for _, e := range out.Root.Errors {
		if !strings.Contains(strings.ToLower(e.Message), "already been taken") {
			return userFault(opSubscribe, e)
		}
	}
	return nil
}
