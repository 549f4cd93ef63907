package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// API is what of SQS is used; *sqs.Client has it.
type API interface {
	ReceiveMessage(context.Context, *sqs.ReceiveMessageInput, ...func(*sqs.Options)) (
		*sqs.ReceiveMessageOutput, error)
	DeleteMessage(context.Context, *sqs.DeleteMessageInput, ...func(*sqs.Options)) (
		*sqs.DeleteMessageOutput, error)
	ChangeMessageVisibility(context.Context, *sqs.ChangeMessageVisibilityInput, ...func(*sqs.Options)) (
		*sqs.ChangeMessageVisibilityOutput, error)
}

var _ API = (*sqs.Client)(nil)

// Message is one message. Its body is the handler's until that returns.
type Message struct {
	ID   string
	Body []byte
	// Tries is how often it was received, this time included, as far as SQS knows.
	Tries int
}

// Config is what a Consumer works with. API, URL, Handle and Bad are required.
type Config struct {
	API API
	URL string
	// Handle takes a message in. It returns nil after the commit of what the message says. An error
	// with Malformed() bool true says that it can never be taken in; any other, that it should come
	// again.
	Handle func(ctx context.Context, m Message) error
	// Bad keeps a message that can never be handled, with why. It returns nil after the commit.
	Bad func(ctx context.Context, m Message, why error) error
	// Note is told how each message ended: done, bad, failed. It may be nil.
	Note func(outcome string)

	Hands   int           // messages at a time, default 8
	InHand  time.Duration // how long a message stays out of sight while nothing is said, default 1 min
	Poll    time.Duration // how long an empty queue is listened to, default 20 s, the most
	GiveUp  int           // tries after which a message whose handling fails for good is bad, default 8
	Logger  *slog.Logger
	Backoff time.Duration // before another try, and after an error of SQS; doubles; default 2 s
}

func (c Config) withDefaults() Config {
	if c.Hands == 0 {
		c.Hands = 8
	}
	if c.InHand == 0 {
		c.InHand = time.Minute
	}
	if c.Poll == 0 {
		c.Poll = 20 * time.Second
	}
	if c.GiveUp == 0 {
		c.GiveUp = 8
	}
	if c.Backoff == 0 {
		c.Backoff = 2 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Note == nil {
		c.Note = func(string) {}
	}
	return c
}

// Consumer reads one queue.
type Consumer struct {
	cfg   Config
	hands chan struct{} // one for each message in hand
}

// New fails when something that is required is missing.
func New(cfg Config) (*Consumer, error) {
	if cfg.API == nil || cfg.URL == "" || cfg.Handle == nil || cfg.Bad == nil {
		return nil, errors.New("queue: something that is required is missing")
	}
	cfg = cfg.withDefaults()
	return &Consumer{cfg: cfg, hands: make(chan struct{}, cfg.Hands)}, nil
}

const (
	// batch is the most that SQS hands out at a time.
	batch = 10
	// maxBackoff bounds every pause here.
	maxBackoff = 5 * time.Minute
	// endTime is how long a deletion may take when the consumer ends: what was committed should not
	// come back.
	endTime = 5 * time.Second
)

// Run reads the queue until ctx ends, and returns when no message is in hand any more. It fails
// with ctx's error only: what goes wrong with the queue is logged, and tried again.
func (c *Consumer) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	for failures := 0; ctx.Err() == nil; {
		free, err := c.free(ctx)
		if err != nil {
			break
		}
		got, err := c.receive(ctx, free)
		for range free - len(got) {
			<-c.hands
		}
		for i := range got {
			work.Go(func() {
				defer func() { <-c.hands }()
				c.handle(ctx, &got[i])
			})
		}
		if err == nil {
			failures = 0
			continue
		}
		if ctx.Err() == nil {
			c.cfg.Logger.Warn("a queue was not read", "queue", c.cfg.URL, "error", err)
			pause(ctx, doubled(c.cfg.Backoff, failures))
			failures++
		}
	}
	return ctx.Err()
}

// free waits until a hand is free, and takes all that are, up to a batch.
func (c *Consumer) free(ctx context.Context) (n int, err error) {
	select {
	case c.hands <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	for n = 1; n < batch; n++ {
		select {
		case c.hands <- struct{}{}:
		default:
			return n, nil
		}
	}
	return n, nil
}

func (c *Consumer) receive(ctx context.Context, n int) ([]types.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Poll+10*time.Second)
	defer cancel()
	out, err := c.cfg.API.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &c.cfg.URL, MaxNumberOfMessages: int32(n),
		WaitTimeSeconds:   int32(c.cfg.Poll / time.Second),
		VisibilityTimeout: int32(c.cfg.InHand / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount},
	})
	if err != nil {
		return nil, err
	}
	return out.Messages[:min(len(out.Messages), n)], nil
}

