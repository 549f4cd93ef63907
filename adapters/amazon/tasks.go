package amazon

import (
	"context"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/outbox"
)

// The tasks that this package does.
const (
	taskRead     = "amazon.read"            // an order, whole
	taskShipment = "amazon.shipment"        // a package of the merchant's is confirmed
	taskCancel   = "amazon.acknowledgement" // an order is cancelled
	taskDecline  = "amazon.decline_cancel"  // a buyer's wish to cancel is declined
)

// TaskKinds are the kinds of task that [Sellers] does.
var TaskKinds = []string{taskRead, taskShipment, taskCancel, taskDecline}

// ReadKinds are the kinds of task that change nothing at Amazon.
var ReadKinds = []string{taskRead}

// read reads an order that a message has told of, and hands it to the book.
func (j *job) read(ctx context.Context) (outbox.Finish, error) {
	id := strings.TrimPrefix(j.t.Key, kindName+":"+j.id+":")
	err := j.fetch(ctx, j.all, id)
	if spapi.CodeOf(err) == spapi.CodeGone {
		err = spapi.Later(time.Minute, "Amazon does not show order %s yet", id)
	}
	return outbox.Finish{}, err
}
