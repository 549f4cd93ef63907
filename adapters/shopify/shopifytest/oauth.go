package shopifytest

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// tokenLife is how long a token of the client credentials grant lives: expires_in says a second
// less.
const tokenLife = 24 * time.Hour

// authorize returns the app that a token stands for, or nil.
func (s *shop) authorize(token string) *app {
	s.mu.Lock()
	gone := s.uninstalled
	s.mu.Unlock()
	if gone {
		return nil
	}
	now := s.srv.clock.Now()
	for _, a := range s.apps {
		a.mu.Lock()
		ends, ok := a.tokens[token]
		ok = ok && !a.revoked[token] && (ends.IsZero() || now.Before(ends))
		a.mu.Unlock()
		if ok {
			return a
		}
	}
	return nil
}

func (a *app) revoke(token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.revoked[token] = true
}

// grant is POST /admin/oauth/access_token with grant_type=client_credentials, as a form or as JSON.
func (s *shop) grant(w http.ResponseWriter, r *http.Request) {
	in := map[string]string{}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&in)
		if err != nil {
			writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_request"})
			return
		}
	} else {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
		for _, name := range []string{"grant_type", "client_id", "client_secret"} {
			in[name] = r.PostFormValue(name)
		}
	}
	if r.Method != http.MethodPost || in["grant_type"] != "client_credentials" {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": "unsupported_grant_type"})
		return
	}
	for _, a := range s.apps {
		if a.cfg.ClientSecret != "" && in["client_id"] == a.cfg.ClientID &&
			subtle.ConstantTimeCompare([]byte(in["client_secret"]), []byte(a.cfg.ClientSecret)) == 1 {
			token := s.issue(a)
			life := s.srv.period(tokenLife)
			writeJSON(w, http.StatusOK, map[string]any{"access_token": token,
				"scope": strings.Join(scopes, ","), "expires_in": int(life.Seconds()) - 1})
			return
		}
	}
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_client"})
}

func (s *shop) issue(a *app) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := s.srv.clock.Now()
	for t, ends := range a.tokens {
		if !ends.IsZero() && !now.Before(ends) {
			delete(a.tokens, t)
		}
	}
	sum := sha256.Sum256(fmt.Append(nil, s.srv.cfg.Seed, s.cfg.Name, s.srv.newID()))
	token := "shpat_" + hex.EncodeToString(sum[:16])
	a.tokens[token] = now.Add(s.srv.period(tokenLife))
	return token
}

var scopes = []string{"read_inventory", "write_inventory", "read_locations", "read_products",
	"read_orders", "write_orders", "read_all_orders", "read_returns", "write_returns",
	"read_fulfillments", "read_merchant_managed_fulfillment_orders",
	"write_merchant_managed_fulfillment_orders", "write_order_edits"}
