package httpapi

import (
	"slices"

	"holdfast/engine"
)

// verb is what one operation does: a call on reservations, or a change of stock.
type verb uint8

const (
	verbReserve verb = iota + 1
	verbCommit
	verbRelease
	verbShip
	verbReturn
	verbExtend
	verbTransfer
	verbAdd
	verbSet
	verbAdjust
	verbMove
	verbEnd
)

// verbSpec says which members the body of a verb has.
type verbSpec struct {
	name     string
	single   []string // the members of a call of its own; the id stands in the path
	required []string
	batch    []string // the members of an op in a batch, made from single
	key      bool     // an Idempotency-Key is always required
	picks    bool     // lines are picks, and naming them requires a key
}

var verbs = func() [verbEnd]verbSpec {
	all := [verbEnd]verbSpec{
		verbReserve: {name: "reserve",
			single:   []string{"id", "channel", "lines", "ttl_ms", "partial", "mode", "commit"},
			required: []string{"id", "channel", "lines"}},
		verbCommit:  {name: "commit", single: []string{"lines"}, picks: true},
		verbRelease: {name: "release", single: []string{"lines", "reason"}, picks: true},
		verbShip:    {name: "ship", single: []string{"lines", "package", "tracking"}, picks: true},
		verbReturn: {name: "return", single: []string{"lines", "location", "disposition"},
			picks: true},
		verbExtend: {name: "extend", single: []string{"ttl_ms"}},
		verbTransfer: {name: "transfer", single: []string{"line", "from", "to", "qty"}, key: true,
			required: []string{"line", "from", "to", "qty"}},
		verbAdd: {name: "add", single: []string{"lines", "mode", "ttl_ms", "partial", "commit"},
			required: []string{"lines"}, key: true},
		verbSet: {name: "set", single: []string{"sku", "location", "set", "source", "as_of"},
			required: []string{"sku", "location", "set"}},
		verbAdjust: {name: "adjust",
			single:   []string{"sku", "location", "adjust", "source", "reason"},
			required: []string{"sku", "location", "adjust"}, key: true},
		verbMove: {name: "move", single: []string{"sku", "from", "to", "move", "source", "reason"},
			required: []string{"sku", "from", "to", "move"}, key: true},
	}
	for v := verbReserve; v < verbEnd; v++ {
		spec := &all[v]
		spec.batch = append(slices.Clone(spec.single), "op")
		if v > verbReserve && v < verbSet {
			spec.batch = append(spec.batch, "id")
			spec.required = append([]string{"id"}, spec.required...)
		}
	}
	return all
}()

// verbWords lists the verbs for messages.
const verbWords = "reserve, commit, release, ship, return, extend, transfer, add, set, adjust, move"

// verbOf returns the verb of a word, or 0.
func verbOf(text string) verb {
	for v := verbReserve; v < verbEnd; v++ {
		if verbs[v].name == text {
			return v
		}
	}
	return 0
}

// onStock reports whether the verb changes stock rather than a reservation.
func (v verb) onStock() bool { return v >= verbSet }

// opBody is the body of one operation: the members of every verb together, because each verb uses
// a few of them and a batch mixes verbs.
type opBody struct {
	id, channel             string
	lines                   []engine.Line
	picks                   []engine.Pick
	ttl                     int64 // -1 is not given
	mode                    engine.Mode
	partial, commit         bool
	reason, pack, tracking  string
	location, from, to, sku string
	disposition             engine.Disposition
	line, qty               int64
	source                  string
	asOf                    int64
}

// readOp reads one operation; it is the decoder of reserve, commit, release and every op of a
// batch. members is the verb's single or batch list.
func (s *scan) readOp(v verb, members []string, o *opBody) {
	o.ttl = -1
	if !s.object() {
		return
	}
	var seen uint64
	for i := s.member(members, &seen); i >= 0; i = s.member(members, &seen) {
		s.readMember(v, members[i], o)
	}
	if s.bad != nil {
		return
	}
	for _, name := range verbs[v].required {
		i := slices.Index(members, name)
		if i >= 0 && seen&(1<<i) == 0 {
			s.missing(name)
			return
		}
	}
	if o.from != "" && o.from == o.to {
		s.failIn("to", "must differ from from")
	}
}

func (s *scan) readMember(v verb, name string, o *opBody) {
	switch name {
	case "id":
		o.id = s.ruled(idRule)
	case "channel":
		o.channel = s.ruled(idRule)
	case "lines":
		if verbs[v].picks {
			o.picks = s.readPicks()
		} else {
			o.lines = s.readLines()
		}
	case "ttl_ms":
		o.ttl = s.integer(engine.MinTTL, engine.MaxTTL)
	case "mode":
		o.mode = word(s, engine.ParseMode, "strict, dip, accept")
	case "partial":
		o.partial = s.boolean()
	case "commit":
		o.commit = s.boolean()
	case "op":
		s.text()
	default:
		s.readRareMember(name, o)
	}
}

func (s *scan) readRareMember(name string, o *opBody) {
	switch name {
	case "sku":
		o.sku = s.ruled(skuRule)
	case "location":
		o.location = s.ruled(idRule)
	case "from":
		o.from = s.ruled(idRule)
	case "to":
		o.to = s.ruled(idRule)
	case "set":
		o.qty = s.integer(0, engine.MaxQty)
	case "adjust":
		o.qty = s.integer(-engine.MaxQty, engine.MaxQty)
		if o.qty == 0 {
			s.fail(adjustRule)
		}
	case "move", "qty":
		o.qty = s.quantity()
	case "line":
		o.line = s.integer(1, engine.MaxLines)
	case "reason":
		o.reason = s.ruled(noteRule)
	case "source":
		o.source = s.ruled(noteRule)
	case "package":
		o.pack = s.ruled(refRule)
	case "tracking":
		o.tracking = s.ruled(refRule)
	case "disposition":
		o.disposition = word(s, engine.ParseDisposition, "sellable, damaged, lost")
	case "as_of":
		o.asOf, _ = parseTime(s.ruled(timeRule))
	}
}

