package spapitest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// awsAccount is the account that owns all queues.
const awsAccount = "123456789012"

// destination is where notifications of an application can go. Guarded by Server.mu.
type destination struct {
	app      *app
	id, name string
	arn      string // of SQS
	bus      string // of EventBridge: the name of the partner event source
	account  string
	region   string
	queue    string // where they arrive; "" of a bus, whose rules sort them by account
}

// subscription sends one type of an account's notifications to a destination.
type subscription struct {
	id, kind, version string
	dest              *destination
	app               *app
	directive         json.RawMessage
	markets, changes  []string
}

func (s *subscription) wants(n note) bool {
	in := func(list []string, x string) bool {
		return len(list) == 0 || x == "" || slices.Contains(list, x)
	}
	return in(s.markets, n.market) && in(s.changes, n.change)
}

func (d *destination) json() obj {
	resource := obj{}
	if d.arn != "" {
		resource["sqs"] = obj{"arn": d.arn}
	} else {
		resource["eventBridge"] = obj{"name": d.bus, "region": d.region, "accountId": d.account}
	}
	return obj{"name": d.name, "destinationId": d.id, "resource": resource}
}

func (s *subscription) json() obj {
	out := obj{"subscriptionId": s.id, "payloadVersion": s.version, "destinationId": s.dest.id}
	if len(s.directive) > 0 {
		out["processingDirective"] = s.directive
	}
	return out
}

func conflict(message string) answer { return fail(http.StatusConflict, "Conflict", message) }

func createDestination(c *call) answer {
	var in struct {
		Name string `json:"name"`
		Spec struct {
			SQS *struct {
				ARN string `json:"arn"`
			} `json:"sqs"`
			Bus *struct {
				Account string `json:"accountId"`
				Region  string `json:"region"`
			} `json:"eventBridge"`
		} `json:"resourceSpecification"`
	}
	if json.Unmarshal(c.body, &in) != nil || in.Name == "" || (in.Spec.SQS == nil) == (in.Spec.Bus == nil) {
		return invalid("name and one of sqs and eventBridge are required.")
	}
	d := &destination{app: c.grant.app, name: in.Name, id: c.srv.newUUID()}
	if in.Spec.SQS != nil {
		parts := strings.Split(in.Spec.SQS.ARN, ":")
		if len(parts) != 6 || parts[2] != "sqs" || c.srv.queues[parts[5]] == nil {
			return invalid("The queue does not exist, is not a standard queue, or does not permit " +
				"437568002678 to send to it.")
		}
		d.arn, d.queue = in.Spec.SQS.ARN, parts[5]
	} else {
		d.account, d.region = in.Spec.Bus.Account, in.Spec.Bus.Region
		d.bus = "aws.partner/sellingpartnerapi.amazon.com/" + d.account + "/" + appID
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	for _, x := range c.srv.destinations {
		if x.app == d.app && (x.name == d.name || x.arn == d.arn && d.arn != "") {
			return conflict("A destination of that name or resource exists: " + x.id)
		}
	}
	c.srv.destinations = append(c.srv.destinations, d)
	return payload(d.json())
}

// destinationsOf are those of the caller. It takes the lock.
func (c *call) destinationsOf() []*destination {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	var out []*destination
	for _, d := range c.srv.destinations {
		if d.app == c.grant.app {
			out = append(out, d)
		}
	}
	return out
}

func (c *call) destination(id string) *destination {
	for _, d := range c.destinationsOf() {
		if d.id == id {
			return d
		}
	}
	return nil
}

func getDestinations(c *call) answer {
	out := []obj{}
	for _, d := range c.destinationsOf() {
		out = append(out, d.json())
	}
	return payload(out)
}

func getDestination(c *call) answer {
	d := c.destination(c.params["destinationId"])
	if d == nil {
		return notFound("The destination was not found.")
	}
	return payload(d.json())
}

func deleteDestination(c *call) answer {
	d := c.destination(c.params["destinationId"])
	if d == nil {
		return notFound("The destination was not found.")
	}
	for _, x := range c.srv.accounts {
		if x.uses(d) {
			return invalid("The destination still has subscriptions.")
		}
	}
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	c.srv.destinations = slices.DeleteFunc(c.srv.destinations,
		func(x *destination) bool { return x == d })
	return ok(obj{})
}

func (x *account) uses(d *destination) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.subs, func(s *subscription) bool { return s.dest == d })
}

func createSubscription(c *call) answer {
	kind, known := noteKinds[c.params["notificationType"]]
	if !known {
		return invalid("The notification type is not known or not simulated.")
	}
	var in struct {
		Version     string          `json:"payloadVersion"`
		Destination string          `json:"destinationId"`
		Directive   json.RawMessage `json:"processingDirective"`
	}
	if json.Unmarshal(c.body, &in) != nil || in.Version != kind.version {
		return invalid("payloadVersion must be " + kind.version + " for this type.")
	}
	d := c.destination(in.Destination)
	if d == nil {
		return invalid("The destination does not exist.")
	}
	if kind.bus && d.bus == "" {
		return invalid("This notification type can go to Amazon EventBridge only.")
	}
	if !kind.bus && d.bus != "" {
		return invalid("This notification type can go to Amazon SQS only.")
	}
	for _, s := range c.acct.subs {
		if s.app == c.grant.app && s.kind == c.params["notificationType"] && s.dest == d {
			return conflict("A subscription exists: " + s.id)
		}
	}
	s := &subscription{id: c.srv.newUUID(), kind: c.params["notificationType"], version: in.Version,
		dest: d, app: c.grant.app, directive: in.Directive}
	var directive struct {
		Filter struct {
			Markets []string `json:"marketplaceIds"`
			Changes []string `json:"orderChangeTypes"`
		} `json:"eventFilter"`
	}
	if len(in.Directive) > 0 && json.Unmarshal(in.Directive, &directive) != nil {
		return invalid("processingDirective is not valid.")
	}
	s.markets, s.changes = directive.Filter.Markets, directive.Filter.Changes
	c.acct.subs = append(c.acct.subs, s)
	return payload(s.json())
}

func getSubscription(c *call) answer {
	for _, s := range c.acct.subs {
		if s.app == c.grant.app && s.kind == c.params["notificationType"] {
			return payload(s.json())
		}
	}
	return notFound("There is no subscription of that type.")
}

// ownSubscription finds a subscription of the caller's application in any account.
func (c *call) ownSubscription() (*account, *subscription) {
	for _, x := range c.srv.accounts {
		x.mu.Lock()
		i := slices.IndexFunc(x.subs, func(s *subscription) bool {
			return s.app == c.grant.app && s.id == c.params["subscriptionId"] &&
				s.kind == c.params["notificationType"]
		})
		var s *subscription
		if i >= 0 {
			s = x.subs[i]
		}
		x.mu.Unlock()
		if s != nil {
			return x, s
		}
	}
	return nil, nil
}

func getSubscriptionByID(c *call) answer {
	_, s := c.ownSubscription()
	if s == nil {
		return notFound("The subscription was not found.")
	}
	return payload(s.json())
}

func deleteSubscription(c *call) answer {
	x, s := c.ownSubscription()
	if s == nil {
		return notFound("The subscription was not found.")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.subs = slices.DeleteFunc(x.subs, func(y *subscription) bool { return y == s })
	return ok(obj{})
}
