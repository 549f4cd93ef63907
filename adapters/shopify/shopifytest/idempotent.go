package shopifytest

import (
	"crypto/sha256"
	"encoding/json"
	"strings"
	"time"
)

// mustBeIdempotent are the mutations that Shopify refuses without @idempotent since 2026-04.
var mustBeIdempotent = map[string]bool{"inventoryActivate": true,
	"inventoryAdjustQuantities": true, "inventoryMoveQuantities": true,
	"inventorySetQuantities": true, "refundCreate": true}

// keyLife is how long an idempotency key is remembered.
const keyLife = 24 * time.Hour

// attempt is the first call with an idempotency key.
type attempt struct {
	print   [32]byte // of mutation and arguments
	ends    time.Time
	payload any
	failed  bool      // it ended in user errors
	until   time.Time // its answer is held back until then, by a fault
}

// replay answers a call whose key was used before, or says that it is new.
func (c *call) replay(f *planField, a args, key string) (any, bool) {
	old := c.shop.keys[key]
	now := c.act.at
	if old == nil || !now.Before(old.ends) {
		return nil, false
	}
	refuse := func(code, message string) (any, bool) {
		return &payload{mutation: f.field.Name, errs: []userError{{code: code, message: message}}}, true
	}
	switch {
	case old.print != fingerprint(f.field.Name, a):
		return refuse("IDEMPOTENCY_KEY_PARAMETER_MISMATCH",
			"The same idempotency key cannot be used with different operation parameters.")
	case now.Before(old.until):
		return refuse("IDEMPOTENCY_CONCURRENT_REQUEST",
			"A request with the same idempotency key is currently being processed.")
	case old.failed && !c.srv.assumptions().RefusalKeepsKey:
		return refuse("IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED",
			"A previous attempt with this idempotency key failed.")
	}
	return old.payload, true
}

// remember keeps the outcome of a call under its key. It is called before the answer is sent, so
// that a lost answer can be asked for again.
func (c *call) remember(f *planField, a args, key string, p *payload) {
	if len(c.shop.keys) > 1_000_000 {
		for k, old := range c.shop.keys {
			if !c.act.at.Before(old.ends) {
				delete(c.shop.keys, k)
			}
		}
	}
	x := &attempt{print: fingerprint(f.field.Name, a), payload: p, failed: len(p.errs) > 0,
		ends: c.act.at.Add(c.srv.period(keyLife))}
	if c.act.held > 0 {
		x.until = c.act.at.Add(c.act.held)
	}
	c.shop.keys[key] = x
}

func fingerprint(mutation string, a args) [32]byte {
	text, err := json.Marshal(a) // keys of maps are sorted
	if err != nil {
		return [32]byte{}
	}
	return sha256.Sum256(append([]byte(mutation+"\x00"), text...))
}

// key returns the key of @idempotent on a field; ok is false where the directive is missing or
// blank.
func (c *call) key(f *planField) (key string, ok bool) {
	d := f.field.Directives.ForName("idempotent")
	if d == nil {
		return "", false
	}
	v, _ := value(d.Arguments.ForName("key").Value, c.vars)
	key, _ = v.(string)
	return key, strings.TrimSpace(key) != ""
}
