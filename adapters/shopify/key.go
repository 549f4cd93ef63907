package shopify

import (
	"crypto/sha256"
	"encoding/hex"
)

// digestKey is an idempotency key made of several: the same ones in the same order make the same.
func digestKey(parts []string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
