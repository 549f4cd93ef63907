package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/spf13/cobra"

	"holdfast/adapters/amazon/spapitest"
	"holdfast/adapters/netsuite/netsuitetest"
	"holdfast/adapters/shopify/shopifytest"
)

const simulateHelp = `Runs the vendor simulators alone, for anybody's adapter: a Shopify with two shops, an
Amazon with a seller in North America and one in Europe, and an account of NetSuite. All have the same
SKUs. The first line on standard output, when calls are accepted, is

  holdfast simulate ready shopify=ADDR amazon=ADDR sqs=ADDR netsuite=ADDR

Clients take http://ADDR/SHOP in place of https://SHOP.myshopify.com, http://ADDR/na in place of
https://sellingpartnerapi-na.amazon.com, http://ADDR as the endpoint of SQS, and http://ADDR in place of
https://ACCOUNT.suitetalk.api.netsuite.com. --connections FILE writes what PUT /v1/connections/{id}
takes, by id, with the secrets in files beside it. --faults FILE (YAML or JSON) makes things go wrong by
script and seed. --speed K divides every period of the vendors by K; answers say so in X-Simulate-Speed.
docs/SIMULATORS.md has the controls under /_sim. Ends with SIGTERM or Ctrl-C.`

// simulation is what the flags of simulate say.
type simulation struct {
	seed                uint64
	speed, skus         int
	shops               []string
	shop, amazon, erp   string // addresses
	faults, connections string
	manual              bool
}

// vendors are the simulators of one run.
type vendors struct {
	cfg     shopifytest.Config
	shopify *shopifytest.Server
	amazon  *spapitest.Server
	erp     *netsuitetest.Server
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
	f.IntVar(&s.skus, "skus", 100, "SKUs of each vendor")
	f.StringVar(&s.shop, "shopify", "127.0.0.1:0", "address of the simulated Shopify")
	f.StringVar(&s.amazon, "amazon", "127.0.0.1:0", "address of the simulated Amazon and its queues")
	f.StringVar(&s.erp, "netsuite", "127.0.0.1:0", "address of the simulated NetSuite")
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
	script, err := readScripts(s.faults)
	if err != nil {
		return &statusError{code: exitUsage, err: err}
	}
	v, err := newVendors(s, script)
	if err != nil {
		return usagef("%w", err)
	}
	defer v.close()
	if err := v.start(); err != nil {
		return err
	}
	if s.connections != "" {
		if err := v.writeConnections(s); err != nil {
			return err
		}
	}
	addr := func(url string) string { return strings.TrimPrefix(url, "http://") }
	_, err = fmt.Fprintf(a.stdout, "holdfast simulate ready shopify=%s amazon=%s sqs=%s netsuite=%s\n",
		addr(v.shopify.URL()), addr(v.amazon.URL()), addr(v.amazon.URL()), addr(v.erp.URL()))
	if err != nil {
		return fmt.Errorf("say that it is ready: %w", err)
	}
	<-ctx.Done()
	return nil
}

// newVendors makes the simulators and puts their faults into force. They do not listen yet. The error
// is one of usage: a flag or a script that is not valid.
func newVendors(s simulation, script scripts) (*vendors, error) {
	now := time.Now().UTC()
	v := &vendors{cfg: shopifytest.Config{Addr: s.shop, Seed: s.seed, Speed: s.speed, Manual: s.manual,
		Start: now}}
	for _, name := range s.shops {
		v.cfg.Shops = append(v.cfg.Shops, shopifytest.SampleShop(name, s.seed, s.skus))
	}
	var errs [6]error
	v.shopify, errs[0] = shopifytest.New(v.cfg)
	v.amazon, errs[1] = spapitest.New(spapitest.Config{Addr: s.amazon, Seed: s.seed, Speed: s.speed,
		Manual: s.manual, Start: now, Accounts: []spapitest.AccountConfig{
			spapitest.SampleAccount("us", "na", s.seed, s.skus),
			spapitest.SampleAccount("de", "eu", s.seed, s.skus)}})
	v.erp, errs[2] = netsuitetest.New(netsuitetest.Config{Addr: s.erp, Seed: s.seed, Speed: s.speed,
		Manual: s.manual, Start: now, Currencies: []string{"USD", "EUR", "GBP"},
		Items: netsuitetest.SampleItems(s.seed, s.skus)})
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	errs[3], errs[4], errs[5] = v.shopify.Run(script.Shopify), v.amazon.Run(script.Amazon),
		v.erp.Run(script.NetSuite)
	return v, errors.Join(errs[:]...)
}

// start lets all of them listen. It fails where an address cannot be had; close ends those that do.
func (v *vendors) start() error {
	return errors.Join(v.shopify.Start(), v.amazon.Start(), v.erp.Start())
}

func (v *vendors) close() {
	v.shopify.Close()
	v.amazon.Close()
	v.erp.Close()
}

// scripts are the faults of each vendor.
type scripts struct {
	Shopify  shopifytest.Script
	Amazon   spapitest.Script
	NetSuite netsuitetest.Script
}

// readScripts reads a file of faults: one script under the name of each vendor, or one for Shopify
// alone. No file is no faults. The error says what is wrong in it; then there is no script.
func readScripts(path string) (scripts, error) {
	if path == "" {
		return scripts{}, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return scripts{}, fmt.Errorf("faults: %w", err)
	}
	// JSON is YAML, so one parser reads both; what comes out is checked as JSON.
	tree, err := yaml.Parser().Unmarshal(text)
	if err != nil {
		return scripts{}, fmt.Errorf("faults: %s: %w", path, err)
	}
	parts := map[string]any{}
	for _, vendor := range []string{"shopify", "amazon", "netsuite"} {
		if part, ok := tree[vendor]; ok {
			parts[vendor] = part
			delete(tree, vendor)
		}
	}
	if len(parts) == 0 {
		parts["shopify"] = tree
	} else if len(tree) > 0 {
		return scripts{}, fmt.Errorf("faults: %s: beside the names of vendors there can be nothing", path)
	}
	var out scripts
	err = errors.Join(parsePart(parts["shopify"], shopifytest.ParseScript, &out.Shopify),
		parsePart(parts["amazon"], spapitest.ParseScript, &out.Amazon),
		parsePart(parts["netsuite"], netsuitetest.ParseScript, &out.NetSuite))
	if err != nil {
		return scripts{}, fmt.Errorf("faults: %s: %w", path, err)
	}
	return out, nil
}

// parsePart reads the script of one vendor; a vendor that is not named has none.
func parsePart[S any](tree any, parse func([]byte) (S, error), into *S) error {
	if tree == nil {
		return nil
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return err
	}
	*into, err = parse(text)
	return err
}
