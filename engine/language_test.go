package engine_test

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/engine"
)

// The language of the scripts: one command a line, a word for each field that has no other place.
// The driver spells the log of a failure in it, so that a failure can be pasted into a script.
//
//	sku K kit=A:1,B:2 attributes=blue
//	location main merchant master=wms shortfall=newest
//	channel web api pooled split locations=main,east buffer=2 percent=1000 priority=1 max=9
//	delete sku A
//	set A main 10 source=wms as_of=5000 basis=-3 basis_gone
//	adjust A main -3 source=wms reason=damaged
//	move A main east 5
//	reserve r1 web A:2 A@east:1#ref mode=dip partial commit ttl=1000
//	add r1 B:1*3 mode=accept       (three such lines)
//	commit r1 1:2@main 2          (picks: line:qty@location; no qty is all)
//	release r1 reason=changed-mind
//	ship r1 package=p1 tracking=t1
//	return r1 1:1 location=east disposition=damaged
//	extend r1 ttl=5000
//	transfer r1 1 main east 2
//	mirror m1 amz as_of=7 A@fba1:3
//	tick
//	retire 10
//	revive r1                      (its newest body; version=5 and record=X are said otherwise)
//	put 1 k body=X state=2 value=5 expires=9000 archive if=absent   (or if=present, or version=7)
//	put 1 k value=-2 add           (adds to the value)
//	drop 1 k version=7
//	expect 1 k if=present state=2
//	purge 10
//	configure results_max=2 results_age=1000 shortfall_step=1 cluster=abc
//	enrol n1 2 folder=abc
//	group atomic                   (its commands follow, indented)
//
// Every command takes key=K.

// parseOps reads the commands of one entry.
func parseOps(text string) ([]engine.Op, error) {
	var ops []engine.Op
	for _, line := range strings.Split(text, "\n") {
		if strings.TrimSpace(line) == "" {
			continue
		}
		op, err := parseOp(line)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", line, err)
		}
		if !strings.HasPrefix(line, " ") {
			ops = append(ops, op)
			continue
		}
		if len(ops) == 0 {
			return nil, fmt.Errorf("%q: no group before it", line)
		}
		g, ok := ops[len(ops)-1].Command.(*engine.Group)
		if !ok {
			return nil, fmt.Errorf("%q: the command before it is no group", line)
		}
		g.Ops = append(g.Ops, op.Command)
	}
	return ops, nil
}

// words is a command being read: the words without "=" in order, and those with one by name.
type words struct {
	plain []string
	named map[string]string
	err   error
}

func parseOp(line string) (engine.Op, error) {
	w := &words{named: map[string]string{}}
	fields := strings.Fields(line)
	for _, f := range fields[1:] {
		if name, value, ok := strings.Cut(f, "="); ok {
			w.named[name] = value
		} else {
			w.plain = append(w.plain, f)
		}
	}
	var op engine.Op
	if key := w.option("key"); key != "" {
		op.Key = engine.KeyOf("script", key)
	}
	op.Command = w.command(fields[0])
	for name := range w.named {
		w.fail("unknown option %q", name)
	}
	if len(w.plain) > 0 {
		w.fail("left over: %v", w.plain)
	}
	return op, w.err
}

func (w *words) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

// next takes the next plain word; empty at the end.
func (w *words) next() string {
	if len(w.plain) == 0 {
		return ""
	}
	s := w.plain[0]
	w.plain = w.plain[1:]
	return s
}

func (w *words) name() engine.Name { return engine.Name(w.next()) }

// flag takes a plain word wherever it stands.
func (w *words) flag(word string) bool {
	for i, p := range w.plain {
		if p == word {
			w.plain = append(w.plain[:i:i], w.plain[i+1:]...)
			return true
		}
	}
	return false
}

func (w *words) option(name string) string {
	s := w.named[name]
	delete(w.named, name)
	return s
}

func (w *words) number(s string) int64 {
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		w.fail("%v", err)
	}
	return n
}

func (w *words) numberOf(name string) int64 { return w.number(w.option(name)) }

