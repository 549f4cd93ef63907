package amazon

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon/queue"
	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

// subscribed is an interop whose queue is told of orders.
func subscribed(t *testing.T, timing *spapitest.Timing) *interop {
	x := newInterop(t, timing)
	require.NoError(t, (&adapter{all: x.sellers, id: "amz"}).check(x.ctx, x.seller()))
	return x
}

// tryReads does the readings that are queued; one that fails stays, as in the outbox.
func (x *interop) tryReads() {
	for _, key := range x.tasks(taskRead) {
		_, err := x.sellers.Do(x.ctx, outbox.Task{Kind: taskRead, Connection: "amz", Key: key})
		if err != nil {
			continue
		}
		_, err = records.Retry(x.ctx, x.store, func(tx *records.Tx) error {
			tx.Drop(records.Tasks, outbox.ID(taskRead, key, ""), 0)
			return nil
		})
		require.NoError(x.t, err)
	}
}

// TestAStormLosesNothing: messages are lost, doubled, late, out of order and cut off, calls are
// throttled and fail, and the token expires between two calls. Afterwards each order is in the book
// once, and the stock is what the orders leave.
func TestAStormLosesNothing(t *testing.T) {
	x := subscribed(t, nil)
	require.NoError(t, x.sim.Run(spapitest.Script{
		Notifications: &spapitest.Noise{LostPercent: 10, DuplicatePercent: 30, DelayPercent: 20,
			DelayMS: 600_000, ReorderPercent: 30, ReorderMS: 60_000},
		Faults: []spapitest.Fault{
			{ID: "cut", Kind: spapitest.FaultNotificationMalformed, Skip: 3, Count: 2},
			{ID: "busy", Kind: spapitest.FaultThrottled, Operation: "searchOrders", Count: 2},
			{ID: "down", Kind: spapitest.FaultError, Operation: "getOrder", Skip: 2, Count: 2},
			{ID: "gone", Kind: spapitest.FaultTokenExpired, Operation: "searchOrders", Count: 1}}}))
	bought := x.buy("AZ-A", 1, 40)
	x.pass(time.Minute)
	x.listen()
	for i := range 10 {
		_, err := x.sim.Cancel(spapitest.Cancels{Account: "us", Orders: []string{bought[i].ID}})
		require.NoError(t, err)
	}
	for range 4 { // till the last PENDING has ended and each late message has come
		x.pass(15 * time.Minute)
		x.listen()
		x.tryReads()
	}
	for _, f := range []feed{byCreation, byChange} {
		for tries := 0; x.seller().sweep(x.ctx, x.sellers, f) != nil; tries++ {
			require.Less(t, tries, 5, "a sweep that failed goes on at its next turn")
			x.pass(3 * time.Minute)
		}
		x.pass(3 * time.Minute)
	}
	x.tryReads()
	require.Empty(t, x.tasks(taskRead))

	assert.EqualValues(t, 70, x.available("A"))
	for i, o := range bought {
		got := x.order(o.ID)
		assert.Equal(t, i < 10, !got.CancelledAt.IsZero(), o.ID)
		assert.False(t, i >= 10 && got.Pending, o.ID)
	}
	for _, code := range x.open() {
		assert.Equal(t, "bad-message", code, "only what was cut off needs a person")
	}
	for _, fault := range []string{"cut", "busy", "down", "gone"} {
		var struck bool
		for _, e := range x.sim.Journal(spapitest.Filter{Kind: "fault"}) {
			struck = struck || len(e.Fault) > len(fault) && e.Fault[:len(fault)+1] == fault+"."
		}
		assert.True(t, struck, "%s never struck", fault)
	}
}

// TestTheLibraryOfSQSAndTheSimulatorAgree: what is received comes again when it is let go or its time
// is over, is counted, and is gone once it is deleted.
func TestTheLibraryOfSQSAndTheSimulatorAgree(t *testing.T) {
	x := subscribed(t, nil)
	require.NoError(t, x.sim.Run(spapitest.Script{Faults: []spapitest.Fault{
		{ID: "cut", Kind: spapitest.FaultNotificationMalformed, Count: 1}}}))
	pending := int64(-1) // for ever: nothing more is told of the order
	_, err := x.sim.Buy(spapitest.Purchases{Lines: []spapitest.PurchaseLine{{SKU: "AZ-A"}},
		PendingMS: &pending})
	require.NoError(t, err)
	x.pass(time.Minute)
	set := x.seller().settings
	api, err := queue.Open(queue.Access{URL: set.Queue, Region: set.QueueRegion,
		Endpoint: set.QueueEndpoint, Key: func() (id, secret, session string, err error) {
			return "AKID", "x", "", nil
		}})
	require.NoError(t, err)
	receive := func() []types.Message {
		out, err := api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &set.Queue,
			MaxNumberOfMessages: 10, VisibilityTimeout: 60,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"}})
		require.NoError(t, err)
		return out.Messages
	}
	first := receive()
	require.Len(t, first, 1)
	_, err = spapi.Decode([]byte(*first[0].Body))
	require.Error(t, err, "its body is cut off")
	require.Empty(t, receive(), "it is in flight")
	_, err = api.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &set.Queue, ReceiptHandle: first[0].ReceiptHandle, VisibilityTimeout: 0})
	require.NoError(t, err)
	second := receive()
	require.Len(t, second, 1, "it was let go")
	assert.Equal(t, first[0].MessageId, second[0].MessageId)
	assert.Equal(t, "2", second[0].Attributes["ApproximateReceiveCount"])
	x.pass(61 * time.Second)
	third := receive()
	require.Len(t, third, 1, "its time was over")
	_, err = api.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &set.Queue, ReceiptHandle: first[0].ReceiptHandle, VisibilityTimeout: 30})
	var stale *types.MessageNotInflight
	require.ErrorAs(t, err, &stale, "the handle is of an older receive")
	for range 2 {
		_, err = api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &set.Queue,
			ReceiptHandle: third[0].ReceiptHandle})
		require.NoError(t, err, "twice is no error")
	}
	x.pass(time.Hour)
	assert.Empty(t, receive())
	_, err = api.DeleteMessage(t.Context(), &sqs.DeleteMessageInput{QueueUrl: &set.Queue,
		ReceiptHandle: aws.String("nonsense")})
	var invalid *types.ReceiptHandleIsInvalid
	require.ErrorAs(t, err, &invalid)
	none := set.Queue + "-none"
	_, err = api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &none})
	var missing *types.QueueDoesNotExist
	require.ErrorAs(t, err, &missing)
}
