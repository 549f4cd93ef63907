package netsuitetest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Credentials are what a client needs to act for an integration. They are test data: nothing real
// is opened by them.
type Credentials struct {
	Name    string `json:"name"`
	Account string `json:"account"`

	ClientID      string `json:"client_id"`
	CertificateID string `json:"certificate_id"`
	PrivateKeyPEM string `json:"private_key_pem,omitempty"` // only where the simulator made the key

	ConsumerKey    string `json:"consumer_key"`
	ConsumerSecret string `json:"consumer_secret"`
	TokenID        string `json:"token_id"`
	TokenSecret    string `json:"token_secret"`
}

// tokenLife is how long an access token lives at speed 1.
const tokenLife = time.Hour

// access knows who may call. Safe for concurrent use.
type access struct {
	cfg Config
	now func() time.Time

	mu           sync.Mutex
	integrations []*integration
	tokens       map[string]*token
	nonces       map[string]time.Time
	made         int
}

type integration struct {
	cfg     IntegrationConfig
	key     crypto.PublicKey
	private string // PEM, where the simulator made it

	unmapped   bool // the certificate's mapping is gone, as after the refresh of a sandbox
	tbaRevoked bool
}

type token struct {
	by      *integration
	until   time.Time
	revoked bool
}

func newAccess(cfg Config, now func() time.Time) (*access, error) {
	a := &access{cfg: cfg, now: now, tokens: map[string]*token{}, nonces: map[string]time.Time{}}
	for _, c := range cfg.Integrations {
		x := &integration{cfg: c}
		if c.ClientID == "" && c.ConsumerKey == "" {
			if err := x.make(cfg.Seed); err != nil {
				return nil, err
			}
		}
		if c.PublicKeyPEM != "" {
			var err error
			if x.key, err = publicKey(c.PublicKeyPEM); err != nil {
				return nil, fmt.Errorf("integration %s: %w", c.Name, err)
			}
		}
		a.integrations = append(a.integrations, x)
	}
	return a, nil
}

// make fills in ids and secrets that follow from the seed, and a key that does not: nothing that is
// simulated depends on it.
func (x *integration) make(seed uint64) error {
	word := func(what string) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d/%s/%s", seed, x.cfg.Name, what))
		return hex.EncodeToString(sum[:])
	}
	x.cfg.ClientID, x.cfg.CertificateID = word("client"), "cert"+word("certificate")[:28]
	x.cfg.ConsumerKey, x.cfg.ConsumerSecret = word("consumer"), word("consumer secret")
	x.cfg.TokenID, x.cfg.TokenSecret = word("token"), word("token secret")
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("integration %s: make a key: %w", x.cfg.Name, err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("integration %s: make a key: %w", x.cfg.Name, err)
	}
	x.key = key.Public()
	x.private = string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
	return nil
}

// minRSA is the size of the smallest RSA key that NetSuite takes.
const minRSA = 3072

// publicKey reads a certificate or a public key, and refuses what NetSuite does not take.
func publicKey(text string) (crypto.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("certificate: no PEM")
	}
	var key crypto.PublicKey
	if block.Type == "CERTIFICATE" {
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate: %w", err)
		}
		key = cert.PublicKey
	} else {
		var err error
		if key, err = x509.ParsePKIXPublicKey(block.Bytes); err != nil {
			return nil, fmt.Errorf("public key: %w", err)
		}
	}
	switch k := key.(type) {
	case *rsa.PublicKey:
		if k.N.BitLen() < minRSA {
			return nil, fmt.Errorf("certificate: RSA key of %d bits, at least %d are needed",
				k.N.BitLen(), minRSA)
		}
	case *ecdsa.PublicKey:
	default:
		return nil, fmt.Errorf("certificate: key of type %T", key)
	}
	return key, nil
}

func (a *access) credentials() []Credentials {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Credentials
	for _, x := range a.integrations {
		out = append(out, Credentials{Name: x.cfg.Name, Account: a.cfg.Account,
			ClientID: x.cfg.ClientID, CertificateID: x.cfg.CertificateID, PrivateKeyPEM: x.private,
			ConsumerKey: x.cfg.ConsumerKey, ConsumerSecret: x.cfg.ConsumerSecret,
			TokenID: x.cfg.TokenID, TokenSecret: x.cfg.TokenSecret})
	}
	return out
}

// authorize finds who calls, or says why nobody does.
func (a *access) authorize(r *http.Request) (*integration, *apiError) {
	header := r.Header.Get("Authorization")
	if bearer, ok := strings.CutPrefix(header, "Bearer "); ok {
		return a.bearer(bearer)
	}
	if params, ok := strings.CutPrefix(header, "OAuth "); ok {
		return a.signed(r, params)
	}
	return nil, badLogin(codeLogin)
}

func (a *access) bearer(text string) (*integration, *apiError) {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := a.tokens[text]
	if t == nil || t.revoked || !a.now().Before(t.until) {
		return nil, badLogin(codeLogin)
	}
	return t.by, nil
}

// grant makes an access token.
func (a *access) grant(to *integration) (text string, life time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made++
	sum := sha256.Sum256(fmt.Appendf(nil, "%d/%d/access token", a.cfg.Seed, a.made))
	text, life = hex.EncodeToString(sum[:]), tokenLife/time.Duration(a.cfg.Speed)
	a.tokens[text] = &token{by: to, until: a.now().Add(life)}
	for old, t := range a.tokens {
		if a.now().After(t.until) {
			delete(a.tokens, old)
		}
	}
	return text, life
}

// revoke ends what the header logged in with: the access token, or the token of an integration.
func (a *access) revoke(header string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if t := a.tokens[strings.TrimPrefix(header, "Bearer ")]; t != nil {
		t.revoked = true
		return
	}
	id := parseOAuth(strings.TrimPrefix(header, "OAuth "))["oauth_token"]
	for _, x := range a.integrations {
		if id != "" && x.cfg.TokenID == id {
			x.tbaRevoked = true
		}
	}
}

// revokeAll ends all access tokens; with mappings, certificates and tokens of integrations as well.
func (a *access) revokeAll(mappings bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.tokens {
		t.revoked = true
	}
	for _, x := range a.integrations {
		x.unmapped, x.tbaRevoked = mappings || x.unmapped, mappings || x.tbaRevoked
	}
}

// restore maps certificates and tokens again.
func (a *access) restore() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, x := range a.integrations {
		x.unmapped, x.tbaRevoked = false, false
	}
}
