package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/spf13/cobra"

	"holdfast/adapters/shopify/shopifytest"
)

const simulateHelp = `Runs the vendor simulators alone, for anybody's adapter: a Shopify with two shops
that stock the same SKUs. The first line on standard output, when calls are accepted, is

  holdfast simulate ready shopify=ADDR

Clients take http://ADDR/SHOP in place of https://SHOP.myshopify.com. --connections FILE writes what
PUT /v1/connections/{id} takes, by id, with the secrets in files beside it. --faults FILE (YAML or
JSON) makes things go wrong by script and seed. --speed K divides every period of the vendor by K;
answers say so in X-Simulate-Speed. docs/SIMULATORS.md has the controls under /_sim. Ends with
SIGTERM or Ctrl-C.`

// simulation is what the flags of simulate say.
type simulation struct {
	seed                uint64
	speed, skus         int
	shops               []string
	addr                string
	faults, connections string
	manual              bool
}

func (a *app) simulateCommand() *cobra.Command {
	var s simulation
	c := &cobra.Command{
		Use:   "simulate",
		Short: "Run simulated vendors, for testing adapters against them",
		Long:  simulateHelp,
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return a.simulate(c.Context(), s) },
	}
	f := c.Flags()
	f.Uint64Var(&s.seed, "seed", 1, "seed of catalogue, shoppers and faults")
	f.IntVar(&s.speed, "speed", 1, "divides every period of the vendors; 1 to 100,000")
	f.StringVar(&s.faults, "faults", "", "file of faults, YAML or JSON")
	f.StringVar(&s.connections, "connections", "",
		"file to write with ready bodies of PUT /v1/connections; *.secrets beside it is made too")
	f.StringSliceVar(&s.shops, "shops", []string{"alpha", "beta"}, "names of the Shopify shops")
	f.IntVar(&s.skus, "skus", 100, "SKUs in each shop")
	f.StringVar(&s.addr, "shopify", "127.0.0.1:0", "address of the simulated Shopify")
	f.BoolVar(&s.manual, "manual-clock", false, "time moves by POST /_sim/clock only")
	return c
}

// simulate runs until the context ends, which is how a simulator is meant to end: no error.
func (a *app) simulate(ctx context.Context, s simulation) error {
	if s.speed < 1 || s.speed > 100_000 {
		return usagef("speed: %d must be 1 to 100,000", s.speed)
	}
	if s.skus < 1 || s.skus > 100_000 {
		return usagef("skus: %d must be 1 to 100,000", s.skus)
	}
	cfg := shopifytest.Config{Addr: s.addr, Seed: s.seed, Speed: s.speed, Manual: s.manual,
		Start: time.Now().UTC()}
	for _, name := range s.shops {
		cfg.Shops = append(cfg.Shops, shopifytest.SampleShop(name, s.seed, s.skus))
	}
	script, err := readScript(s.faults)
	if err != nil {
		return &statusError{code: exitUsage, err: err}
	}
	shopify, err := shopifytest.New(cfg)
	if err != nil {
		return usagef("%w", err)
	}
	if err := shopify.Run(script); err != nil {
		return usagef("%w", err)
	}
	if err := shopify.Start(); err != nil {
		return err
	}
	defer shopify.Close()
	if s.connections != "" {
		if err := writeConnections(s.connections, cfg, shopify); err != nil {
			return err
		}
	}
	addr := strings.TrimPrefix(shopify.URL(), "http://")
	if _, err := fmt.Fprintf(a.stdout, "holdfast simulate ready shopify=%s\n", addr); err != nil {
		return fmt.Errorf("say that it is ready: %w", err)
	}
	<-ctx.Done()
	return nil
}

// readScript reads a file of faults. No file is no faults.
func readScript(path string) (shopifytest.Script, error) {
	if path == "" {
		return shopifytest.Script{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return shopifytest.Script{}, fmt.Errorf("faults: %w", err)
	}
	// JSON is YAML, so one parser reads both; what comes out is checked as JSON.
	tree, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return shopifytest.Script{}, fmt.Errorf("faults: %s: %w", path, err)
	}
	if text, err = json.Marshal(tree); err != nil {
		return shopifytest.Script{}, fmt.Errorf("faults: %s: %w", path, err)
	}
	script, err := shopifytest.ParseScript(text)
	if err != nil {
		return script, fmt.Errorf("faults: %s: %w", path, err)
	}
	return script, nil
}

// connectionBody is the body of PUT /v1/connections/{id}.
type connectionBody struct {
	Kind      string            `json:"kind"`
	Mode      string            `json:"mode"`
	Endpoint  string            `json:"endpoint"`
	Account   string            `json:"account"`
	Secrets   map[string]string `json:"secrets"`
	Locations map[string]string `json:"locations,omitempty"` // theirs → ours
	Settings  map[string]int    `json:"settings,omitempty"`
}

// writeConnections writes a body for each shop, by the id of its connection. Bodies hold no secret:
// each secret is a file of its own, that only its owner may read.
func writeConnections(path string, cfg shopifytest.Config, shopify *shopifytest.Server) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	folder := abs + ".secrets"
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	all := map[string]connectionBody{}
	for _, shop := range cfg.Shops {
		body := connectionBody{Kind: "shopify", Mode: "observe",
			Endpoint: shopify.Endpoint(shop.Name), Account: shop.Domain,
			Secrets: map[string]string{}, Locations: map[string]string{}}
		if cfg.Speed > 1 {
			body.Settings = map[string]int{"speed": cfg.Speed}
		}
		secrets := map[string]string{"token": shop.Apps[0].Token, "webhook": shop.WebhookSecrets[0]}
		for name, secret := range secrets {
			file := filepath.Join(folder, shop.Name+"-"+name)
			if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
				return fmt.Errorf("connections: %w", err)
			}
			body.Secrets[name] = "file:" + file
		}
		state, err := shopify.State(shop.Name)
		if err != nil {
			return fmt.Errorf("connections: %w", err)
		}
		for _, place := range state.Locations {
			body.Locations[fmt.Sprint(place.ID)] = place.Name
		}
		all["shopify-"+shop.Name] = body
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	if err := os.WriteFile(abs, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	return nil
}
