package queue

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// fake is a standard queue: at least once, out of sight while in hand.
type fake struct {
	mu       sync.Mutex
	messages []*held
	failing  int // calls of receive that fail
	deletes  int // calls of delete that fail
	most     int // messages in hand at a time
	asked    []int32
	receives int
}

type held struct {
	body   string
	until  time.Time
	tries  int
	hidden []int32
	gone   bool
}

func (f *fake) add(bodies ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, b := range bodies {
		f.messages = append(f.messages, &held{body: b})
	}
}

func (f *fake) ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput, _ ...func(*sqs.Options)) (
	*sqs.ReceiveMessageOutput, error) {
	ends := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		if out, err := f.hand(in); err != nil || len(out.Messages) > 0 || !time.Now().Before(ends) {
			return out, err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (f *fake) hand(in *sqs.ReceiveMessageInput) (*sqs.ReceiveMessageOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.receives++
	f.asked = append(f.asked, in.MaxNumberOfMessages)
	if f.failing > 0 {
		f.failing--
		return nil, errors.New("no queue today")
	}
	out := new(sqs.ReceiveMessageOutput)
	for i, m := range f.messages {
		if m.gone || time.Now().Before(m.until) || len(out.Messages) == int(in.MaxNumberOfMessages) {
			continue
		}
		m.until = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second)
		m.tries++
		id := strconv.Itoa(i)
		out.Messages = append(out.Messages, types.Message{MessageId: &id, ReceiptHandle: &id, Body: &m.body,
			Attributes: map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.tries)}})
	}
	inHand := 0
	for _, m := range f.messages {
		if !m.gone && time.Now().Before(m.until) {
			inHand++
		}
	}
	f.most = max(f.most, inHand)
	return out, nil
}

func (f *fake) message(handle *string) *held {
	i, _ := strconv.Atoi(*handle)
	return f.messages[i]
}

func (f *fake) DeleteMessage(ctx context.Context, in *sqs.DeleteMessageInput, _ ...func(*sqs.Options)) (
	*sqs.DeleteMessageOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil || f.deletes > 0 {
		f.deletes--
		return nil, errors.New("not deleted")
	}
	f.message(in.ReceiptHandle).gone = true
	return new(sqs.DeleteMessageOutput), nil
}

func (f *fake) ChangeMessageVisibility(ctx context.Context, in *sqs.ChangeMessageVisibilityInput,
	_ ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.message(in.ReceiptHandle)
	m.until = time.Now().Add(time.Duration(in.VisibilityTimeout) * time.Second)
	m.hidden = append(m.hidden, in.VisibilityTimeout)
	return new(sqs.ChangeMessageVisibilityOutput), ctx.Err()
}

func (f *fake) left() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if !m.gone {
			n++
		}
	}
	return n
}

// malformed is the error of a message that can never be taken in.
type malformed struct{}

func (malformed) Error() string   { return "malformed" }
func (malformed) Malformed() bool { return true }

// kept collects what Bad was given.
type kept struct {
	mu  sync.Mutex
	all []string
	err error
}

func (k *kept) keep(_ context.Context, m Message, why error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.all = append(k.all, string(m.Body)+": "+why.Error())
	return nil
}

// run reads a queue for d, within a bubble of synctest.
func run(t *testing.T, f *fake, k *kept, d time.Duration, handle func(context.Context, Message) error,
	change ...func(*Config)) {
	cfg := Config{API: f, URL: "https://sqs.us-east-1.amazonaws.com/1/q", Handle: handle, Bad: k.keep}
	for _, c := range change {
		c(&cfg)
	}
	c, err := New(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	assert.ErrorIs(t, c.Run(ctx), context.DeadlineExceeded)
	assert.Empty(t, c.hands, "no hand is left")
}

func TestAMessageIsDeletedAfterItsCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		f.add("a", "b", "c")
		var mu sync.Mutex
		seen := map[string]int{}
		run(t, f, new(kept), time.Minute, func(_ context.Context, m Message) error {
			assert.GreaterOrEqual(t, f.left(), 1, "it is there until we have returned")
			mu.Lock()
			defer mu.Unlock()
			seen[string(m.Body)]++
			return nil
		})
		assert.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1}, seen)
		assert.Zero(t, f.left())
	})
}

func TestAMessageThatFailsComesAgainLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		f.add("a")
		var at []time.Time
		run(t, f, new(kept), 10*time.Minute, func(_ context.Context, m Message) error {
			at = append(at, time.Now())
			assert.Equal(t, len(at), m.Tries)
			if len(at) < 5 {
				return errors.New("no leader")
			}
			return nil
		})
		require.Len(t, at, 5)
		for i := 2; i < len(at); i++ {
			assert.Greater(t, at[i].Sub(at[i-1]), at[i-1].Sub(at[i-2]), "later and later")
		}
		assert.Zero(t, f.left())
	})
}

func TestWorkThatLastsKeepsItsMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		f.add("slow")
		n := 0
		run(t, f, new(kept), 20*time.Minute, func(context.Context, Message) error {
			n++
			time.Sleep(10 * time.Minute)
			return nil
		})
		assert.Equal(t, 1, n, "nobody else was handed it meanwhile")
		assert.Zero(t, f.left())
		assert.GreaterOrEqual(t, len(f.messages[0].hidden), 29)
	})
}

func TestAPoisonedMessageIsKeptThenDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, k := new(fake), &kept{err: errors.New("no leader")}
		f.add("poison", "good")
		time.AfterFunc(time.Minute, func() {
			assert.Equal(t, 1, f.left(), "not before it is kept")
			k.mu.Lock()
			defer k.mu.Unlock()
			k.err = nil
		})
		var mu sync.Mutex
		ended := map[string]int{}
		run(t, f, k, 10*time.Minute, func(_ context.Context, m Message) error {
			if string(m.Body) == "poison" {
				return malformed{}
			}
			return nil
		}, func(c *Config) {
			c.Note = func(outcome string) {
				mu.Lock()
				defer mu.Unlock()
				ended[outcome]++
			}
		})
		assert.Equal(t, []int{1, 1}, []int{ended["done"], ended["bad"]})
		assert.Positive(t, ended["failed"], "while it could not be kept")
		assert.Equal(t, []string{"poison: malformed"}, k.all)
		assert.Zero(t, f.left())
	})
}

func TestAPanicIsAboutItsMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, k := new(fake), new(kept)
		f.add("bang", "good")
		good := 0
		run(t, f, k, time.Hour, func(_ context.Context, m Message) error {
			if string(m.Body) == "bang" {
				panic("bang")
			}
			good++
			return nil
		})
		assert.Equal(t, 1, good)
		assert.Equal(t, []string{"bang: panic: bang"}, k.all, "after eight tries")
		assert.Equal(t, 8, f.messages[0].tries)
		assert.Zero(t, f.left())
	})
}

func TestNoMoreAreInHandThanAreWorkedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		for i := range 100 {
			f.add(strconv.Itoa(i))
		}
		var mu sync.Mutex
		now, most := 0, 0
		run(t, f, new(kept), 10*time.Minute, func(context.Context, Message) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			now--
			return nil
		}, func(c *Config) { c.Hands = 4 })
		assert.Equal(t, 4, most)
		assert.Equal(t, 4, f.most)
		assert.Zero(t, f.left())
		for _, n := range f.asked {
			assert.LessOrEqual(t, n, int32(4))
		}
	})
}

func TestAnEndLetsGoOfWhatIsInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fake)
		f.add("done", "under way")
		run(t, f, new(kept), 10*time.Second, func(ctx context.Context, m Message) error {
			<-ctx.Done()
			if string(m.Body) == "done" {
				return nil // it was committed just before
			}
			return ctx.Err()
		})
		assert.True(t, f.messages[0].gone, "what was committed does not come back")
		assert.False(t, f.messages[1].gone)
		assert.False(t, time.Now().Before(f.messages[1].until), "the next leader has it at once")
	})
}

func TestAQueueThatIsDownIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{failing: 6, deletes: 1}
		f.add("a")
		n := 0
		run(t, f, new(kept), 10*time.Minute, func(context.Context, Message) error { n++; return nil })
		assert.Equal(t, 2, n, "one that was not deleted comes again, and is recognised by its handler")
		assert.Zero(t, f.left())
		assert.Less(t, f.receives, 6500, "with pauses between the tries")
	})
}

func TestOpenNeedsARegion(t *testing.T) {
	key := func() (string, string, string, error) { return "id", "secret", "", nil }
	for url, ok := range map[string]bool{"https://sqs.eu-west-1.amazonaws.com/1/q": true,
		"https://queue.example/1/q": false, "": false} {
		_, err := Open(Access{URL: url, Key: key})
		assert.Equal(t, ok, err == nil, url)
	}
	_, err := Open(Access{URL: "http://127.0.0.1:1/1/q", Region: "us-east-1", Key: key})
	assert.NoError(t, err)
	assert.Equal(t, "eu-west-1", RegionOf("https://sqs.eu-west-1.amazonaws.com/1/q"))
}
