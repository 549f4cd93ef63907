package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// Config says what the demo does.
type Config struct {
	Orders   int    // default 5,000
	Seed     uint64 // of the plan; 0 takes one from the clock
	Rate     int    // orders a second; 0 is as fast as the nodes take them
	Keep     bool   // leave the nodes running until the context ends
	Launch   Launch // starts a node; required
	Out      io.Writer
	Progress io.Writer
	Terminal bool // Progress is a terminal
	Color    bool // Out may be coloured
	Shoppers int  // at the same time, default 32
}

// WithDefaults fills in what is not set.
func (c Config) WithDefaults() Config {
	if c.Orders == 0 {
		c.Orders = 5_000
	}
	if c.Seed == 0 {
		c.Seed = uint64(time.Now().UnixNano())
	}
	if c.Shoppers == 0 {
		c.Shoppers = 32 // enough for full batches on two cores
	}
	return c
}

// Validate joins every fault of the configuration, or returns nil.
func (c Config) Validate() error {
	var faults []error
	if c.Orders < 1 || c.Orders > 1_000_000 {
		faults = append(faults, fmt.Errorf("orders: %d must be 1 to 1,000,000", c.Orders))
	}
	if c.Rate < 0 {
		faults = append(faults, fmt.Errorf("rate: %d must be 0 or more", c.Rate))
	}
	if c.Launch == nil {
		faults = append(faults, errors.New("launch: missing"))
	}
	return errors.Join(faults...)
}

// ErrBroken says that a check did not hold; the report says which and why.
var ErrBroken = errors.New("a check did not hold")

// Run starts the nodes, runs the event, checks and reports. It returns nil when every check holds,
// ErrBroken when one does not, and another error when the event could not be run to its end. The
// folder is removed unless something was wrong: then it stays, and is named.
func Run(ctx context.Context, cfg Config) (err error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "holdfast-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the nodes: %w", err)
	}
	d := &demo{cfg: cfg, dir: dir}
	defer func() {
		closed := d.close()
		if ctx.Err() != nil && !errors.Is(err, ErrBroken) && err != nil {
			err = ctx.Err() // whatever failed failed because of that
		}
		if err == nil || ctx.Err() != nil {
			err = errors.Join(err, closed, os.RemoveAll(dir))
			return
		}
		fmt.Fprintf(cfg.Progress, "the nodes' data is kept in %s\n", dir)
	}()
	return d.run(ctx)
}

// demo is one run.
type demo struct {
	cfg   Config
	dir   string
	nodes *trio
	books *Books
	send  *sender
	shop  *shoppers
	kill  *killer
}

func (d *demo) close() error {
	if d.nodes == nil {
		return nil
	}
	return d.nodes.close()
}

func (d *demo) run(ctx context.Context) error {
	cfg := d.cfg
	p := newProgress(cfg.Progress, cfg.Terminal, cfg.Color, cfg.Orders)
	p.say("%d orders, seed %d", cfg.Orders, cfg.Seed)
	if err := d.prepare(ctx, p); err != nil {
		return err
	}
	took, err := d.event(ctx, p)
	if err != nil {
		return errors.Join(err, d.nodes.deaths())
	}
	p.say("reading all three nodes")
	names := make([]string, len(d.nodes.specs))
	for i, s := range d.nodes.specs {
		names[i] = s.Name
	}
	c := &collector{nodes: d.send.nodes, names: names, send: d.send, books: d.books}
	seen, err := c.collect(ctx)
	if err != nil {
		return errors.Join(err, d.nodes.deaths())
	}
	report := Report{Books: d.books, Killer: d.kill, Sender: d.send, Took: took,
		Checks: Checks(d.books, seen), Color: cfg.Color}
	for _, w := range d.shop.plan.Work {
		if len(w.Orders) > 1 {
			report.Batches++
		}
	}
	if err := report.Print(cfg.Out); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if cfg.Keep {
		if err := d.keep(ctx); err != nil {
			return err
		}
	}
	if !report.OK() {
		return ErrBroken
	}
	return nil
}

// prepare starts the nodes and fills the catalogue.
func (d *demo) prepare(ctx context.Context, p *progress) (err error) {
	if d.nodes, err = newTrio(d.cfg.Launch, d.dir); err != nil {
		return err
	}
	if err := d.nodes.start(ctx); err != nil {
		return err
	}
	d.send = &sender{nodes: d.nodes.clients(d.cfg.Shoppers)}
	first, err := d.nodes.leader(ctx, d.send.nodes, -1)
	if err != nil {
		return err
	}
	var addrs []string
	for _, s := range d.nodes.specs {
		addrs = append(addrs, s.Name+"=http://"+s.HTTP)
	}
	p.say("three nodes: %s; %s leads", strings.Join(addrs, " "), d.nodes.specs[first].Name)
	r := rand.New(rand.NewPCG(d.cfg.Seed, 0))
	cat := NewCatalogue(r)
	d.books = NewBooks(cat)
	if err := cat.send(ctx, d.send, d.books); err != nil {
		return err
	}
	p.say("%d SKUs, %d of them kits, at %d locations, for %d channels", len(cat.Items), len(cat.kits),
		len(cat.Locations), len(cat.Channels))
	d.shop = &shoppers{plan: NewPlan(r, cat, d.cfg.Orders), books: d.books, send: d.send,
		rate: d.cfg.Rate, number: d.cfg.Shoppers}
	return nil
}

// event lets the shoppers go while the leader is killed, and says how long they took.
func (d *demo) event(ctx context.Context, p *progress) (time.Duration, error) {
	d.kill = &killer{nodes: d.nodes, ask: d.send.nodes, books: d.books, say: p.say}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.watch(watching, func() int { return int(d.shop.done.Load()) })
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	killed := make(chan error, 1)
	go func() {
		err := d.kill.run(ctx, func() float64 {
			return float64(d.shop.done.Load()) / float64(d.cfg.Orders)
		})
		if err != nil {
			cancel() // without the killed node nothing can be checked
		}
		killed <- err
	}()
	began := time.Now()
	err := d.shop.run(ctx)
	took := time.Since(began)
	if err != nil {
		cancel()
	}
	if killErr := <-killed; killErr != nil && !errors.Is(killErr, context.Canceled) {
		err = errors.Join(killErr, err)
	}
	stop()
	<-watched
	return took, err
}

// keep leaves the nodes to the reader until the context ends.
func (d *demo) keep(ctx context.Context) error {
	fmt.Fprintln(d.cfg.Out, "\nthe nodes keep running; try")
	first := "http://" + d.nodes.specs[0].HTTP
	fmt.Fprintf(d.cfg.Out, "  holdfast cluster status --server %s\n", first)
	fmt.Fprintf(d.cfg.Out, "  holdfast stock explain SKU-0001 --channel web --server %s\n", first)
	fmt.Fprintln(d.cfg.Out, "stop them with Ctrl-C")
	<-ctx.Done()
	return d.nodes.deaths()
}
