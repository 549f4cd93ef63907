package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"holdfast/engine"
)

// entry is one entry of a log before it is encoded: what the driver makes and shrinks.
type entry struct {
	now, due int64
	ops      []keyedOp
	resolve  bool // the leader numbers the names that it knows
}

// keyedOp is an op with its key as text; empty is none.
type keyedOp struct {
	key     string
	command engine.Command
}

func (o keyedOp) op() engine.Op {
	if o.key == "" {
		return engine.Op{Command: o.command}
	}
	return engine.Op{Key: engine.KeyOf("script", o.key), Command: o.command}
}

// world makes random entries over few names, so that everything meets everything.
type world struct {
	*rand.Rand
	now   int64
	keys  []keyedOp // ops that were sent with a key
	ids   int
	noise int   // how many of a hundred commands are broken on purpose
	step  int64 // shortfall_step; 0 is the default, which no shortfall of this world reaches
	age   int64 // results_age; 0 is the default
	// leaving is how many of a hundred commands are about leaving memory and coming back; with 0, by
	// default, nothing leaves, for the closed stay for a day.
	leaving int
	skus    []string
	kits    []string
	lines   int // of a reserve at most
	entries int // made so far: the index of the last one, where entries have every index
	puts    map[recordID]int
	// records is how many of a hundred plain commands are about records.
	records int
}

var (
	worldMerchant  = []string{"main", "east", "west"}
	worldLocations = []string{"main", "east", "west", "fba"}
	worldChannels  = []string{"web", "shop", "amz", "amz-fba", "pos"}
	worldSources   = []string{"wms", "amazon", "erp", ""}
)

func newWorld(seed uint64) *world {
	return &world{Rand: rand.New(rand.NewPCG(seed, 1)), now: 1_000_000, noise: 3, lines: 4,
		records: 10, puts: map[recordID]int{}, entries: 2,
		skus: []string{"A", "B", "C", "D"}, kits: []string{"K", "P"}}
}

// newWideWorld has more SKUs and longer reserves, so that what is done by looking at each in a
// small one is done otherwise.
func newWideWorld(seed uint64) *world {
	w := newWorld(seed)
	w.lines, w.skus = 40, nil
	for i := range 30 {
		w.skus = append(w.skus, fmt.Sprintf("S%d", i))
	}
	for i := range 8 {
		w.kits = append(w.kits, fmt.Sprintf("K%d", i))
	}
	return w
}

func (w *world) pick(from []string) string { return from[w.IntN(len(from))] }

func (w *world) chance(percent int) bool { return w.IntN(100) < percent }

// log makes the definitions and n random entries.
func (w *world) log(n int) []entry {
	log := []entry{w.definitions(), w.opening()}
	for range n {
		log = append(log, w.entry())
	}
	return log
}

func (w *world) definitions() entry {
	e := entry{now: w.now, due: w.now}
	define := func(c engine.Command) { e.ops = append(e.ops, keyedOp{command: c}) }
	for _, s := range w.skus {
		define(&engine.DefineSKU{SKU: engine.Name(s)})
	}
	for _, k := range w.kits {
		define(w.kit(k))
	}
	for _, l := range worldLocations {
		define(w.site(l))
	}
	for _, c := range worldChannels {
		define(w.outlet(c))
	}
	if w.step > 0 || w.age > 0 {
		define(&engine.Configure{Limits: engine.Limits{ShortfallStep: w.step, ResultsAge: w.age}})
	}
	if w.leaving > 0 {
		define(&engine.Configure{Limits: engine.Limits{ClosedAfter: 2000, IDMemory: 30_000}})
	}
	return e
}

func (w *world) kit(name string) *engine.DefineSKU {
	c := &engine.DefineSKU{SKU: engine.Name(name)}
	for _, i := range w.Perm(len(w.skus) - 1)[:1+w.IntN(3)] { // the last SKU is in no kit
		c.Kit = append(c.Kit, engine.Component{SKU: engine.Name(w.skus[i]),
			Qty: 1 + int64(w.IntN(3))})
	}
	return c
}

func (w *world) site(name string) *engine.DefineLocation {
	c := &engine.DefineLocation{Location: engine.Name(name), Kind: engine.Merchant,
		Master: "holdfast", Shortfall: engine.ShortfallPolicy(1 + w.IntN(3))}
	switch name {
	case "fba":
		c.Kind, c.Master = engine.FBA, "amazon"
	case "east":
		c.Master = "wms"
	}
	return c
}

func (w *world) outlet(name string) *engine.DefineChannel {
	c := &engine.DefineChannel{Channel: engine.Name(name), Kind: engine.ChannelAPI,
		Publish: engine.Pooled, Priority: int64(w.IntN(3)), Split: w.chance(60)}
	switch w.IntN(3) {
	case 1:
		c.Rules.Buffer = int64(w.IntN(4))
	case 2:
		c.Rules.BufferPercent = int64(w.IntN(40)) * 125
	}
	locations := []string{"fba"}
	if name != "amz-fba" {
		locations = slices.Clone(worldMerchant)
		w.Shuffle(3, func(i, j int) {
			locations[i], locations[j] = locations[j], locations[i]
		})
		locations = locations[:1+w.IntN(3)]
		if name == "shop" {
			locations = append(locations, "fba")
		}
	}
	for _, l := range locations {
		c.Locations = append(c.Locations, engine.Name(l))
	}
	return c
}

