package engine

import "fmt"

// The checks of each command that need no state, in the order of its fields.

// check is called through this switch and not through an interface, so that f stays on the stack.
func (f *faults) check(c Command) {
	switch c := c.(type) {
	case *DefineSKU:
		c.check(f)
	case *DefineLocation:
		c.check(f)
	case *DefineChannel:
		c.check(f)
	case *Delete:
		c.check(f)
	case *Set:
		c.check(f)
	case *Adjust:
		c.check(f)
	case *Move:
		c.check(f)
	case *Reserve:
		c.check(f)
	case *Add:
		c.check(f)
	case *Extend:
		c.check(f)
	case *Commit:
		c.check(f)
	case *Release:
		c.check(f)
	case *Ship:
		c.check(f)
	case *Return:
		c.check(f)
	case *Transfer:
		c.check(f)
	case *Mirror:
		c.check(f)
	case *Configure:
		c.check(f)
	case *Group:
		c.check(f)
	case *Enrol:
		c.check(f)
	case *Retire:
		f.between(field{leaf: "count"}, c.Count, 1, MaxRetire)
	case *Revive:
		f.id(c.ID)
	case *Put:
		c.check(f)
	case *Drop:
		c.check(f)
	case *Expect:
		c.check(f)
	case *Purge:
		f.between(field{leaf: "count"}, c.Count, 1, MaxPurge)
	case *Tick:
	default:
		panic(fmt.Sprintf("engine: no way to check a %T", c))
	}
}

func (c *DefineSKU) check(f *faults) {
	f.name(SKUName, field{leaf: "sku"}, c.SKU, true)
	if len(c.Kit) > MaxComponents {
		f.add(field{leaf: "kit"}, fmt.Sprintf("must have at most %d components", MaxComponents))
	}
	for i := range c.Kit {
		at := field{list: "kit", i: i, leaf: "sku"}
		f.name(SKUName, at, c.Kit[i].SKU, true)
		for j := range c.Kit[:i] {
			if c.Kit[j].SKU == c.Kit[i].SKU {
				f.add(at, "must not name a component twice")
			}
		}
		f.between(field{list: "kit", i: i, leaf: "qty"}, c.Kit[i].Qty, 1, MaxQty)
	}
	f.attributes(c.Attributes)
}

func (c *DefineLocation) check(f *faults) {
	f.name(LocationName, field{leaf: "location"}, c.Location, true)
	enum(f, field{leaf: "kind"}, locationKinds, c.Kind)
	if c.Master == "" {
		f.add(field{leaf: "master"}, "must not be empty")
	}
	f.note("master", c.Master, MaxNoteBytes)
	enum(f, field{leaf: "shortfall"}, shortfallPolicies, c.Shortfall)
	f.attributes(c.Attributes)
}

func (c *DefineChannel) check(f *faults) {
	f.name(ChannelName, field{leaf: "channel"}, c.Channel, true)
	enum(f, field{leaf: "kind"}, channelKinds, c.Kind)
	enum(f, field{leaf: "publish"}, publishModes, c.Publish)
	f.between(field{leaf: "priority"}, c.Priority, -MaxQty, MaxQty)
	if len(c.Locations) > MaxChannelLocations {
		f.add(field{leaf: "locations"},
			fmt.Sprintf("must be at most %d locations", MaxChannelLocations))
	}
	for i, n := range c.Locations {
		at := field{list: "locations", i: i}
		f.name(LocationName, at, n, true)
		for j := range c.Locations[:i] {
			if c.Locations[j] == n {
				f.add(at, "must not name a location twice")
			}
		}
	}
	f.between(field{leaf: "rules.buffer"}, c.Rules.Buffer, 0, MaxQty)
	if p := c.Rules.BufferPercent; p < 0 || p > 10_000 {
		f.add(field{leaf: "rules.buffer_percent"}, "must be 0 to 100 with at most two decimals")
	}
	f.between(field{leaf: "rules.max"}, c.Rules.Max, 0, MaxQty)
	f.between(field{leaf: "rules.min"}, c.Rules.Min, 0, MaxQty)
	f.between(field{leaf: "rules.threshold"}, c.Rules.Threshold, 0, MaxQty)
	f.attributes(c.Attributes)
}

