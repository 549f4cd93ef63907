package engine_test

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"holdfast/engine"
)

// TestScripts runs every scenario of testdata/script. A file is a story that can be read without
// Go: commands in the language of language_test.go, and below each entry what became of it. Run
// with -rewrite to write what happens now; the difference is the review.
func TestScripts(t *testing.T) {
	datadriven.Walk(t, "testdata/script", func(t *testing.T, path string) {
		s := &script{driver: newDriver(), now: 1000}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			text, err := s.run(d)
			if err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
			return text
		})
	})
}

// script is one scenario: a ledger with its twin, and the clock. The directives are
//
//	entry [now=T or +T] [due=T] [quiet] [differs]
//	                                 one entry; its commands follow, a line each. The clock starts at
//	                                 1000 and stays where it was put; due is now unless it is given.
//	                                 quiet prints refusals only. differs: the twin leaves this out.
//	stock SKU ...                    the rows of SKUs
//	sellable CHANNEL SKU ...         what the channel may sell
//	explain CHANNEL SKU              why
//	reservation ID ...               reservations as they are
//	list [sku=] [channel=] [state=]  ids of reservations
//	sku NAME, location NAME, channel NAME   definitions
//	events                           events of the last entry
//	save                             save the ledger, and go on with what is loaded
//	skip N                           N entries of raft that are not the ledger's
//	record TABLE KEY ...             records, and their bodies
//	status                           index, time, limits, counts, what is due next
type script struct {
	*driver
	now    int64
	events []engine.Event
	alone  bool // the twin was left behind
}

func (s *script) run(d *datadriven.TestData) (string, error) {
	var words []string
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			words = append(words, a.Key)
		}
	}
	switch d.Cmd {
	case "entry":
		return s.entry(d)
	case "save":
		l, err := reload(s.ledger)
		if err != nil {
			return "", err
		}
		s.ledger = l
		return "", nil
	case "skip":
		n, err := strconv.Atoi(words[0])
		s.index += uint64(n)
		s.ledger.SkipTo(s.index)
		s.twin.index = s.index
		return "", err
	case "list":
		f := engine.ReservationFilter{}
		for _, a := range d.CmdArgs {
			switch a.Key {
			case "sku":
				f.SKU = a.Vals[0]
			case "channel":
				f.Channel = a.Vals[0]
			case "state":
				f.State = engine.ParseState(a.Vals[0])
			}
		}
		return strings.Join(listAll(s.ledger, f), " "), nil
	}
	return s.show(d.Cmd, words)
}

// entry applies one entry to the ledger and the twin, and prints results and events.
func (s *script) entry(d *datadriven.TestData) (string, error) {
	e, quiet, err := s.read(d)
	if err != nil {
		return "", err
	}
	if e.ops == nil && d.Input != "" {
		return "", fmt.Errorf("no commands in %q", d.Input)
	}
	if s.alone {
		s.index++
		payload := encode(&s.builder, s.ledger, s.bodies.fill(e))
		return s.print(e, applyPayload(s.ledger, s.index, payload, &s.out), quiet), nil
	}
	if fault := s.step(e); fault != "" {
		return "", fmt.Errorf("the twin differs: %s", fault)
	}
	if fault := s.compareAll(); fault != "" {
		return "", fmt.Errorf("the twin differs: %s", fault)
	}
	var results []engine.Result
	for i := range e.ops {
		r, err := engine.DecodeResult(bytes.Clone(s.out.Result(i)), e.ops[i].command)
		if err != nil {
			return "", err
		}
		results = append(results, r)
	}
	return s.print(e, results, quiet), nil
}

func (s *script) read(d *datadriven.TestData) (e entry, quiet bool, err error) {
	due := int64(-1)
	for _, a := range d.CmdArgs {
		if len(a.Vals) == 0 {
			quiet = quiet || a.Key == "quiet"
			s.alone = s.alone || a.Key == "differs"
			continue
		}
		n, err := strconv.ParseInt(strings.TrimPrefix(a.Vals[0], "+"), 10, 64)
		if err != nil {
			return entry{}, false, err
		}
		switch {
		case a.Key == "due":
			due = n
		case strings.HasPrefix(a.Vals[0], "+"):
			s.now += n
		default:
			s.now = n
		}
	}
	e = entry{now: s.now, due: s.now}
	if due >= 0 {
		e.due = due
	}
	ops, err := parseOps(d.Input)
	for _, line := range strings.Split(d.Input, "\n") {
		if line == "" || strings.HasPrefix(line, " ") || err != nil {
			continue
		}
		key := ""
		for _, f := range strings.Fields(line) {
			if k, ok := strings.CutPrefix(f, "key="); ok {
				key = k
			}
		}
		e.ops = append(e.ops, keyedOp{key: key, command: ops[len(e.ops)].Command})
	}
	return e, quiet, err
}

