package httpapi

import (
	"context"
	"time"

	"holdfast/adapters/apikeys"
)

// Keys makes and revokes API keys: apikeys.Desk. It is safe for concurrent use, and its errors are
// understood as those of Ledger.
type Keys interface {
	Create(ctx context.Context, a apikeys.Ask) (apikeys.Key, apikeys.Token, error)
	Get(ctx context.Context, id string) (apikeys.Key, error)
	List(ctx context.Context, after string, limit int) (page []apikeys.Key, more bool, err error)
	Revoke(ctx context.Context, id, by string) (apikeys.Key, error)
}

// keyInput is the body of POST /v1/keys.
type keyInput struct {
	Name      string `json:"name" is:"note" required:"yes"`
	Role      string `json:"role" is:"words read write admin" required:"yes"`
	PerSecond int64  `json:"per_second" is:"int 0 1000000"`
}

// The tag repeats apikeys.MaxPerSecond in decimal; this fails to compile when it changes.
var _ = [1]struct{}{}[apikeys.MaxPerSecond-1_000_000]

var keyInputs = newBody[keyInput]()

// keyView is a key as it is shown. Token is there in the one answer that makes it.
type keyView struct {
	ID        string     `json:"id"`
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	PerSecond int64      `json:"per_second,omitempty"`
	State     string     `json:"state"` // live or revoked
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	RevokedBy string     `json:"revoked_by,omitempty"`
	Token     string     `json:"key,omitempty"`
	Index     uint64     `json:"index,omitempty"`
}

func viewKey(k *apikeys.Key) keyView {
	v := keyView{ID: k.ID, Name: k.Name, Role: k.Role.String(), PerSecond: k.PerSecond, State: "live",
		CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, RevokedBy: k.RevokedBy}
	if !k.Live() {
		v.State, v.RevokedAt = "revoked", &k.RevokedAt
	}
	return v
}

func keyRoutes() []*route {
	return []*route{
		write("POST", "/v1/keys", postKey, smallBody, "body-bytes"),
		get("/v1/keys", listKeys, "after", "limit"),
		get("/v1/keys/{id}", getKey),
		{method: "DELETE", pattern: "/v1/keys/{id}", handle: deleteKey},
	}
}

// keys returns the port, or the error of a server that has none.
func (c *call) keys() (Keys, error) {
	if c.s.cfg.Keys == nil {
		return nil, newProblem(codeNotFound, "This server keeps no API keys.")
	}
	return c.s.cfg.Keys, nil
}

// keyContext bounds a call: once a key is written it also waits until this node takes it.
func (c *call) keyContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
}

func postKey(c *call) error {
	desk, err := c.keys()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in keyInput
	if err := keyInputs.decode(text, &in); err != nil {
		return err
	}
	role, _ := apikeys.ParseRole(in.Role) // one of the words that the body may have
	ctx, cancel := c.keyContext()
	defer cancel()
	k, token, err := desk.Create(ctx, apikeys.Ask{Name: in.Name, Role: role, PerSecond: in.PerSecond,
		By: c.principal, Key: c.key})
	if err != nil {
		return faulty(err, true)
	}
	c.s.cfg.Logger.Info("API key made", "key", k.ID, "name", k.Name, "role", in.Role, "by", c.principal)
	c.ctx.Response.Header.Set("Cache-Control", "no-store")
	v := viewKey(&k)
	v.Token = token.Reveal()
	return c.sendKey(201, v, k.Version)
}

func (c *call) sendKey(status int, v keyView, index uint64) error {
	c.index, v.Index = index, index
	return c.replyJSON(status, v)
}

func listKeys(c *call) error {
	desk, err := c.keys()
	if err != nil {
		return err
	}
	after, limit, err := c.textPage()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	page, more, err := desk.List(c.s.base, after, limit)
	if err != nil {
		return faulty(err, false)
	}
	views, next := make([]keyView, 0, len(page)), ""
	for i := range page {
		views = append(views, viewKey(&page[i]))
	}
	if more && len(page) > 0 {
		next = textCursor(page[len(page)-1].ID)
	}
	return c.replyJSON(200, list[keyView]{views, next, c.index})
}

func getKey(c *call) error {
	desk, err := c.keys()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	k, err := desk.Get(c.s.base, id)
	if err != nil {
		return faulty(err, false)
	}
	return c.sendKey(200, viewKey(&k), c.index)
}

// deleteKey revokes. Doing it twice is doing it once.
func deleteKey(c *call) error {
	desk, err := c.keys()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	ctx, cancel := c.keyContext()
	defer cancel()
	k, err := desk.Revoke(ctx, id, c.principal)
	if err != nil {
		return faulty(err, true)
	}
	c.s.cfg.Logger.Info("API key revoked", "key", k.ID, "name", k.Name, "by", c.principal)
	return c.sendKey(200, viewKey(&k), k.Version)
}
