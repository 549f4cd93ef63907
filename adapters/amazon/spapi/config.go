package spapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"holdfast/adapters/connections"
)

// Config says how to reach one seller account in one region.
type Config struct {
	Endpoint      string // of the region; plain http only on loopback
	TokenEndpoint string // default [TokenEndpoint]; plain http only on loopback
	// Secret reads a credential anew at each use, so that one that was rotated counts at once: it
	// is asked for client_id, client_secret and refresh_token.
	Secret func(name string) (connections.Secret, error)

	HTTP    *http.Client  // default: its own, with bounds on connections and time
	Timeout time.Duration // of one try, default 10 s: a claim of a task lives 20 s
	Speed   int           // of a simulator that runs faster: its limits are as much higher
	Now     func() time.Time
	// Pause waits for d, or fails with ctx's error. Default: a timer.
	Pause func(ctx context.Context, d time.Duration) error
	// Jitter is a number from 0 up to n, for pauses that must not be the same everywhere. Default:
	// a random one.
	Jitter func(n int64) int64
	Logger *slog.Logger
}

// The names of the credentials that a Client asks for.
const (
	ClientID     = "client_id"
	ClientSecret = "client_secret"
	RefreshToken = "refresh_token"
)

// withDefaults fills what is not given.
func (c Config) withDefaults() Config {
	c.Endpoint = strings.TrimRight(c.Endpoint, "/")
	if c.TokenEndpoint == "" {
		c.TokenEndpoint = TokenEndpoint
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.HTTP == nil {
		c.HTTP = newHTTP()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Pause == nil {
		c.Pause = pause
	}
	if c.Jitter == nil {
		c.Jitter = jitter
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Speed = max(c.Speed, 1)
	return c
}

// Validate joins every fault of the configuration; nil means that there is none.
func (c Config) Validate() error {
	c = c.withDefaults()
	var all []error
	for name, address := range map[string]string{"endpoint": c.Endpoint, "token endpoint": c.TokenEndpoint} {
		if err := checkAddress(address); err != nil {
			all = append(all, fmt.Errorf("%s %w", name, err))
		}
	}
	if c.Secret == nil {
		all = append(all, errors.New("no credentials are wired"))
	}
	return errors.Join(all...)
}

// checkAddress refuses what a credential must not be sent to.
func checkAddress(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("must be https://HOST")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("must be https: a token would travel in the clear")
	}
	return nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}

// newHTTP never follows a redirect: a token must not travel to another host.
func newHTTP() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			MaxConnsPerHost:       32,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: 15 * time.Second,
			// A document says by its own name that it is compressed; a body that the transport
			// unpacks unasked could be read as whole when it is not.
			DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