// print shows each command with its result, then the events.
func (s *script) print(e entry, results []engine.Result, quiet bool) string {
	var b strings.Builder
	for i, r := range results {
		if quiet && r.Refusal == engine.Accepted {
			continue
		}
		line, _, _ := strings.Cut(spellOp(e.ops[i].command, e.ops[i].key), "\n")
		fmt.Fprintf(&b, "%s: %s\n", line, printResult(r, true))
	}
	s.events = decodeEvents(s.out.Events)
	for _, event := range s.events {
		if !quiet {
			b.WriteString("event " + printEvent(event, s.ledger.NameOf) + "\n")
		}
	}
	return b.String()
}

// show prints a part of the state.
func (s *script) show(what string, words []string) (string, error) {
	var b strings.Builder
	switch what {
	case "stock":
		for _, sku := range words {
			rows, r := s.ledger.Stock(sku)
			if r != engine.Accepted {
				fmt.Fprintf(&b, "%s: %s\n", sku, r)
			}
			for _, row := range rows {
				fmt.Fprintf(&b, "%s at %s: %s, available %d, moved %d, last event %d\n", sku,
					row.Location, printBalance(row.Balance), row.Available(), row.Moved,
					row.LastEvent)
			}
		}
	case "sellable":
		for _, sku := range words[1:] {
			n, r := s.ledger.Sellable(words[0], sku)
			fmt.Fprintf(&b, "%s: %d %s\n", sku, n, r)
		}
	case "explain":
		why, r := s.ledger.Explain(words[0], words[1])
		fmt.Fprintf(&b, "sellable %d %s\n", why.Sellable, r)
		for _, t := range why.Terms {
			fmt.Fprintln(&b, strings.Join(slices.DeleteFunc([]string{t.Term, t.Location, t.Rule,
				fmt.Sprintf("%+d", t.Value)}, func(s string) bool { return s == "" }), " "))
		}
		for _, h := range why.Holds {
			fmt.Fprintf(&b, "hold %s for %s at %s: held %d committed %d\n", h.Reservation,
				h.Channel, h.Location, h.Held, h.Committed)
		}
	case "record":
		table, err := strconv.Atoi(words[0])
		for _, key := range words[1:] {
			b.WriteString(s.showRecord(uint8(table), key) + "\n")
		}
		return b.String(), err
	case "reservation":
		for _, id := range words {
			v, ok := s.ledger.Reservation(id)
			if !ok {
				fmt.Fprintf(&b, "%s: unknown\n", id)
				continue
			}
			b.WriteString(printReservation(v) + "\n")
		}
	default:
		return s.showDefinition(what, words)
	}
	return b.String(), nil
}

// showRecord prints a record with its newest body.
func (s *script) showRecord(table uint8, key string) string {
	head, ok := s.ledger.Record(table, key)
	text := "not in memory"
	if ok {
		text = fmt.Sprintf("version %d state %d value %d", head.Version, head.State, head.Value)
		if head.Expires != 0 {
			text += fmt.Sprintf(" expires %d", head.Expires)
		}
		if head.Archive {
			text += " archive"
		}
	}
	body, kept := s.bodies[bodyKey(engine.BodyOfRecord, engine.RecordKey(table, key))]
	if !kept {
		return fmt.Sprintf("%d %s: %s, no body", table, key, text)
	}
	r, _ := engine.ReadRecordBody(body.value)
	return fmt.Sprintf("%d %s: %s, body of index %d %q", table, key, text, body.version, r.Body)
}

func (s *script) showDefinition(what string, words []string) (string, error) {
	l := s.ledger
	switch what {
	case "sku":
		v, ok := l.SKU(words[0])
		return fmt.Sprintf("%v number %d kit %+v %q", ok, v.Number, v.Kit, v.Attributes), nil
	case "location":
		v, ok := l.Location(words[0])
		return fmt.Sprintf("%v number %d %s master %s shortfall %s %q", ok, v.Number, v.Kind,
			v.Master, v.Shortfall, v.Attributes), nil
	case "channel":
		v, ok := l.Channel(words[0])
		return fmt.Sprintf("%v number %d %s %s split %v priority %d locations %v rules %+v %q", ok,
			v.Number, v.Kind, v.Publish, v.Split, v.Priority, v.Locations, v.Rules,
			v.Attributes), nil
	case "status":
		next, ok := l.NextDeadline()
		limits := l.Limits()
		return fmt.Sprintf("index %d, now %d, due %d, last event %d, unfinished %v\n"+
			"counts %+v\nlimits: results %d for %d ms, events %d, shortfall step %d, closed after %d, "+
			"ids for %d, records %d, cluster %q\n"+
			"next deadline %d %v", l.Index(), l.Now(), l.Due(), l.LastEvent(), l.Unfinished(),
			l.Counts(), limits.ResultsMax, limits.ResultsAge, limits.EventsMax,
			limits.ShortfallStep, limits.ClosedAfter, limits.IDMemory, limits.RecordsMax, strings.TrimRight(string(limits.ClusterID[:]), "\x00"), next,
			ok), nil
	}
	return "", fmt.Errorf("unknown directive %q", what)
}