func (w *words) command(verb string) engine.Command {
	switch verb {
	case "sku", "location", "channel", "delete", "configure":
		return w.definition(verb)
	case "set":
		return &engine.Set{SKU: w.name(), Location: w.name(), Value: w.number(w.next()),
			Source: w.option("source"), AsOf: w.numberOf("as_of"), Basis: w.numberOf("basis"),
			BasisGone: w.flag("basis_gone")}
	case "adjust":
		return &engine.Adjust{SKU: w.name(), Location: w.name(), Delta: w.number(w.next()),
			Source: w.option("source"), Reason: w.option("reason")}
	case "move":
		return &engine.Move{SKU: w.name(), From: w.name(), To: w.name(), Qty: w.number(w.next()),
			Source: w.option("source"), Reason: w.option("reason")}
	case "retire":
		return &engine.Retire{Count: w.number(w.next())}
	case "revive":
		return &engine.Revive{ID: w.next(), Version: uint64(w.numberOf("version")),
			Record: []byte(w.option("record"))}
	case "put", "drop", "expect", "purge":
		return w.record(verb)
	case "tick":
		return &engine.Tick{}
	case "enrol":
		c := &engine.Enrol{Node: w.next(), Incarnation: w.number(w.next())}
		copy(c.Folder[:], w.option("folder"))
		return c
	case "group":
		return &engine.Group{Atomic: w.flag("atomic")}
	}
	return w.reservation(verb)
}

func (w *words) record(verb string) engine.Command {
	if verb == "purge" {
		return &engine.Purge{Count: w.number(w.next())}
	}
	table, key, version := uint8(w.number(w.next())), w.next(), uint64(w.numberOf("version"))
	condition := map[string]engine.Condition{"": engine.IfAny, "absent": engine.IfAbsent,
		"present": engine.IfPresent}[w.option("if")]
	if version != 0 {
		condition = engine.IfAt
	}
	switch verb {
	case "put":
		return &engine.Put{Table: table, Key: key, If: condition, Version: version,
			State: uint8(w.numberOf("state")), Value: w.numberOf("value"), Add: w.flag("add"),
			Expires: w.numberOf("expires"), Archive: w.flag("archive"),
			Body: []byte(w.option("body"))}
	case "drop":
		return &engine.Drop{Table: table, Key: key, If: condition, Version: version}
	}
	_, has := w.named["state"]
	return &engine.Expect{Table: table, Key: key, If: condition, Version: version, HasState: has,
		State: uint8(w.numberOf("state"))}
}

func (w *words) definition(verb string) engine.Command {
	switch verb {
	case "sku":
		c := &engine.DefineSKU{SKU: w.name(), Attributes: []byte(w.option("attributes"))}
		for _, part := range w.list("kit") {
			sku, qty, _ := strings.Cut(part, ":")
			c.Kit = append(c.Kit, engine.Component{SKU: engine.Name(sku), Qty: w.number(qty)})
		}
		return c
	case "location":
		return &engine.DefineLocation{Location: w.name(), Kind: engine.ParseLocationKind(w.next()),
			Master: w.or("master", "holdfast"), Attributes: []byte(w.option("attributes")),
			Shortfall: engine.ParseShortfallPolicy(w.or("shortfall", "none"))}
	case "channel":
		c := &engine.DefineChannel{Split: w.flag("split"), Channel: w.name(),
			Kind: engine.ChannelAPI, Publish: engine.Pooled, Priority: w.numberOf("priority"),
			Attributes: []byte(w.option("attributes"))}
		for word := w.next(); word != ""; word = w.next() {
			if k := engine.ParseChannelKind(word); k != 0 {
				c.Kind = k
			} else if c.Publish = engine.ParsePublishMode(word); c.Publish == 0 {
				w.fail("%q is no kind and no publish mode", word)
			}
		}
		for _, l := range w.list("locations") {
			c.Locations = append(c.Locations, engine.Name(l))
		}
		c.Rules = engine.Rules{Buffer: w.numberOf("buffer"), BufferPercent: w.numberOf("percent"),
			Max: w.numberOf("max"), Min: w.numberOf("min"), Threshold: w.numberOf("threshold")}
		return c
	case "delete":
		kinds := map[string]engine.NameKind{"sku": engine.SKUName,
			"location": engine.LocationName, "channel": engine.ChannelName}
		return &engine.Delete{Kind: kinds[w.next()], Name: w.name()}
	}
	c := &engine.Configure{Limits: engine.Limits{ResultsMax: w.numberOf("results_max"),
		ResultsAge: w.numberOf("results_age"), EventsMax: w.numberOf("events_max"),
		ShortfallStep: w.numberOf("shortfall_step"), ApplyVersion: w.numberOf("apply_version"),
		ClosedAfter: w.numberOf("closed_after"),
		IDMemory:    w.numberOf("id_memory"), RecordsMax: w.numberOf("records_max")}}
	copy(c.Limits.ClusterID[:], w.option("cluster"))
	return c
}

