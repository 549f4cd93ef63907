package engine_test

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/big"
	"slices"

	"holdfast/engine"
)

// recordID names a record.
type recordID struct {
	table uint8
	key   string
}

// twinRecord is a record, and its body.
type twinRecord struct {
	head engine.RecordHead
	body string
}

// twinRecords are the records of the twin: those in memory, and the bodies of those that were archived.
type twinRecords struct {
	live, archived map[recordID]twinRecord
	left           int64 // that were archived, since ever
}

func (r *twinRecords) clone() twinRecords {
	return twinRecords{live: maps.Clone(r.live), archived: maps.Clone(r.archived), left: r.left}
}

// demand is what a command wants of a record: empty when it is so.
func (w *twin) demand(id recordID, c engine.Condition, version uint64) engine.Refusal {
	old, there := w.records.live[id]
	switch {
	case c == engine.IfAbsent && there:
		return engine.RecordExists
	case (c == engine.IfPresent || c == engine.IfAt) && !there:
		return engine.RecordUnknown
	case c == engine.IfAt && old.head.Version != version:
		return engine.RecordChanged
	}
	return engine.Accepted
}

func (w *twin) put(c *engine.Put, r *engine.Result) {
	id := recordID{c.Table, c.Key}
	if r.Refusal = w.demand(id, c.If, c.Version); r.Refusal != engine.Accepted {
		return
	}
	old, there := w.records.live[id]
	value := c.Value
	if c.Add {
		sum := new(big.Int).Add(big.NewInt(old.head.Value), big.NewInt(c.Value))
		if !sum.IsInt64() {
			r.Refusal = engine.QuantityOverflow
			return
		}
		value = sum.Int64()
	}
	if !there && int64(len(w.records.live)) >= w.limits.RecordsMax {
		r.Refusal = engine.LimitReached
		return
	}
	delete(w.records.archived, id)
	w.records.live[id] = twinRecord{body: string(c.Body), head: engine.RecordHead{Version: w.index,
		State: c.State, Value: value, Expires: c.Expires, Archive: c.Archive}}
}

func (w *twin) drop(c *engine.Drop, r *engine.Result) {
	id := recordID{c.Table, c.Key}
	if r.Refusal = w.demand(id, c.If, c.Version); r.Refusal == engine.Accepted {
		delete(w.records.live, id)
		delete(w.records.archived, id)
	}
}

func (w *twin) expect(c *engine.Expect, r *engine.Result) {
	id := recordID{c.Table, c.Key}
	if r.Refusal = w.demand(id, c.If, c.Version); r.Refusal != engine.Accepted || !c.HasState {
		return
	}
	old, there := w.records.live[id]
	switch {
	case !there:
		r.Refusal = engine.RecordUnknown
	case old.head.State != c.State:
		r.Refusal = engine.RecordChanged
	}
}

func (w *twin) purge(c *engine.Purge) {
	var due []recordID
	for id, r := range w.records.live {
		if r.head.Expires != 0 && r.head.Expires <= w.now {
			due = append(due, id)
		}
	}
	slices.SortFunc(due, func(a, b recordID) int {
		x, y := engine.RecordHash(a.table, a.key), engine.RecordHash(b.table, b.key)
		return cmp.Or(cmp.Compare(w.records.live[a].head.Expires, w.records.live[b].head.Expires),
			cmp.Compare(a.table, b.table), cmp.Compare(x.Hi, y.Hi), cmp.Compare(x.Lo, y.Lo))
	})
	for _, id := range due[:min(len(due), int(c.Count))] {
		if r := w.records.live[id]; r.head.Archive {
			w.records.archived[id] = r
			w.records.left++
		}
		delete(w.records.live, id)
	}
}

// performRecord does a command about records; false when it is none.
func (w *twin) performRecord(c engine.Command, r *engine.Result) bool {
	switch c := c.(type) {
	case *engine.Put:
		w.put(c, r)
	case *engine.Drop:
		w.drop(c, r)
	case *engine.Expect:
		w.expect(c, r)
	case *engine.Purge:
		w.purge(c)
	default:
		return false
	}
	return true
}

func isRecord(c engine.Command) bool {
	switch c.(type) {
	case *engine.Put, *engine.Drop, *engine.Expect:
		return true
	}
	return false
}

// badRecord reports whether a command about a record breaks a rule that needs no state.
func badRecord(c engine.Command) bool {
	bad := func(table uint8, key string, i engine.Condition, version uint64) bool {
		return table == 0 || key == "" || len(key) > engine.MaxKeyBytes || i > engine.IfAt ||
			(i == engine.IfAt) != (version > 0)
	}
	switch c := c.(type) {
	case *engine.Put:
		return bad(c.Table, c.Key, c.If, c.Version) || c.Expires < 0 || c.Add && len(c.Body) > 0
	case *engine.Drop:
		return bad(c.Table, c.Key, c.If, c.Version) || c.If == engine.IfAbsent
	case *engine.Expect:
		return bad(c.Table, c.Key, c.If, c.Version) || c.If == engine.IfAbsent && c.HasState
	}
	return false
}

