package shopifytest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	// answerTime is how long a receiver has. It is the one period that --speed does not divide: it
	// measures a machine, not Shopify.
	answerTime = 5 * time.Second

	triggeredFormat = "2006-01-02T15:04:05.000000000Z"
)

// retryGaps are the gaps before the 8 retries: 4 hours in all, growing. Single gaps are not
// documented.
var retryGaps = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute,
	20 * time.Minute, 40 * time.Minute, 60 * time.Minute, 102 * time.Minute}

// delivery is one webhook on its way to one subscription.
type delivery struct {
	shop      *shop
	sub       *subscription
	topic     string
	about     any
	order     *order // that it is about, as about said under the shop's lock; nil: none
	id, event string
	triggered time.Time
	n         uint64 // counts the deliveries of the shop: seeds its luck
	attempt   int
	body      []byte // made when it is first sent, the same in retries
	fault     string
	badHMAC   bool
	dropped   bool
}

// courier sends webhooks with a bounded number of workers. What does not fit its queue is lost, and
// the journal says so. Safe for concurrent use.
type courier struct {
	srv    *Server
	client *http.Client
	limit  int

	mu     sync.Mutex
	cond   *sync.Cond // something was queued or came to rest
	queue  []*delivery
	busy   int
	closed bool
	works  bool // somebody takes from the queue
	noise  WebhookNoise
}

func newCourier(s *Server) *courier {
	t := s.cfg.Transport
	if t == nil {
		t = &http.Transport{MaxIdleConnsPerHost: s.cfg.WebhookWorkers, IdleConnTimeout: time.Minute,
			DisableCompression: true}
	}
	c := &courier{srv: s, limit: s.cfg.WebhookQueue, noise: s.cfg.Webhooks,
		client: &http.Client{Transport: t, Timeout: answerTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
	c.cond = sync.NewCond(&c.mu)
	return c
}

// send decides what becomes of a new delivery and queues it, now or later.
func (c *courier) send(d *delivery) {
	c.mu.Lock()
	noise := c.noise
	c.mu.Unlock()
	luck := rand.New(rand.NewPCG(c.srv.cfg.Seed+uint64(len(d.shop.cfg.Name)), d.n))
	hit := func(percent float64) bool { return luck.Float64()*100 < percent }
	draw := func(ms int64) time.Duration {
		return time.Duration(luck.Int64N(max(1, ms))) * time.Millisecond
	}
	var wait time.Duration
	lost, twice := hit(noise.LostPercent), hit(noise.DuplicatePercent)
	slow, late := hit(noise.DelayPercent), hit(noise.ReorderPercent)
	switch {
	case lost:
		c.inject(d, FaultWebhookLost, "noise")
		return
	case slow:
		c.inject(d, FaultWebhookDelay, "noise")
		wait = draw(noise.DelayMS)
	case late:
		c.inject(d, FaultWebhookReorder, "noise")
		wait = draw(noise.ReorderMS)
	}
	if twice {
		c.inject(d, FaultWebhookDuplicate, "noise")
	}
	f := c.srv.faults.pick(webhookFaults, d.shop.cfg.Name, func(f Fault) bool {
		return f.Topic == "" || f.Topic == d.topic
	})
	if f != nil {
		d.fault = f.id
		c.log(d, Entry{Kind: "fault", Op: f.Kind})
		switch f.Kind {
		case FaultWebhookLost:
			return
		case FaultWebhookDuplicate:
			twice = true
		case FaultWebhookDelay:
			wait = f.delay()
		case FaultWebhookReorder:
			wait = draw(f.DelayMS)
		case FaultWebhookBadHMAC:
			d.badHMAC = true
		}
	}
	if twice {
		copied := *d
		c.later(&copied, wait+draw(200))
	}
	c.later(d, wait)
}

// inject notes a fault of the background noise. Its id names the delivery.
func (c *courier) inject(d *delivery, kind, rule string) {
	d.fault = rule + "-" + kind + "." + d.shop.cfg.Name + "." + strconv.FormatUint(d.n, 10)
	c.log(d, Entry{Kind: "fault", Op: kind})
}

func (c *courier) log(d *delivery, e Entry) {
	e.Shop, e.Topic, e.Webhook, e.Event = d.shop.cfg.Name, d.topic, d.id, d.event
	e.Fault, e.Attempt, e.Cause = d.fault, d.attempt, "system"
	if o := d.order; o != nil {
		e.Order, e.OrderName = gid{"Order", o.id}.String(), o.name
	}
	c.srv.journal.add(e)
}

func (c *courier) later(d *delivery, wait time.Duration) {
	if wait > 0 {
		c.srv.clock.After(wait, func() { c.enqueue(d) })
		return
	}
	c.enqueue(d)
}

func (c *courier) enqueue(d *delivery) {
	c.mu.Lock()
	full := len(c.queue) >= c.limit
	if !full && !c.closed {
		c.queue = append(c.queue, d)
		c.cond.Signal()
	}
	c.mu.Unlock()
	if full {
		d.fault = "queue-full." + strconv.FormatUint(d.n, 10)
		c.log(d, Entry{Kind: "fault", Op: FaultWebhookLost, Result: "queue full"})
	}
}

// work delivers until the context ends or the courier is closed.
func (c *courier) work(ctx context.Context) {
	for {
		c.mu.Lock()
		for len(c.queue) == 0 && !c.closed {
			c.cond.Wait()
		}
		if c.closed {
			c.mu.Unlock()
			return
		}
		d := c.queue[0]
		c.queue[0] = nil
		c.queue = c.queue[1:]
		c.busy++
		c.mu.Unlock()

		c.deliver(ctx, d)

		c.mu.Lock()
		c.busy--
		if c.busy == 0 && len(c.queue) == 0 {
			c.cond.Broadcast()
		}
		c.mu.Unlock()
	}
}

func (c *courier) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.works = true
}

func (c *courier) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed, c.queue = true, nil
	c.cond.Broadcast()
}