// opening puts stock everywhere.
func (w *world) opening() entry {
	e := entry{now: w.now, due: w.now}
	for _, s := range w.skus {
		for _, l := range worldLocations {
			e.ops = append(e.ops, keyedOp{command: &engine.Set{SKU: engine.Name(s),
				Location: engine.Name(l), Value: int64(w.IntN(25)), Source: w.sourceOf(l)}})
		}
	}
	return e
}

func (w *world) sourceOf(location string) string {
	switch location {
	case "east":
		return "wms"
	case "fba":
		return "amazon"
	}
	return w.pick(worldSources)
}

// entry makes one entry: the clock mostly goes on, sometimes back; due mostly follows it.
func (w *world) entry() entry {
	w.now += int64(w.IntN(1500))
	w.entries++
	e := entry{now: w.now, due: w.now, resolve: w.chance(70)}
	switch w.IntN(10) {
	case 0:
		e.now, e.due = w.now-int64(w.IntN(5000)), w.now
	case 1:
		e.due = w.now - int64(w.IntN(3000))
	case 2:
		e.due = w.now + int64(w.IntN(3000))
	}
	for range w.IntN(5) {
		e.ops = append(e.ops, w.keyed())
	}
	return e
}

// keyed makes an op with a key, without one, or sends an earlier one again.
func (w *world) keyed() keyedOp {
	again := len(w.keys) > 0
	switch n := w.IntN(100); {
	case again && n < 12:
		return w.keys[w.IntN(len(w.keys))]
	case again && n < 15:
		return keyedOp{w.keys[w.IntN(len(w.keys))].key, w.command()}
	case n < 50:
		op := keyedOp{fmt.Sprintf("k%d", len(w.keys)), w.command()}
		w.keys = append(w.keys, op)
		return op
	}
	return keyedOp{command: w.command()}
}

func (w *world) command() engine.Command {
	switch n := w.IntN(100); {
	case n < 6:
		return w.definition()
	case n < 8:
		if w.chance(60) {
			return &engine.Purge{Count: 1 + int64(w.IntN(4))}
		}
		return &engine.Tick{}
	case n < 9:
		return w.memory()
	case n < 11:
		return w.enrol()
	case n < 11+w.leaving:
		return w.leave()
	case n < 16+w.leaving:
		g := &engine.Group{Atomic: w.chance(60)}
		for range 1 + w.IntN(5) {
			g.Ops = append(g.Ops, w.plain())
		}
		return g
	}
	return w.plain()
}

// memory says how much is remembered: now and then so little that all of it ends at once.
func (w *world) memory() engine.Command {
	if w.chance(30) {
		return &engine.Configure{Limits: engine.Limits{ResultsMax: 1 + int64(w.IntN(40)),
			ResultsAge: 1 + int64(w.IntN(3000))}}
	}
	if w.chance(30) {
		return &engine.Configure{Limits: engine.Limits{RecordsMax: 3 + int64(w.IntN(12))}}
	}
	return &engine.Configure{Limits: engine.Limits{ResultsMax: 30 + int64(w.IntN(300)),
		ResultsAge: 20_000 + int64(w.IntN(100_000))}}
}

// enrol is of few nodes and folders, so that some are refused.
func (w *world) enrol() engine.Command {
	c := &engine.Enrol{Node: w.pick([]string{"n1", "n2", "n3", "n.4"}),
		Incarnation: int64(w.IntN(5))}
	copy(c.Folder[:], w.pick([]string{"", "x", "y"}))
	return c
}

func (w *world) definition() engine.Command {
	switch w.IntN(12) {
	case 0:
		kinds := []engine.NameKind{engine.SKUName, engine.LocationName, engine.ChannelName}
		names := [][]string{slices.Concat(w.skus, w.kits), worldLocations, worldChannels}
		i := w.IntN(3)
		return &engine.Delete{Kind: kinds[i], Name: engine.Name(w.pick(names[i]))}
	case 1, 2:
		return w.kit(w.pick(w.kits))
	case 3:
		return w.kit(w.pick(slices.Concat(w.skus, w.kits)))
	case 4:
		return &engine.DefineSKU{SKU: engine.Name(w.pick(slices.Concat(w.skus, w.kits)))}
	case 5, 6, 7:
		c := w.site(w.pick(worldLocations))
		if w.chance(10) {
			c.Kind = 3 - c.Kind
		}
		return c
	}
	return w.outlet(w.pick(worldChannels))
}

// plain makes a command that may stand in a group.
func (w *world) plain() engine.Command {
	if w.chance(w.noise) {
		return w.broken()
	}
	if w.chance(w.records) {
		return w.record()
	}
	switch n := w.IntN(100); {
	case n < 22:
		return w.stock()
	case n < 52:
		return w.reserve()
	case n < 58:
		id := w.someID()
		r := w.reserve()
		return &engine.Add{ID: id, Mode: r.Mode, Partial: r.Partial, Commit: r.Commit,
			TTL: r.TTL, Lines: r.Lines}
	case n < 62:
		return w.mirror()
	}
	return w.verb()
}

// broken makes a command that must be refused as invalid.
func (w *world) broken() engine.Command {
	r := w.reserve()
	switch w.IntN(6) {
	case 0:
		r.Lines[0].Qty = 0
		return r
	case 1:
		r.ID = "has space"
		return r
	case 2:
		r.Lines = nil
		return r
	case 3:
		r.TTL, r.Commit = 999, false
		return r
	case 4:
		return &engine.Adjust{SKU: "A", Location: "main", Source: "wms"}
	}
	return &engine.Move{SKU: "A", From: "main", To: "main", Qty: 1, Source: "wms"}
}
