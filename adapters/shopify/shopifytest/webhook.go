package shopifytest

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// topicName turns orders/create into ORDERS_CREATE.
func topicName(rest string) string {
	return strings.ToUpper(strings.ReplaceAll(rest, "/", "_"))
}

// subscribed lists an app's subscriptions that the arguments select.
func (s *shop) subscribed(by *app, a args) []*subscription {
	topics := a.texts("topics")
	uri := a.text("uri") + a.text("callbackUrl")
	var out []*subscription
	for _, x := range s.subscriptions {
		if !x.deleted && x.app == by && (len(topics) == 0 || slices.Contains(topics, x.topic)) &&
			(uri == "" || uri == x.uri) {
			out = append(out, x)
		}
	}
	return out
}

var subscriptionName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,50}$`)

func (c *call) webhookSubscriptionCreate(a args) *payload {
	in := a.object("webhookSubscription")
	fault := func(message string, field ...string) *payload {
		return refused(userError{field: append([]string{"webhookSubscription"}, field...),
			message: message})
	}
	uri := in.text("uri") + in.text("callbackUrl")
	u, err := url.Parse(uri)
	switch {
	case uri == "":
		return fault("Address can't be blank", "callbackUrl")
	case err != nil || u.Host == "":
		return fault("Address is invalid", "callbackUrl")
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return fault("Address protocol http:// is not supported", "callbackUrl")
	case in.text("format") == "XML":
		return fault("Format is not simulated", "format")
	}
	if name := in.text("name"); name != "" && !subscriptionName.MatchString(name) {
		return fault("Name name field can only contain alphanumeric characters, underscores, and "+
			"hyphens", "name")
	}
	for _, x := range c.shop.subscribed(c.app, args{}) {
		if x.topic == a.text("topic") && x.uri == uri && x.filter == in.text("filter") {
			return fault("Address for this topic has already been taken", "callbackUrl")
		}
	}
	x := c.shop.subscribe(c.app, a.text("topic"), uri)
	x.filter, x.name, x.fields, x.version = in.text("filter"), in.text("name"),
		in.texts("includeFields"), c.version
	return done(map[string]any{"webhookSubscription": x})
}

func loopback(host string) bool {
	return host == "127.0.0.1" || host == "localhost" || host == "::1"
}

func (s *shop) subscribe(by *app, topic, uri string) *subscription {
	now := s.srv.clock.Now()
	x := &subscription{id: s.srv.newID(), topic: topic, uri: uri, app: by, created: now, updated: now,
		version: versions[len(versions)-1]}
	s.subscriptions = append(s.subscriptions, x)
	s.objects[x.id] = x
	return x
}

func (c *call) webhookSubscriptionDelete(a args) *payload {
	x, ok := find[*subscription](c.shop, a.text("id"))
	if !ok || x.deleted {
		return refused(userError{field: []string{"id"}, message: "Webhook subscription does not exist"})
	}
	c.shop.unsubscribe(x)
	return done(map[string]any{"deletedWebhookSubscriptionId": gid{"WebhookSubscription", x.id}})
}

func (s *shop) unsubscribe(x *subscription) {
	x.deleted = true
	s.subscriptions = slices.DeleteFunc(s.subscriptions,
		func(y *subscription) bool { return y == x })
}

// Subscribe makes a subscription of the first app, as webhookSubscriptionCreate does. topic is
// orders/create or ORDERS_CREATE. The error says that there is no such shop.
func (s *Server) Subscribe(shopName, topic, uri string) error {
	x, err := s.shop(shopName)
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.subscribe(x.apps[0], topicName(topic), uri)
	return nil
}

// notify makes a delivery of a note for every subscription of its topic.
func (s *shop) notify(a *action, n note) {
	topic := topicName(n.topic)
	for _, x := range s.subscriptions {
		if x.topic != topic {
			continue
		}
		s.deliveries++
		s.srv.courier.send(&delivery{shop: s, sub: x, topic: n.topic, about: n.about, order: orderOf(n.about),
			id: s.uuid("webhook"), event: a.event, triggered: a.exact, n: s.deliveries})
	}
}

// filtered tells whether a subscription's filter lets a body pass. Only field:value is understood;
// a filter on a field that is not there lets nothing pass, as documented.
func (x *subscription) filtered(body map[string]any) bool {
	if x.filter == "" {
		return false
	}
	for _, terms := range parseSearch(x.filter) {
		ok := true
		for _, t := range terms {
			v, there := body[t.field]
			ok = ok && there && t.same(fmt.Sprint(v)) != t.not
		}
		if ok {
			return false
		}
	}
	return true
}
