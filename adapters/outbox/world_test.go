package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// world is a store, an outside system and leaders, in a synctest bubble.
type world struct {
	t     *testing.T
	store *recordstest.Store
	desk  *Desk
	exc   *exceptions.Desk
	out   *outer
	gate  *fakeGate
	term  uint64
	stop  context.CancelFunc
	ended chan error
}

// outer is an outside system that remembers what it was told.
type outer struct {
	mu     sync.Mutex
	calls  []call
	answer func(ctx context.Context, t Task) (Finish, error)
	check  func(t Task) error
}

type call struct {
	id      string
	at      time.Time
	unknown bool
	payload string
}

func (o *outer) Do(ctx context.Context, t Task) (Finish, error) {
	o.mu.Lock()
	o.calls = append(o.calls, call{t.ID, time.Now(), t.Unknown, string(t.Payload)})
	answer := o.answer
	o.mu.Unlock()
	if answer == nil {
		return Finish{}, nil
	}
	return answer(ctx, t)
}

func (o *outer) Check(t Task) error {
	if o.check == nil {
		return nil
	}
	return o.check(t)
}

func (o *outer) told() []call {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]call(nil), o.calls...)
}

func (o *outer) say(answer func(ctx context.Context, t Task) (Finish, error)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = answer
}

// fakeGate blocks the connections that it has.
type fakeGate struct {
	mu      sync.Mutex
	blocked map[string]string
}

func (g *fakeGate) Blocked(connection string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.blocked[connection]
}

func (g *fakeGate) set(connection, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.blocked[connection] = why
}

// inWorld runs a test in a bubble, where a minute passes in no time.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	inWorldOf(t, recordstest.Options{}, test)
}

func inWorldOf(t *testing.T, o recordstest.Options, test func(t *testing.T, w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, store: recordstest.New(o), out: &outer{},
			gate: &fakeGate{blocked: map[string]string{}}}
		w.desk = NewDesk(DeskConfig{Store: w.store, Now: time.Now, Gate: w.gate,
			Executors: w.executors(), ReadKinds: []string{"read"}})
		w.exc = exceptions.NewDesk(w.store, w.desk, time.Now)
		defer synctest.Wait()
		defer w.kill()
		test(t, w)
	})
}

func (w *world) executors() map[string]Executor {
	return map[string]Executor{"push": w.out, "read": w.out}
}

// lead has a new leader, of the next term, run the tasks.
func (w *world) lead() *Dispatcher { return w.leadWith(Config{}) }

func (w *world) leadWith(cfg Config) *Dispatcher {
	w.t.Helper()
	if cfg.Store == nil {
		cfg.Store = w.store
	}
	cfg.Gate, cfg.Executors = w.gate, w.executors()
	cfg.ReadKinds = []string{"read"}
	if cfg.Jitter == nil {
		cfg.Jitter = func() float64 { return 1 }
	}
	d, err := New(cfg)
	require.NoError(w.t, err)
	w.term++
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	w.stop, w.ended = cancel, ended
	go func(term uint64) { ended <- d.Run(ctx, term) }(w.term)
	return d
}

// kill ends the leader's term and waits for it, which takes as long as its calls do.
func (w *world) kill() error {
	if w.stop == nil {
		return nil
	}
	w.stop()
	w.stop = nil
	return <-w.ended
}

// task is a task on "shop".
func task(key string) Task {
	return Task{Kind: "push", Connection: "shop", Key: key, CreatedAt: time.Now(), Flow: "F5",
		Payload: json.RawMessage(`{"v":1}`)}
}

func (w *world) queue(tasks ...Task) {
	w.t.Helper()
	w.submit(func(tx *records.Tx) error {
		for _, t := range tasks {
			Enqueue(tx, t)
		}
		return nil
	})
}

func (w *world) submit(build func(tx *records.Tx) error) {
	w.t.Helper()
	o, err := records.Retry(context.Background(), w.store, build)
	require.NoError(w.t, err)
	require.False(w.t, o.Conflict)
	require.Zero(w.t, o.Refusal)
}

// after lets time pass, and everything that happens in it.
func (w *world) after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) get(key string) Task {
	w.t.Helper()
	v, err := w.desk.Get(context.Background(), "push:"+key)
	require.NoError(w.t, err)
	return v.Task
}

func (w *world) open() []exceptions.Exception {
	w.t.Helper()
	list, next, err := w.exc.List(context.Background(), exceptions.Filter{State: exceptions.Open}, "",
		100)
	require.NoError(w.t, err)
	require.Empty(w.t, next)
	return list
}

// vendorError is an error as an adapter's client gives it.
type vendorError struct {
	class   exceptions.Class
	code    string
	unknown bool
	after   time.Duration
}

func (e *vendorError) Error() string             { return fmt.Sprintf("the vendor says %s", e.code) }
func (e *vendorError) Class() exceptions.Class   { return e.class }
func (e *vendorError) Code() string              { return e.code }
func (e *vendorError) Unknown() bool             { return e.unknown }
func (e *vendorError) RetryAfter() time.Duration { return e.after }
