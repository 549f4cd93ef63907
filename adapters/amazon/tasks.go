package amazon

import (
	"context"
	"strings"
	"time"

	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/outbox"
)

// The tasks that this package does.
const taskRead = "amazon.read" // an order, whole

// TaskKinds are the kinds of task that [Sellers] does.
var TaskKinds = []string{taskRead}

// ReadKinds are the kinds of task that change nothing at Amazon.
var ReadKinds = []string{taskRead}

// read reads an order that a message has told of, and hands it to the book.
func (j *job) read(ctx context.Context) (outbox.Finish, error) {
	id := strings.TrimPrefix(j.t.Key, kindName+":"+j.id+":")
	order, err := j.order(ctx, j.all, id)
	if spapi.CodeOf(err) == spapi.CodeGone {
		return outbox.Finish{}, spapi.Later(time.Minute, "Amazon does not show order %s yet", id)
	}
	if err != nil {
		return outbox.Finish{}, err
	}
	_, err = j.take(ctx, j.all, order)
	return outbox.Finish{}, err
}