func (w *words) or(name, otherwise string) string {
	if s := w.option(name); s != "" {
		return s
	}
	return otherwise
}

func (w *words) list(name string) []string {
	if s := w.option(name); s != "" {
		return strings.Split(s, ",")
	}
	return nil
}

func (w *words) reservation(verb string) engine.Command {
	switch verb {
	case "reserve":
		return &engine.Reserve{ID: w.next(), Channel: w.name(), Mode: w.mode(),
			Partial: w.flag("partial"), Commit: w.flag("commit"), TTL: w.numberOf("ttl"),
			Lines: w.lines()}
	case "add":
		return &engine.Add{ID: w.next(), Mode: w.mode(), Partial: w.flag("partial"),
			Commit: w.flag("commit"), TTL: w.numberOf("ttl"), Lines: w.lines()}
	case "extend":
		return &engine.Extend{ID: w.next(), TTL: w.numberOf("ttl")}
	case "commit":
		return &engine.Commit{ID: w.next(), Picks: w.picks()}
	case "release":
		return &engine.Release{ID: w.next(), HandOver: w.flag("handover"), Picks: w.picks(),
			Reason: w.option("reason")}
	case "ship":
		return &engine.Ship{ID: w.next(), Picks: w.picks(), Package: w.option("package"),
			Tracking: w.option("tracking")}
	case "return":
		return &engine.Return{ID: w.next(), Picks: w.picks(),
			Location:    engine.Name(w.option("location")),
			Disposition: engine.ParseDisposition(w.or("disposition", "sellable"))}
	case "transfer":
		return &engine.Transfer{ID: w.next(), Line: w.number(w.next()), From: w.name(),
			To: w.name(), Qty: w.number(w.next())}
	case "mirror":
		return &engine.Mirror{ID: w.next(), Channel: w.name(), AsOf: w.numberOf("as_of"),
			Lines: w.lines()}
	}
	w.fail("unknown command %q", verb)
	return nil
}

func (w *words) mode() engine.Mode { return engine.ParseMode(w.or("mode", "strict")) }

// lines takes the rest of the plain words as SKU@location:qty#ref.
func (w *words) lines() (lines []engine.Line) {
	for word := w.next(); word != ""; word = w.next() {
		word, ref, _ := strings.Cut(word, "#")
		word, qty, _ := strings.Cut(word, ":")
		qty, times, _ := strings.Cut(qty, "*")
		sku, location, _ := strings.Cut(word, "@")
		for range max(1, w.number(times)) {
			lines = append(lines, engine.Line{SKU: engine.Name(sku),
				Location: engine.Name(location), Qty: w.number(qty), Ref: ref})
		}
	}
	return lines
}

// picks takes the rest of the plain words as line:qty@location.
func (w *words) picks() (picks []engine.Pick) {
	for word := w.next(); word != ""; word = w.next() {
		word, location, _ := strings.Cut(word, "@")
		line, qty, _ := strings.Cut(word, ":")
		picks = append(picks, engine.Pick{Line: w.number(line), Qty: w.number(qty),
			Location: engine.Name(location)})
	}
	return picks
}