// handle takes one message in, and deletes it or lets it come again.
func (c *Consumer) handle(ctx context.Context, m *types.Message) {
	msg := Message{ID: aws.ToString(m.MessageId), Body: []byte(aws.ToString(m.Body)), Tries: tries(m)}
	err := c.held(ctx, m, func(ctx context.Context) error {
		err := c.guarded(ctx, msg)
		if err == nil || !c.hopeless(err, msg.Tries) {
			return err
		}
		if kept := c.cfg.Bad(ctx, msg, err); kept != nil {
			return kept
		}
		c.cfg.Note("bad")
		return errKept
	})
	if err != nil && !errors.Is(err, errKept) {
		c.cfg.Note("failed")
		c.again(ctx, m, msg, err)
		return
	}
	if err == nil {
		c.cfg.Note("done")
	}
	c.delete(ctx, m, msg)
}

// errKept says that a message was bad, and is kept elsewhere.
var errKept = errors.New("kept")

// guarded makes a panic of the handler an error: it is about that message, not about the node.
func (c *Consumer) guarded(ctx context.Context, m Message) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{fmt.Sprint(p)}
		}
	}()
	return c.cfg.Handle(ctx, m)
}

type panicked struct{ what string }

func (p *panicked) Error() string { return "panic: " + p.what }

// Retryable is false: the same message does the same again.
func (*panicked) Retryable() bool { return false }

// hopeless reports whether a message can never be taken in: it says so, or it has failed for good
// often enough that nothing else can be hoped for.
func (c *Consumer) hopeless(err error, tries int) bool {
	var bad interface{ Malformed() bool }
	if errors.As(err, &bad) && bad.Malformed() {
		return true
	}
	var again interface{ Retryable() bool }
	return errors.As(err, &again) && !again.Retryable() && tries >= c.cfg.GiveUp
}

// held does the work while it keeps the message out of everybody else's sight. Where that fails the
// work goes on: the message may then be handled twice, which is harmless, and would else not be at
// all.
func (c *Consumer) held(ctx context.Context, m *types.Message, work func(context.Context) error) error {
	done := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Go(func() {
		tick := time.NewTicker(c.cfg.InHand / 3)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-ctx.Done():
				return
			case <-tick.C:
				if err := c.hide(ctx, m, c.cfg.InHand); err != nil && ctx.Err() == nil {
					c.cfg.Logger.Warn("a message may come again while it is worked on",
						"queue", c.cfg.URL, "message", aws.ToString(m.MessageId), "error", err)
				}
			}
		}
	})
	defer keeper.Wait()
	defer close(done)
	return work(ctx)
}

func (c *Consumer) hide(ctx context.Context, m *types.Message, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.InHand/3)
	defer cancel()
	_, err := c.cfg.API.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &c.cfg.URL, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: int32(d / time.Second)})
	return err
}

// again lets a message come again, later and later. When the consumer ends it is let go at once,
// for the next one.
func (c *Consumer) again(ctx context.Context, m *types.Message, msg Message, why error) {
	wait := doubled(c.cfg.Backoff, msg.Tries-1)
	if ctx.Err() != nil {
		wait = 0
	} else {
		c.cfg.Logger.Warn("a message was not taken in", "queue", c.cfg.URL, "message", msg.ID,
			"tries", msg.Tries, "again_in", wait, "error", why)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	if err := c.hide(ctx, m, wait); err != nil {
		c.cfg.Logger.Debug("a message comes again when its time is over", "message", msg.ID, "error", err)
	}
}

// delete deletes a message whose handling is committed; also when the consumer ends meanwhile. If
// that fails it comes again, and is recognised.
func (c *Consumer) delete(ctx context.Context, m *types.Message, msg Message) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
	defer cancel()
	_, err := c.cfg.API.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &c.cfg.URL,
		ReceiptHandle: m.ReceiptHandle})
	if err != nil {
		c.cfg.Logger.Warn("a message was not deleted, and will come again", "queue", c.cfg.URL,
			"message", msg.ID, "error", err)
	}
}
