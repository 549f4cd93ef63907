package engine

// The commands on records: rows under a table and a key, beside the stock. Memory keeps of each what
// conditions test, and knows its key by a hash; its body goes to the disk, see BodyOfRecord. Records
// make no events.
//
// They may stand in a [Group]: an atomic one is how stock, an order and the tasks that follow from it
// change at one index or not at all.

// Condition says what must hold of a record before a command on it.
type Condition uint8

// The conditions.
const (
	IfAny     Condition = iota // nothing
	IfAbsent                   // memory knows no such record
	IfPresent                  // there is one
	IfAt                       // there is one, and its version is the command's
	conditionEnd
)

// Put writes a record. Its version becomes the index of the entry.
//
// Refused: record-exists, record-changed, record-unknown, quantity-overflow, limit-reached (a new one
// above Limits.RecordsMax).
type Put struct {
	Table   uint8  // from 1
	Key     string // 1 to MaxKeyBytes bytes of UTF-8 without control characters
	If      Condition
	Version uint64 // for IfAt
	State   uint8  // kept in memory, for Expect
	Value   int64  // kept in memory
	Add     bool   // Value is added to what the record has, 0 if there is none; it has no body
	Expires int64  // ledger time, ms since 1970, from which a Purge ends it; 0 is never
	Archive bool   // at that time it leaves memory, and its body stays
	Body    []byte // at most MaxRecordBody bytes
}

// Drop deletes a record and its body. Without a condition it also deletes the body of one that was
// archived, and one that is not there is no refusal.
//
// Refused: record-changed, record-unknown.
type Drop struct {
	Table   uint8
	Key     string
	If      Condition // not IfAbsent
	Version uint64
}

// Expect only looks whether a record is as somebody thinks: in a group, all else depends on it.
//
// Refused: record-exists, record-changed, record-unknown.
type Expect struct {
	Table    uint8
	Key      string
	If       Condition
	Version  uint64
	HasState bool // the record must be there, with State
	State    uint8
}

// Purge ends records whose Expires has come, in the order of (Expires, table, key's hash), at most
// Count. Until then they are there.
type Purge struct{ Count int64 } // 1 to MaxPurge

func (c *Put) kind() kind    { return kindPut }
func (c *Drop) kind() kind   { return kindDrop }
func (c *Expect) kind() kind { return kindExpect }
func (c *Purge) kind() kind  { return kindPurge }

func (c *Put) wire(x *coder) {
	codeByte(x, &c.Table)
	x.string(&c.Key)
	codeByte(x, &c.If)
	x.uint(&c.Version)
	codeByte(x, &c.State)
	x.int(&c.Value)
	x.bool(&c.Add)
	x.int(&c.Expires)
	x.bool(&c.Archive)
	x.bytes(&c.Body)
}

func (c *Drop) wire(x *coder) {
	codeByte(x, &c.Table)
	x.string(&c.Key)
	codeByte(x, &c.If)
	x.uint(&c.Version)
}

func (c *Expect) wire(x *coder) {
	codeByte(x, &c.Table)
	x.string(&c.Key)
	codeByte(x, &c.If)
	x.uint(&c.Version)
	x.bool(&c.HasState)
	codeByte(x, &c.State)
}

func (c *Purge) wire(x *coder) { x.int(&c.Count) }

func (c *Put) check(f *faults) {
	f.record(c.Table, c.Key, c.If, c.Version)
	if c.Expires < 0 {
		f.add(field{leaf: "expires"}, "must not be before 1970")
	}
	if len(c.Body) > MaxRecordBody {
		f.add(field{leaf: "body"}, "must be at most 64 KiB")
	}
	if c.Add && len(c.Body) > 0 {
		f.add(field{leaf: "body"}, "must be empty where a value is added")
	}
}

func (c *Drop) check(f *faults) {
	f.record(c.Table, c.Key, c.If, c.Version)
	if c.If == IfAbsent {
		f.add(field{leaf: "if"}, "must not demand that there is nothing to drop")
	}
}

func (c *Expect) check(f *faults) {
	f.record(c.Table, c.Key, c.If, c.Version)
	if c.If == IfAbsent && c.HasState {
		f.add(field{leaf: "state"}, "must not be demanded of what must not be there")
	}
}

func (f *faults) record(table uint8, key string, c Condition, version uint64) {
	if table == 0 {
		f.add(field{leaf: "table"}, "must be 1 to 255")
	}
	if len(key) == 0 || len(key) > MaxKeyBytes || !plainText(key) {
		f.add(field{leaf: "key"}, "must be 1 to 255 bytes of UTF-8 without control characters")
	}
	if c >= conditionEnd {
		f.add(field{leaf: "if"}, "must be any, absent, present or at")
	}
	if (c == IfAt) != (version != 0) {
		f.add(field{leaf: "version"}, "must be given where it is demanded, and nowhere else")
	}
}

// onRecord reports whether a command is about a record.
func onRecord(c Command) bool {
	switch c.(type) {
	case *Put, *Drop, *Expect:
		return true
	}
	return false
}