const adjustRule = "must be a whole number from -1000000000 to 1000000000, but not 0"

var lineMembers = []string{"sku", "qty", "location", "ref"}

// readLines reads the lines of a reserve or an add.
func (s *scan) readLines() []engine.Line {
	if !s.array() {
		return nil
	}
	lines := make([]engine.Line, 0, 2)
	for i := 0; s.element(i); i++ {
		if i == engine.MaxLines {
			s.tooMany(limitLines, engine.MaxLines)
			return nil
		}
		lines = append(lines, s.readLine())
	}
	if len(lines) == 0 {
		s.fail("must have at least one line")
	}
	return lines
}

func (s *scan) readLine() (l engine.Line) {
	if !s.object() {
		return l
	}
	var seen uint64
	for i := s.member(lineMembers, &seen); i >= 0; i = s.member(lineMembers, &seen) {
		switch i {
		case 0:
			l.SKU = engine.Name(s.ruled(skuRule))
		case 1:
			l.Qty = s.quantity()
		case 2:
			l.Location = engine.Name(s.ruled(idRule))
		case 3:
			l.Ref = s.ruled(refRule)
		}
	}
	if seen&1 == 0 {
		s.missing("sku")
	} else if seen&2 == 0 {
		s.missing("qty")
	}
	return l
}

var pickMembers = []string{"line", "qty", "location"}

// readPicks reads the lines of a verb; a pick without qty takes all of its line.
func (s *scan) readPicks() []engine.Pick {
	if !s.array() {
		return nil
	}
	picks := make([]engine.Pick, 0, 2)
	for i := 0; s.element(i); i++ {
		if i == engine.MaxLines {
			s.tooMany(limitLines, engine.MaxLines)
			return nil
		}
		picks = append(picks, s.readPick())
	}
	if len(picks) == 0 {
		s.fail("must have at least one line; leave it out to take every unit")
	}
	return picks
}

func (s *scan) readPick() (p engine.Pick) {
	if !s.object() {
		return p
	}
	var seen uint64
	for i := s.member(pickMembers, &seen); i >= 0; i = s.member(pickMembers, &seen) {
		switch i {
		case 0:
			p.Line = s.integer(1, engine.MaxLines)
		case 1:
			p.Qty = s.quantity()
		case 2:
			p.Location = engine.Name(s.ruled(idRule))
		}
	}
	if seen&1 == 0 {
		s.missing("line")
	}
	return p
}

// needsKey reports whether the operation must not be sent without an Idempotency-Key: done twice it
// would change twice, and nothing in it says that it is the same one.
func (o *opBody) needsKey(v verb) bool { return verbs[v].key || len(o.picks) > 0 }

// ttlOrDefault is how long new units are held, 0 where they are promised at once.
func (o *opBody) ttlOrDefault() int64 {
	switch {
	case o.commit:
		return 0
	case o.ttl < 0:
		return defaultTTL
	}
	return o.ttl
}

// command makes the engine's command.
func (o *opBody) command(v verb) engine.Command {
	if o.mode == 0 {
		o.mode = engine.Strict
	}
	switch v {
	case verbReserve:
		return &engine.Reserve{ID: o.id, Channel: engine.Name(o.channel), Mode: o.mode,
			Partial: o.partial, Commit: o.commit, TTL: o.ttlOrDefault(), Lines: o.lines}
	case verbCommit:
		return &engine.Commit{ID: o.id, Picks: o.picks}
	case verbRelease:
		return &engine.Release{ID: o.id, Picks: o.picks, Reason: o.reason}
	case verbShip:
		return &engine.Ship{ID: o.id, Picks: o.picks, Package: o.pack, Tracking: o.tracking}
	case verbReturn:
		if o.disposition == 0 {
			o.disposition = engine.Sellable
		}
		return &engine.Return{ID: o.id, Picks: o.picks, Location: engine.Name(o.location),
			Disposition: o.disposition}
	case verbExtend:
		return &engine.Extend{ID: o.id, TTL: o.ttlOrDefault()}
	case verbTransfer:
		return &engine.Transfer{ID: o.id, Line: o.line, From: engine.Name(o.from),
			To: engine.Name(o.to), Qty: o.qty}
	case verbAdd:
		return &engine.Add{ID: o.id, Mode: o.mode, Partial: o.partial, Commit: o.commit,
			TTL: o.ttlOrDefault(), Lines: o.lines}
	}
	return o.stockCommand(v)
}

// stockCommand makes the command of a stock change. Without a source the caller is meant: "api".
func (o *opBody) stockCommand(v verb) engine.Command {
	if o.source == "" {
		o.source = "api"
	}
	sku := engine.Name(o.sku)
	switch v {
	case verbSet:
		return &engine.Set{SKU: sku, Location: engine.Name(o.location), Value: o.qty,
			Source: o.source, AsOf: o.asOf}
	case verbAdjust:
		return &engine.Adjust{SKU: sku, Location: engine.Name(o.location), Delta: o.qty,
			Source: o.source, Reason: o.reason}
	}
	return &engine.Move{SKU: sku, From: engine.Name(o.from), To: engine.Name(o.to), Qty: o.qty,
		Source: o.source, Reason: o.reason}
}