func (c *Delete) check(f *faults) {
	if c.Kind < SKUName || c.Kind > ChannelName {
		f.add(field{leaf: "kind"}, "must be a SKU, a location or a channel")
		return
	}
	f.name(c.Kind, field{leaf: "name"}, c.Name, true)
}

func (c *Set) check(f *faults) {
	f.name(SKUName, field{leaf: "sku"}, c.SKU, true)
	f.name(LocationName, field{leaf: "location"}, c.Location, true)
	f.between(field{leaf: "set"}, c.Value, 0, MaxQty)
	f.note("source", c.Source, MaxNoteBytes)
	f.asOf(c.AsOf)
}

func (c *Adjust) check(f *faults) {
	f.name(SKUName, field{leaf: "sku"}, c.SKU, true)
	f.name(LocationName, field{leaf: "location"}, c.Location, true)
	if c.Delta == 0 {
		f.add(field{leaf: "adjust"}, "must not be 0")
	}
	f.between(field{leaf: "adjust"}, c.Delta, -MaxQty, MaxQty)
	f.note("source", c.Source, MaxNoteBytes)
	f.note("reason", c.Reason, MaxNoteBytes)
}

func (c *Move) check(f *faults) {
	f.name(SKUName, field{leaf: "sku"}, c.SKU, true)
	f.name(LocationName, field{leaf: "from"}, c.From, true)
	f.name(LocationName, field{leaf: "to"}, c.To, true)
	if c.From == c.To {
		f.add(field{leaf: "to"}, "must be another location than from")
	}
	f.between(field{leaf: "move"}, c.Qty, 1, MaxQty)
	f.note("source", c.Source, MaxNoteBytes)
	f.note("reason", c.Reason, MaxNoteBytes)
}

func (c *Reserve) check(f *faults) {
	f.id(c.ID)
	f.name(ChannelName, field{leaf: "channel"}, c.Channel, true)
	f.lines(c.Lines, 1, false)
	f.ttl(c.TTL)
	enum(f, field{leaf: "mode"}, modes, c.Mode)
}

func (c *Add) check(f *faults) {
	f.id(c.ID)
	f.lines(c.Lines, 1, false)
	f.ttl(c.TTL)
	enum(f, field{leaf: "mode"}, modes, c.Mode)
}

func (c *Extend) check(f *faults) {
	f.id(c.ID)
	f.between(field{leaf: "ttl_ms"}, c.TTL, MinTTL, MaxTTL)
}

func (c *Commit) check(f *faults) {
	f.id(c.ID)
	f.picks(c.Picks)
}

func (c *Release) check(f *faults) {
	f.id(c.ID)
	f.picks(c.Picks)
	f.note("reason", c.Reason, MaxNoteBytes)
}

func (c *Ship) check(f *faults) {
	f.id(c.ID)
	f.picks(c.Picks)
	f.note("package", c.Package, MaxIDBytes)
	f.note("tracking", c.Tracking, MaxIDBytes)
}

func (c *Return) check(f *faults) {
	f.id(c.ID)
	f.picks(c.Picks)
	f.name(LocationName, field{leaf: "location"}, c.Location, false)
	enum(f, field{leaf: "disposition"}, dispositions, c.Disposition)
}

func (c *Transfer) check(f *faults) {
	f.id(c.ID)
	f.between(field{leaf: "line"}, c.Line, 1, MaxLines)
	f.name(LocationName, field{leaf: "from"}, c.From, true)
	f.name(LocationName, field{leaf: "to"}, c.To, true)
	if c.From == c.To {
		f.add(field{leaf: "to"}, "must be another location than from")
	}
	f.between(field{leaf: "qty"}, c.Qty, 1, MaxQty)
}