// settle waits until nothing is queued or under way, or nobody works on it.
func (c *courier) settle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.works && (c.busy > 0 || len(c.queue) > 0) && !c.closed {
		c.cond.Wait()
	}
}

// deliver tries once and sees to the next try. After the last one the subscription is deleted.
func (c *courier) deliver(ctx context.Context, d *delivery) {
	if !d.ready() {
		return
	}
	status, err := c.post(ctx, d)
	ok := err == nil && status >= 200 && status < 300
	e := Entry{Kind: "webhook", Status: status, Result: "ok"}
	if err != nil {
		e.Result = err.Error()
	} else if !ok {
		e.Result = "failed"
	}
	c.log(d, e)
	if ok || ctx.Err() != nil {
		return
	}
	if d.attempt >= len(retryGaps) {
		d.shop.mu.Lock()
		if !d.sub.deleted {
			d.shop.unsubscribe(d.sub)
			c.log(d, Entry{Kind: "admin", Op: "subscription_deleted"})
		}
		d.shop.mu.Unlock()
		return
	}
	wait := c.srv.period(retryGaps[d.attempt])
	d.attempt++
	c.srv.clock.After(wait, func() { c.enqueue(d) })
}

// ready makes the body, which shows what is true when it is sent and not when it was caused. It
// returns false where nothing is to be sent any more.
func (d *delivery) ready() bool {
	d.shop.mu.Lock()
	defer d.shop.mu.Unlock()
	if d.sub.deleted || d.dropped {
		return false
	}
	if d.body != nil {
		return true
	}
	body := d.shop.payloads.body(d.topic, d.about)
	if len(d.sub.fields) > 0 || d.sub.filter != "" {
		var all map[string]any
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.UseNumber()
		if dec.Decode(&all) == nil {
			if d.sub.filtered(all) {
				d.dropped = true
				return false
			}
			body = d.sub.only(all, body)
		}
	}
	d.body = body
	return true
}

// only cuts a body down to includeFields.
func (x *subscription) only(all map[string]any, body []byte) []byte {
	if len(x.fields) == 0 {
		return body
	}
	kept := map[string]any{}
	for _, f := range x.fields {
		if v, ok := all[f]; ok {
			kept[f] = v
		}
	}
	out, err := json.Marshal(kept)
	if err != nil {
		return body
	}
	return out
}

// post sends a webhook once. The headers are written as Shopify writes them.
func (c *courier) post(ctx context.Context, d *delivery) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, d.sub.uri, bytes.NewReader(d.body))
	if err != nil {
		return 0, err
	}
	h := r.Header
	h["Content-Type"] = []string{"application/json"}
	h["User-Agent"] = []string{"Shopify-Captain-Hook"}
	h["X-Shopify-Topic"] = []string{d.topic}
	h["X-Shopify-Shop-Domain"] = []string{d.shop.cfg.Domain}
	h["X-Shopify-Api-Version"] = []string{d.sub.version}
	h["X-Shopify-Webhook-Id"] = []string{d.id}
	h["X-Shopify-Event-Id"] = []string{d.event}
	h["X-Shopify-Triggered-At"] = []string{d.triggered.UTC().Format(triggeredFormat)}
	h["X-Shopify-Hmac-Sha256"] = []string{d.signature()}
	h["X-Simulate-Speed"] = c.srv.speedHeader()
	if d.sub.name != "" {
		h["X-Shopify-Name"] = []string{d.sub.name}
	}
	res, err := c.client.Do(r)
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 64<<10)) // so that the connection is kept
	_ = res.Body.Close()
	return res.StatusCode, nil
}

// signature signs with one of the shop's secrets, by turns.
func (d *delivery) signature() string {
	secrets := d.shop.cfg.WebhookSecrets
	secret := secrets[int(d.n)%len(secrets)]
	if d.badHMAC {
		secret += "-wrong"
	}
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(d.body)
	return base64.StdEncoding.EncodeToString(m.Sum(nil))
}
