package storm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"holdfast/adapters/shopify/shopifytest"
	"holdfast/cmd/internal/client"
)

// world is a cluster and a simulated Shopify that know each other.
type world struct {
	nodes *cluster
	sim   *shopifytest.Server
	http  http.Client
	cfg   shopifytest.Config
	dir   string
	puts  atomic.Int64 // each has a key of its own
}

// speed divides all periods of the vendor, and ours that wait for it.
const speed = 60

// newWorld starts both. It fails when either does not start; then nothing runs.
func newWorld(ctx context.Context, dir string, nodes int, cfg shopifytest.Config, log *slog.Logger) (
	*world, error) {
	cfg.Speed = speed
	w := &world{cfg: cfg, dir: dir, http: http.Client{Timeout: 30 * time.Second}}
	var err error
	if w.sim, err = shopifytest.New(cfg); err != nil {
		return nil, err
	}
	if err = w.sim.Start(); err != nil {
		return nil, err
	}
	if w.nodes, err = startCluster(ctx, nodes, dir, speed, log); err != nil {
		w.sim.Close()
		return nil, err
	}
	return w, nil
}

func (w *world) close() error {
	err := w.nodes.close()
	w.sim.Close()
	return err
}

// control asks the simulator for something; in is the body, nil for a GET.
func (w *world) control(ctx context.Context, path string, in, out any) error {
	method, body := http.MethodGet, io.Reader(nil)
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		method, body = http.MethodPost, bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, w.sim.URL()+path, body)
	if err != nil {
		return err
	}
	resp, err := w.http.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %d %s", path, resp.StatusCode, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// state reads a shop whole.
func (w *world) state(ctx context.Context, shop string) (s shopifytest.State, err error) {
	return s, w.control(ctx, "/_sim/state?shop="+shop, nil, &s)
}

// journal reads the entries of a kind.
func (w *world) journal(ctx context.Context, q url.Values) ([]shopifytest.Entry, error) {
	var page struct {
		Entries []shopifytest.Entry `json:"entries"`
		Dropped uint64              `json:"dropped"`
	}
	err := w.control(ctx, "/_sim/journal?"+q.Encode(), nil, &page)
	if err == nil && page.Dropped > 0 {
		err = fmt.Errorf("the journal has lost %d entries", page.Dropped)
	}
	return page.Entries, err
}

// put defines one thing.
func (w *world) put(ctx context.Context, path string, body any) error {
	return w.nodes.do(ctx, client.Call{Method: http.MethodPut, Path: path, Body: body,
		Key: fmt.Sprint("put-", w.puts.Add(1))}, nil)
}

type dict = map[string]any

// connect makes the connection of a shop, or changes its locations, theirs by name to ours, and waits until
// it is on and has its subscriptions. Those that have none of ours are left out.
func (w *world) connect(ctx context.Context, i int, locations map[string]string) error {
	shop := w.cfg.Shops[i]
	state, err := w.state(ctx, shop.Name)
	if err != nil {
		return err
	}
	places := map[string]string{}
	for _, p := range state.Locations {
		if name, ok := locations[p.Name]; ok {
			places[fmt.Sprint(p.ID)] = name
		}
	}
	secrets := map[string]string{}
	for name, text := range map[string]string{"token": "shpat_" + shop.Name,
		"webhook": "shpss_" + shop.Name} {
		file := filepath.Join(w.dir, shop.Name+"-"+name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return err
		}
		secrets[name] = "file:" + file
	}
	body := dict{"kind": "shopify", "mode": "on", "channel": shop.Name, "secrets": secrets,
		"endpoint": w.sim.Endpoint(shop.Name), "account": shop.Name + ".myshopify.com",
		"locations": places,
		"settings":  dict{"speed": speed, "callback": w.nodes.at, "map": "suggested"}}
	if err := w.put(ctx, "/v1/connections/"+shop.Name, body); err != nil {
		return err
	}
	return until(ctx, time.Minute, func() error {
		var c client.Connection
		path := "/v1/connections/" + shop.Name
		if err := w.nodes.do(ctx, client.Call{Path: path}, &c); err != nil {
			return err
		}
		if c.Effective != "on" {
			return fmt.Errorf("connection %s is %s: %s", shop.Name, c.Effective, c.Why)
		}
		state, err := w.state(ctx, shop.Name)
		if err == nil && len(state.Subscriptions) < 30 {
			err = fmt.Errorf("%d subscriptions", len(state.Subscriptions))
		}
		return err
	})
}

// pages reads every item of a list.
func pages[T any](ctx context.Context, c *cluster, path string, q url.Values) ([]T, error) {
	var all []T
	q.Set("limit", "1000")
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next"`
		}
		if err := c.do(ctx, client.Call{Path: path, Query: q}, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		q.Set("after", page.Next)
	}
}