// compareRecords compares what is known of each record, and that exactly the bodies are there that must
// be: those of the records in memory, of just their versions, and of the archived ones.
func (d *driver) compareRecords() string {
	want := map[string]string{}
	note := func(id recordID, r twinRecord) {
		want[bodyKey(engine.BodyOfRecord, engine.RecordKey(id.table, id.key))] =
			fmt.Sprintf("%+v %q", r.head, r.body)
	}
	for id, r := range d.twin.records.live {
		head, ok := d.ledger.Record(id.table, id.key)
		if !ok || head != r.head {
			return fmt.Sprintf("record %v: twin %+v, ledger %v %+v", id, r.head, ok, head)
		}
		note(id, r)
	}
	for id, r := range d.twin.records.archived {
		if _, ok := d.ledger.Record(id.table, id.key); ok {
			return fmt.Sprintf("record %v was archived, and is in memory", id)
		}
		note(id, r)
	}
	got := map[string]string{}
	for key, body := range d.bodies {
		if engine.BodyTable(key[0]) != engine.BodyOfRecord {
			continue
		}
		r, ok := engine.ReadRecordBody(body.value)
		if !ok {
			return fmt.Sprintf("the body of record %q cannot be read", key)
		}
		got[key] = fmt.Sprintf("%+v %q", engine.RecordHead{Version: body.version, State: r.State,
			Value: r.Value, Expires: r.Expires, Archive: r.Archive}, r.Body)
	}
	if !maps.Equal(want, got) {
		return fmt.Sprintf("bodies of records:\ntwin:   %v\nledger: %v", want, got)
	}
	return d.compareBodyCheck()
}

// compareBodyCheck holds the bodies against the ledger as verify does: none is missing, all are named.
func (d *driver) compareBodyCheck() string {
	c := d.ledger.CheckBodies()
	for key, body := range d.bodies {
		b := engine.Body{Table: engine.BodyTable(key[0]), Key: []byte(key[1:]), Value: body.value}
		named, err := c.Take(b, body.version)
		if err != nil || b.Table == engine.BodyOfRecord && !named {
			return fmt.Sprintf("body %q of index %d: named %v, %v", key, body.version, named, err)
		}
	}
	if n := c.Missing(d.ledger.Index()); n != 0 ||
		c.Records != int64(len(d.twin.records.live)) ||
		c.Archived != int64(len(d.twin.records.archived)) {
		return fmt.Sprintf("bodies: %d are missing, %d of records, %d archived", n, c.Records, c.Archived)
	}
	return ""
}

// compareBodies looks at the bodies of an entry: no key has two.
func (d *driver) compareBodies() string {
	seen := map[string]bool{}
	for _, b := range d.out.Bodies {
		key := bodyKey(b.Table, b.Key)
		if seen[key] {
			return fmt.Sprintf("two bodies under %q", key)
		}
		seen[key] = true
	}
	for _, b := range d.out.Archived {
		id := recordID{b.Key[0], string(b.Key[1:])}
		if _, there := d.twin.records.live[id]; there || len(b.Value) > 0 {
			return fmt.Sprintf("record %v is said to have left, and is there", id)
		}
	}
	next, want := int64(0), int64(0)
	for _, r := range d.twin.records.live {
		if r.head.Expires != 0 && (want == 0 || r.head.Expires < want) {
			want = r.head.Expires
		}
	}
	if ms, ok := d.ledger.NextPurge(); ok {
		next = ms
	}
	if next != want {
		return fmt.Sprintf("next purge: twin %d, ledger %d", want, next)
	}
	return ""
}

// record makes a command about a record: few keys, so that everything meets everything.
func (w *world) record() engine.Command {
	id := recordID{uint8(1 + w.IntN(3)), fmt.Sprintf("k%d", w.IntN(5))}
	condition, version := engine.Condition(w.IntN(3)), uint64(0)
	if w.chance(30) {
		condition, version = engine.IfAt, uint64(max(1, w.puts[id]))
		if w.chance(10) {
			version++
		}
	}
	switch n := w.IntN(100); {
	case n < 65:
		w.puts[id] = w.entries
		c := &engine.Put{Table: id.table, Key: id.key, If: condition, Version: version,
			State: uint8(w.IntN(3)), Value: int64(w.IntN(9)) - 4,
			Body: bytes.Repeat([]byte{'b'}, w.IntN(4))}
		if w.chance(50) {
			c.Expires, c.Archive = max(1, w.now+int64(w.IntN(9000))-1000), w.chance(50)
		}
		if w.chance(20) {
			c.Add, c.Body = true, nil
			if w.chance(10) {
				c.Value = 1<<63 - 1
			}
		}
		return c
	case n < 82:
		return &engine.Drop{Table: id.table, Key: id.key, If: condition, Version: version}
	case n < 97:
		return &engine.Expect{Table: id.table, Key: id.key, If: condition, Version: version,
			HasState: w.chance(40), State: uint8(w.IntN(3))}
	}
	return &engine.Put{Table: id.table, Key: id.key, Add: true, Body: []byte{'x'}}
}

// wrongGuess reports whether a refusal says that a record was not as its caller thought.
func wrongGuess(r engine.Refusal) bool {
	return r == engine.RecordExists || r == engine.RecordChanged || r == engine.RecordUnknown
}