func (c *Mirror) check(f *faults) {
	f.id(c.ID)
	f.name(ChannelName, field{leaf: "channel"}, c.Channel, true)
	f.asOf(c.AsOf)
	f.lines(c.Lines, 0, true)
}

func (c *Configure) check(f *faults) {
	f.between(field{leaf: "results_max"}, c.Limits.ResultsMax, 0, 1<<30)
	f.between(field{leaf: "results_age_ms"}, c.Limits.ResultsAge, 0, MaxTTL)
	f.between(field{leaf: "events_max"}, c.Limits.EventsMax, 0, 1<<50)
	f.between(field{leaf: "shortfall_step"}, c.Limits.ShortfallStep, 0, 1_000_000)
	known := int64(maxApplyVersion)
	if f.outside {
		known = ApplyVersion
	}
	f.between(field{leaf: "apply_version"}, c.Limits.ApplyVersion, 0, known)
	f.between(field{leaf: "closed_after_ms"}, c.Limits.ClosedAfter, 0, MaxMemory)
	f.between(field{leaf: "id_memory_ms"}, c.Limits.IDMemory, 0, MaxMemory)
	f.between(field{leaf: "records_max"}, c.Limits.RecordsMax, 0, 1<<30)
}

func (c *Enrol) check(f *faults) {
	if !nodeName(c.Node) {
		f.add(field{leaf: "node"}, "must be 1 to 64 letters, digits, dashes or underscores")
	}
	f.between(field{leaf: "incarnation"}, c.Incarnation, 1, MaxIncarnation)
}

func (c *Group) check(f *faults) {
	if len(c.Ops) == 0 || len(c.Ops) > MaxGroup {
		f.add(field{leaf: "ops"}, fmt.Sprintf("must be 1 to %d operations", MaxGroup))
	}
	for i, op := range c.Ops {
		f.inGroup, f.op = true, i
		switch op.(type) {
		case *Set, *Adjust, *Move, *Reserve, *Add, *Extend, *Commit, *Release, *Ship, *Return,
			*Transfer, *Mirror, *Put, *Drop, *Expect:
			f.check(op)
		default:
			f.add(field{leaf: "op"},
				"must be a stock change, a verb of a reservation or about a record")
		}
	}
	f.inGroup = false
}

func (f *faults) lines(lines []Line, low int, located bool) {
	if len(lines) < low || len(lines) > MaxLines {
		f.add(field{leaf: "lines"}, fmt.Sprintf("must be %d to %d lines", low, MaxLines))
	}
	for i := range lines {
		c := &lines[i]
		f.name(SKUName, field{list: "lines", i: i, leaf: "sku"}, c.SKU, true)
		f.name(LocationName, field{list: "lines", i: i, leaf: "location"}, c.Location, located)
		f.between(field{list: "lines", i: i, leaf: "qty"}, c.Qty, 1, MaxQty)
		if len(c.Ref) > MaxRefBytes || !plainText(c.Ref) {
			f.add(field{list: "lines", i: i, leaf: "ref"},
				"must be at most 128 bytes of UTF-8 without control characters")
		}
	}
}

func (f *faults) picks(picks []Pick) {
	if len(picks) > MaxLines {
		f.add(field{leaf: "lines"}, fmt.Sprintf("must be at most %d lines", MaxLines))
	}
	for i := range picks {
		c := &picks[i]
		f.between(field{list: "lines", i: i, leaf: "line"}, c.Line, 1, MaxLines)
		if c.Qty != 0 {
			f.between(field{list: "lines", i: i, leaf: "qty"}, c.Qty, 1, MaxQty)
		}
		f.name(LocationName, field{list: "lines", i: i, leaf: "location"}, c.Location, false)
	}
}
