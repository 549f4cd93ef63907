package engine

// Command is one request to the ledger: one of the types of this file, by pointer. A command
// decoded from an entry shares the entry's bytes; its strings are valid until the entry is reused.
type Command interface {
	// kind is the byte that names the command in the log. Numbers are never reused.
	kind() kind
	// wire says once what the body is made of; the coder writes, reads, numbers or hashes it.
	wire(x *coder)
}

// Op is a command and the key under which its answer is remembered.
type Op struct {
	Key     Key
	Command Command
}

// DefineSKU creates a SKU or replaces its definition. Kit lists the components of a kit; a kit has
// no stock of its own at merchant locations. Attributes (title, barcode, tags) are opaque.
//
// Refused: unknown-sku (a component), kit-nested, in-use (a SKU with stock or live allocations
// becomes a kit, or a component of a kit does), limit-reached.
type DefineSKU struct {
	SKU        Name
	Kit        []Component // at most MaxComponents, no SKU twice
	Attributes []byte      // at most MaxAttributes bytes
}

// Component is one part of a kit: Qty units of SKU in each unit of the kit.
type Component struct {
	SKU Name
	Qty int64 // 1 to MaxQty
}

// DefineLocation creates a location or replaces its definition. Master is the one system that may
// say how many units are there: "holdfast" (whoever calls, under any source), or a source's name.
//
// Refused: in-use (the kind of a location with stock changes), limit-reached.
type DefineLocation struct {
	Location   Name
	Kind       LocationKind
	Master     string
	Shortfall  ShortfallPolicy
	Attributes []byte
}

// DefineChannel creates a channel or replaces its definition. Locations are tried in their order.
//
// Refused: unknown-location, limit-reached.
type DefineChannel struct {
	Channel    Name
	Kind       ChannelKind
	Publish    PublishMode
	Split      bool   // one line may be served from several locations
	Priority   int64  // a lower one loses first under ShortfallPriority
	Locations  []Name // at most MaxChannelLocations, none twice
	Rules      Rules  // the channel's own rules
	Attributes []byte
}

// Rules shape what a channel may sell. Buffer and BufferPercent bound strict reserves; Max, Min and
// Threshold shape only what is published.
type Rules struct {
	Buffer        int64 // units kept back, 0 to MaxQty
	BufferPercent int64 // hundredths of a percent kept back, 0 to 10,000; the larger of the two counts
	Max           int64 // published at most; 0 is no limit
	Min           int64 // published at least, if at least that is sellable; 0 is none
	Threshold     int64 // published as 0 at or below this
}

// Delete removes a definition. The name's number is never given again.
//
// Refused: unknown-sku, unknown-location, unknown-channel, in-use.
type Delete struct {
	Kind NameKind
	Name Name
}

// Set says how many units are on hand. It takes effect as Value plus what moved since AsOf: Basis
// is the running sum of movements at that moment, looked up by the proposer.
//
// Refused: unknown-sku, unknown-location, kit-without-stock, not-master, as-of-too-old,
// quantity-overflow. A count older than the last one of its source has status stale and no effect.
type Set struct {
	SKU, Location Name
	Value         int64 // 0 to MaxQty
	Source        string
	AsOf          int64 // ms since 1970; 0 is now, nothing to replay
	Basis         int64 // movements up to AsOf; counts only if AsOf is not 0
	BasisGone     bool  // the history no longer reaches back to AsOf
	// BasisRead: whoever proposes it has read Basis in the ledger itself, when Value was true. Then it
	// stands: by the clock alone, what moved in the same millisecond as the read is before it. It is said to
	// the store only, and is no part of the command.
	BasisRead bool
}

// Adjust changes what is on hand by Delta.
//
// Refused: unknown-sku, unknown-location, kit-without-stock, not-master, quantity-overflow.
type Adjust struct {
	SKU, Location Name
	Delta         int64 // -MaxQty to MaxQty, not 0
	Source        string
	Reason        string
}

// Move takes Qty units from one location to another.
//
// Refused: unknown-sku, unknown-location, kit-without-stock, not-master, quantity-overflow,
// insufficient-stock (more than is available).
type Move struct {
	SKU, From, To Name
	Qty           int64 // 1 to MaxQty
	Source        string
	Reason        string
}

// Reserve allocates stock to a new reservation, in one of three modes.
//
// Refused: id-conflict, unknown-channel, unknown-location, unknown-sku, not-listed (a line's
// location is not one of the channel's), insufficient-stock. A reservation that is known with the
// same content is answered as it is now, with Result.Existed.
type Reserve struct {
	ID      string // 1 to 128 bytes of printable ASCII without space
	Channel Name
	Mode    Mode
	Partial bool  // take what fits, line by line
	Commit  bool  // promise the units at once; no deadline
	TTL     int64 // ms; 0 with Commit false is a hold without deadline
	Lines   []Line
}

// Line asks for Qty units of a SKU. Location pins it to one of the channel's locations; empty lets
// the ledger choose. Ref is the caller's own name of the line.
type Line struct {
	SKU      Name
	Location Name
	Qty      int64 // 1 to MaxQty
	Ref      string
}

