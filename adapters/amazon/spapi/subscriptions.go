package spapi

import (
	"context"
	"errors"
)

// Destination is a queue, or a bus, that the application's notifications go to.
type Destination struct {
	ID       string `json:"destinationId"`
	Name     string `json:"name"`
	Resource struct {
		SQS *struct {
			ARN string `json:"arn"`
		} `json:"sqs"`
		Bus *struct {
			Name    string `json:"name"`
			Region  string `json:"region"`
			Account string `json:"accountId"`
		} `json:"eventBridge"`
	} `json:"resource"`
}

// Subscription is one type of notification that a seller's account sends to a destination.
type Subscription struct {
	ID          string `json:"subscriptionId"`
	Version     string `json:"payloadVersion"`
	Destination string `json:"destinationId"`
}

// Destinations lists the application's destinations. It fails with a Fault.
func (c *Client) Destinations(ctx context.Context) ([]Destination, error) {
	var out []Destination
	err := c.do(ctx, opGetDestinations, call{out: &out, payload: true})
	return out, err
}

// QueueDestination finds the destination of a queue, or makes it. A second one of the same queue is
// refused by Amazon, so this can be done by several nodes. It fails with a Fault.
func (c *Client) QueueDestination(ctx context.Context, name, arn string) (Destination, error) {
	find := func() (Destination, error) {
		all, err := c.Destinations(ctx)
		for _, d := range all {
			if d.Resource.SQS != nil && d.Resource.SQS.ARN == arn {
				return d, nil
			}
		}
		return Destination{}, err
	}
	if d, err := find(); err != nil || d.ID != "" {
		return d, err
	}
	type sqs struct {
		ARN string `json:"arn"`
	}
	type resource struct {
		SQS sqs `json:"sqs"`
	}
	body := struct {
		Name     string   `json:"name"`
		Resource resource `json:"resourceSpecification"`
	}{name, resource{sqs{arn}}}
	var made Destination
	err := c.do(ctx, opCreateDestination, call{body: body, out: &made, payload: true})
	var f *Fault
	if errors.As(err, &f) && (f.code == CodeConflict || f.unknown) {
		return find()
	}
	return made, err
}

// Subscription reads the subscription of a type. It fails with a Fault; its code is [CodeGone]
// where there is none.
func (c *Client) Subscription(ctx context.Context, kind, version string) (Subscription, error) {
	q := query{}
	q.set("payloadVersion", version)
	var out Subscription
	err := c.do(ctx, opGetSubscription, call{args: []string{kind}, query: q, out: &out, payload: true})
	return out, err
}

// Subscribe has a type of notification sent to a destination. It fails with a Fault; its code is
// [CodeConflict] where there is a subscription already.
func (c *Client) Subscribe(ctx context.Context, kind, version, destination string) (Subscription, error) {
	body := struct {
		Version     string `json:"payloadVersion"`
		Destination string `json:"destinationId"`
	}{version, destination}
	var out Subscription
	err := c.do(ctx, opSubscribe, call{args: []string{kind}, body: body, out: &out, payload: true})
	return out, err
}

// Unsubscribe ends a subscription; one that is not there is no error. It fails with a Fault.
func (c *Client) Unsubscribe(ctx context.Context, kind, id string) error {
	err := c.do(ctx, opUnsubscribe, call{args: []string{kind, id}, payload: true})
	if CodeOf(err) == CodeGone {
		return nil
	}
	return err
}
