package shopify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"sync/atomic"
	"time"

	"holdfast/adapters/connections"
)

// receivers are the shops of a Hook, each read once for each version of its document. The zero one is
// ready, and is safe for concurrent use.
type receivers struct {
	vault *connections.Vault
	mu    sync.RWMutex
	all   map[string]*receiver // by connection
}

// receiver is one version of a connection, as its webhooks need it.
type receiver struct {
	acc     *account // nil with a fault
	fault   error    // why the document cannot be used
	version uint64
	secrets connections.Secrets
	keys    atomic.Pointer[hookKeys] // nil before the first webhook
}

// hookKeys are the secrets that may sign, as they were at a moment. They are never changed.
type hookKeys struct {
	read time.Time
	all  []connections.Secret
}

// keysFor is how long secrets that were read are taken for right. A read of a file costs more than the
// rest of a signature; one that was withdrawn is refused after so long at the latest, and one that is
// new is taken at once, because what none has signed is held against the files once more.
const keysFor = time.Second

// webhookSecrets are the names under which a connection may keep the secrets that sign its
// webhooks. During a rotation both the old and the new one sign, for up to an hour.
var webhookSecrets = [...]string{"webhook", "webhook_old", "client_secret"}

// of returns the receiver of a connection as its document is now.
func (r *receivers) of(e *connections.Entry, environ func(string) (string, bool)) *receiver {
	r.mu.RLock()
	known := r.all[e.ID]
	r.mu.RUnlock()
	if known != nil && known.version == e.Version {
		return known
	}
	acc, err := newAccount(e.Connection)
	now := &receiver{acc: acc, fault: err, version: e.Version,
		secrets: r.vault.Of(e.Connection, environ)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all == nil {
		r.all = make(map[string]*receiver)
	}
	r.all[e.ID] = now
	return now
}

// signed reports whether any of the secrets has signed the body.
func (r *receiver) signed(w *Webhook, now time.Time) bool {
	given, err := base64.StdEncoding.DecodeString(w.Signature)
	if err != nil || len(given) != sha256.Size {
		return false
	}
	keys := r.keys.Load()
	if keys != nil && now.Sub(keys.read) < keysFor && !now.Before(keys.read) {
		if keys.signed(w.Body, given) {
			return true
		}
	}
	keys = r.readKeys(now)
	r.keys.Store(keys)
	return keys.signed(w.Body, given)
}

// readKeys reads the secrets anew. One that is not there signs nothing.
func (r *receiver) readKeys(now time.Time) *hookKeys {
	keys := &hookKeys{read: now}
	for _, name := range webhookSecrets {
		if !r.secrets.Has(name) {
			continue
		}
		if secret, err := r.secrets.Read(name); err == nil && secret.Reveal() != "" {
			keys.all = append(keys.all, secret)
		}
	}
	return keys
}

// signed tries every secret, whichever fits, and each comparison takes the same time.
func (k *hookKeys) signed(body, given []byte) bool {
	good := false
	for _, secret := range k.all {
		mac := hmac.New(sha256.New, []byte(secret.Reveal()))
		mac.Write(body)
		good = hmac.Equal(mac.Sum(nil), given) || good
	}
	return good
}