// Add appends lines to a reservation that is not wholly released or expired. New holds move the
// reservation's deadline to at least now + TTL, never to an earlier one; TTL 0 keeps it.
//
// Refused: as Reserve, and unknown-reservation, expired, wrong-state, limit-reached.
type Add struct {
	ID      string
	Mode    Mode
	Partial bool
	Commit  bool
	TTL     int64
	Lines   []Line
}

// Extend moves the deadline of what is held to now + TTL.
//
// Refused: unknown-reservation, expired, wrong-state.
type Extend struct {
	ID  string
	TTL int64
}

// Pick names units of one line of a reservation. A pick with Qty 0 means every unit of the line
// that the verb can act on; a list without picks every unit of every line.
type Pick struct {
	Line     int64 // from 1
	Qty      int64 // 1 to MaxQty, or 0 for all
	Location Name  // where the units are allocated; for Return, where they come back to
}

// Commit promises held units: they no longer expire. Short units of a reservation that is committed
// whole are promised too.
//
// Refused: unknown-reservation, expired, wrong-state.
type Commit struct {
	ID    string
	Picks []Pick
}

// Release gives units back: short ones first, then held, then committed. HandOver, in an atomic group:
// what becomes available is for the op that follows, which takes what it needs before short units are
// offered the rest. Elsewhere it says nothing.
//
// Refused: as Commit.
type Release struct {
	ID       string
	Picks    []Pick
	Reason   string
	HandOver bool
}

// Ship takes units out of the location that they are allocated to: committed ones first, then held.
//
// Refused: as Commit.
type Ship struct {
	ID       string
	Picks    []Pick
	Package  string
	Tracking string
}

// Return takes shipped units back. Only sellable ones raise on hand, at Pick.Location, else at
// Location, else where they were shipped from.
//
// Refused: as Commit, and unknown-location, kit-without-stock.
type Return struct {
	ID          string
	Picks       []Pick
	Location    Name
	Disposition Disposition
}

// Transfer moves live units of one line from one of the channel's locations to another.
//
// Refused: unknown-reservation, unknown-location, not-listed, expired, wrong-state,
// insufficient-stock.
type Transfer struct {
	ID       string
	Line     int64
	From, To Name
	Qty      int64
}

// Mirror replaces one foreign allocation whole: units that a system outside says it has promised.
// Each line names its location. It asks nothing of what is available. No lines ends it.
//
// Refused: id-conflict (the id is an ordinary reservation's), unknown-channel, unknown-location,
// unknown-sku, kit-without-stock. One that is older than the last has status stale and no effect.
type Mirror struct {
	ID      string
	Channel Name
	AsOf    int64 // ms since 1970; orders the reports
	Lines   []Line
}

// Tick does nothing by itself: the entry that carries it expires what is due and goes on with what
// an earlier entry left over.
type Tick struct{}

// Configure replaces the replicated limits. Fields that are 0 stay as they are.
type Configure struct {
	Limits Limits
}

// Enrol notes under which incarnation a node takes part: a node that comes back without its disk must
// take a higher one. A zero Folder keeps the incarnation for a folder that is still to be made.
//
// Refused: incarnation-used (a higher one is known, or this one with another folder), limit-reached.
type Enrol struct {
	Node        string // 1 to 64 letters, digits, '-' and '_'
	Incarnation int64  // from 1
	Folder      [16]byte
}

// Limits are bounds that can change an outcome, so they are state and not one node's flag.
type Limits struct {
	ClusterID     [16]byte // given once; a later one is ignored
	ResultsMax    int64    // remembered answers, default 5,000,000
	ResultsAge    int64    // ms that an answer is remembered, default 24 h
	EventsMax     int64    // bytes of events kept, default 1 GiB
	ShortfallStep int64    // units of work of one entry's shortfalls, default 5,000
	ApplyVersion  int64    // what apply does, from 1, see [ApplyVersion]; it only rises
	ClosedAfter   int64    // ms after its last change that a closed reservation leaves memory, default 24 h
	IDMemory      int64    // ms after that change that its id is forgotten, default 90 days
	RecordsMax    int64    // records in memory, default 20,000,000
}

// Retire takes closed reservations out of memory, the oldest first: those of which no unit waits for
// anything, once Limits.ClosedAfter has passed since they were last changed. Each becomes a body. It
// also forgets ids whose Limits.IDMemory has passed. It does as much as one entry may, at most Count
// of each.
type Retire struct{ Count int64 } // 1 to MaxRetire

// Revive brings a reservation back into memory: Record is its body of that version. It has no effect
// on one that is in memory, is unknown, or has left again since.
//
// Refused: reservation-closed (Record is not what left).
type Revive struct {
	ID      string
	Version uint64
	Record  []byte
}

// Group is several commands in one entry, each seeing the effects of those before it. Atomic: the
// first refusal undoes all. Otherwise each stands on its own. Groups do not nest, and hold only
// stock changes, verbs of reservations, and Put, Drop and Expect. One that is not atomic runs to its end whatever work that
// is (docs/LEDGER.md, "Work"): it is for changes of stock.
//
// The group's key remembers its own content and verdict; op i answers under Key.At(i+1), but for what
// an atomic group does to records: that has no answer to show.
type Group struct {
	Atomic bool
	Ops    []Command // 1 to MaxGroup
}
