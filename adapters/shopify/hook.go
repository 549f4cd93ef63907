package shopify

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
)

// Webhook is one delivery as it came in. Body is the receiver's until it returns.
type Webhook struct {
	Connection string
	Topic      string // X-Shopify-Topic: orders/create
	ID         string // X-Shopify-Webhook-Id: the same on each try of one delivery
	Shop       string // X-Shopify-Shop-Domain
	Signature  string // X-Shopify-Hmac-Sha256
	Triggered  string // X-Shopify-Triggered-At, RFC 3339
	Body       []byte
}

// HookConfig is what a Hook works with. All but Logger and Metrics is required.
type HookConfig struct {
	Store    records.Store
	Registry Registry
	Book     Book
	Mapping  mapping.Lookup              // tells lines of documents that we made apart; may be nil
	Environ  func(string) (string, bool) // of the secrets; nil is the process's
	Vault    *connections.Vault          // where the secrets may be; nil is anywhere
	Now      func() time.Time
	Logger   *slog.Logger
	Metrics  prometheus.Registerer
}

// Hook takes the webhooks of all shops in, on every node. It is safe for concurrent use and never
// calls a shop.
type Hook struct {
	cfg   HookConfig
	shops receivers
	seen  *prometheus.CounterVec
	taken *prometheus.HistogramVec
}

// NewHook fails when a metric of its names is registered already.
func NewHook(cfg HookConfig) (*Hook, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hook{cfg: cfg, shops: receivers{vault: cfg.Vault},
		seen: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_shopify_webhooks_total",
			Help: "Webhooks by topic and by what became of them.",
		}, []string{"topic", "outcome"}),
		taken: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "holdfast_shopify_webhook_seconds",
			Help:    "Time from the whole body to the commit.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 4},
		}, []string{"topic"}),
	}
	if cfg.Metrics == nil {
		return h, nil
	}
	return h, errors.Join(cfg.Metrics.Register(h.seen), cfg.Metrics.Register(h.taken))
}

// The answers to a webhook, as HTTP statuses: what is not 200 is sent again by the shop.
const (
	Taken       = 200 // in the log, or of no use to anybody
	BadSign     = 401
	NoSuchShop  = 404 // the connection is not there, or is no shop
	TryLater    = 503 // nothing happened, or nobody knows
	outTaken    = "taken"
	outSeen     = "seen"
	outUnknown  = "unknown-topic"
	outBad      = "exception"
	outIgnored  = "ignored"
	otherTopics = "other"
)

// Take answers a webhook with an HTTP status. It returns Taken only after the commit of what the
// webhook means, and returns within 4 s.
func (h *Hook) Take(ctx context.Context, w Webhook) int {
	topic, known := topics[w.Topic]
	label := w.Topic
	if !known {
		label = otherTopics
	}
	entry, ok := h.cfg.Registry.Entry(w.Connection)
	if !ok || entry.Kind != kindName {
		h.seen.WithLabelValues(label, "no-connection").Inc()
		return NoSuchShop
	}
	shop := h.shops.of(&entry, h.cfg.Environ)
	if !shop.signed(&w, h.cfg.Now()) {
		h.seen.WithLabelValues(label, "bad-signature").Inc()
		return BadSign
	}
	began := h.cfg.Now()
	ctx, cancel := context.WithTimeout(ctx, hookTime)
	defer cancel()
	outcome, err := h.take(ctx, shop, &w, topic)
	if err != nil {
		h.seen.WithLabelValues(label, "failed").Inc()
		h.cfg.Logger.Warn("a webhook was not taken in", "connection", w.Connection, "topic", label,
			"webhook", cut(w.ID), "error", err)
		return TryLater
	}
	h.seen.WithLabelValues(label, outcome).Inc()
	h.taken.WithLabelValues(label).Observe(h.cfg.Now().Sub(began).Seconds())
	return Taken
}

// take does what a topic means. outcome is for the metric.
func (h *Hook) take(ctx context.Context, shop *receiver, w *Webhook, topic topic) (
	outcome string, err error) {
	if w.ID == "" || len(w.ID) > 128 {
		// Without an id a second delivery cannot be told from the first: the body's digest stands
		// for it.
		sum := sha256.Sum256(w.Body)
		w.ID = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	if shop.fault != nil {
		return "", shop.fault
	}
	d := &delivery{h: h, w: w, acc: shop.acc, now: h.cfg.Now().UTC()}
	if topic == nil {
		return outUnknown, d.raise(ctx, "webhook-topic:"+d.acc.id+":"+cut(w.Topic), "unknown-topic",
			"The shop sends a topic that is not known: "+cut(w.Topic)+". Nothing was done with it.")
	}
	return topic(ctx, d)
}

// delivery is the handling of one webhook.
type delivery struct {
	h   *Hook
	w   *Webhook
	acc *account
	now time.Time
}

// seenKey is unique for a delivery: two topics of one event have two ids, and all tries of one
// delivery the same.
func (d *delivery) seenKey() string { return d.acc.id + "/" + d.w.Topic + "/" + d.w.ID }

// heard is when the shop says that it happened, else now.
func (d *delivery) heard() time.Time {
	if at, err := time.Parse(time.RFC3339, d.w.Triggered); err == nil {
		return at.UTC()
	}
	return d.now
}

// once submits what build adds, together with the memory of the delivery. One that was seen before
// does nothing. It fails as the store does; then nothing is remembered, or nobody knows, and the
// delivery comes again.
func (d *delivery) once(ctx context.Context, build func(tx *records.Tx) error) (string, error) {
	_, known, err := d.h.cfg.Store.Get(ctx, records.Seen, d.seenKey())
	if err != nil || known {
		return outSeen, err
	}
	out, err := records.Retry(ctx, d.h.cfg.Store, func(tx *records.Tx) error {
		if err := build(tx); err != nil {
			return err
		}
		tx.Remember(d.seenKey(), d.now.Add(SeenFor))
		return nil
	})
	if errors.Is(err, records.ErrBusy) {
		// The same delivery twice at a time: one of them has been written.
		if _, known, lookErr := d.h.cfg.Store.Get(ctx, records.Seen, d.seenKey()); known &&
			lookErr == nil {
			return outSeen, nil
		}
	}
	if err == nil && out.Refusal != 0 {
		err = errors.New("the ledger refuses what a webhook says: " + out.Refusal.String())
	}
	return outTaken, err
}

// raise opens an exception with the payload, under a cause that is the same for the same fault.
func (d *delivery) raise(ctx context.Context, trace, code, detail string) error {
	_, err := d.once(ctx, func(tx *records.Tx) error {
		return exceptions.Raise(ctx, d.h.cfg.Store, tx, d.exception(trace, code, detail))
	})
	return err
}

func (d *delivery) exception(trace, code, detail string) exceptions.Exception {
	return exceptions.Exception{Trace: trace, Class: exceptions.Data, Code: code, Flow: "F3",
		Connection: d.acc.id, Detail: detail, Payload: d.payload(), LastAt: d.now}
}

// payload is the webhook as an exception keeps it: without the buyer.
func (d *delivery) payload() json.RawMessage {
	kept, err := json.Marshal(struct {
		Topic   string `json:"topic"`
		Webhook string `json:"webhook_id"`
		Body    any    `json:"body"`
	}{cut(d.w.Topic), cut(d.w.ID), withoutBuyer(d.w.Body)})
	if err != nil {
		return nil
	}
	return kept
}
