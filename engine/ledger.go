package engine

// Ledger is the state. One goroutine at a time may use it, for reading too, but for AppendOps.
type Ledger struct {
	bits   uint // 2^bits shards
	shards []shard

	index    uint64 // of the last entry applied
	now, due int64  // ledger time, ms since 1970
	seq      uint64 // of the newest reservation
	eventSeq uint64 // of the newest event
	limits   Limits
	knows    int64  // up to which apply version it may go
	skipped  uint64 // chain of the entries that had no effect, see SkipEntry
	epoch    uint8  // rows of this epoch need no before-image; see sweep.go

	nodes     map[string]*nodeRow // every node that was ever enrolled, by name
	names     names
	wheel     wheel
	remember  remembered
	closed    closedQueue
	retired   retired
	keyed     keyed
	shortfall []stockRef // shortfalls that an entry left over, by (SKU number, location number)
	digest    digest
	sweep     *Sweep // the running one, or nil
	undo      *undo  // of the running atomic group, or nil
	spare     *undo  // of the last one, for the next
	live      int64  // reservations with a deadline
	waiting   int64  // listed short parts

	events eventWriter // of the entry that is being applied
	bodies bodyWriter  // of the same
	work   scratch
}

// shard is one part of the tables: stock by SKU number, reservations by id, remembered answers and
// records by key. A shard has no order and no meaning of its own.
type shard struct {
	skus    slab[skuRow] // slot n+1 is SKU number n<<bits|shard
	stock   slab[stockRow]
	marks   slab[markRow]
	resv    slab[resvRow]
	parts   slab[partRow]
	keyed   slab[keyedRow]
	blobs   arena
	byName  index // SKU numbers, by hash of the name
	byID    index // reservations, by hash of the id
	results index // remembered answers, by key
	byOldID index // reservations that have left memory, by hash of the id
	byKey   index // records, by hash of table and key
}

// Options are the choices that are made once, when a ledger is created.
type Options struct {
	// ShardBits is k of the 2^k shards: 1 to 8, default 3. More shards make smaller steps of growth
	// and more blocks to load at the same time; fewer keep the places that grow in the processor's
	// cache. The digest does not depend on it.
	ShardBits uint
}

// New returns an empty ledger.
func New(o Options) *Ledger {
	if o.ShardBits == 0 {
		o.ShardBits = 3
	}
	o.ShardBits = min(o.ShardBits, 8)
	l := &Ledger{
		bits:   o.ShardBits,
		shards: make([]shard, 1<<o.ShardBits),
		limits: DefaultLimits(),
		knows:  ApplyVersion,
		epoch:  1,
	}
	l.nodes = map[string]*nodeRow{}
	l.names.init()
	l.remember.head, l.remember.tail = 1, 1
	l.closed.head, l.closed.tail = 1, 1
	l.retired.head, l.retired.tail = 1, 1
	return l
}

// Index is the index of the last entry that was applied or skipped.
func (l *Ledger) Index() uint64 { return l.index }

// Now is the ledger's time, in ms since 1970: the highest stamp so far.
func (l *Ledger) Now() int64 { return l.now }

// Due is the moment, in ms since 1970, up to which holds have ended.
func (l *Ledger) Due() int64 { return l.due }

// Limits are the replicated limits.
func (l *Ledger) Limits() Limits { return l.limits }

// LastEvent is the sequence of the newest event; 0 before the first.
func (l *Ledger) LastEvent() uint64 { return l.eventSeq }

// Unfinished reports whether an entry left work over, so that another one, if only a tick, is
// needed to go on.
func (l *Ledger) Unfinished() bool { return len(l.shortfall) > 0 }

// Counts are the sizes of the tables.
type Counts struct {
	SKUs, Locations, Channels int64
	StockRows                 int64 // SKUs at a location where they were ever stocked
	Reservations              int64 // all that are in memory, ended ones too
	LiveHolds                 int64 // those with units that are held, committed or short
	Results                   int64 // remembered answers
	Retired                   int64 // reservations that have left memory and whose ids are known
	Records                   int64 // in memory
	Archived                  int64 // records that have left memory and whose bodies stayed, since ever
}

// Counts returns the sizes of the tables, for metrics.
func (l *Ledger) Counts() Counts {
	c := Counts{
		SKUs:      int64(l.names.skuCount),
		Locations: int64(len(l.names.locations.byName)),
		Channels:  int64(len(l.names.channels.byName)),
		Results:   int64(l.remember.tail - l.remember.head),
		Retired:   l.retired.count,
		Records:   l.keyed.count,
		Archived:  l.keyed.archived,
	}
	for _, d := range l.names.channels.rows {
		c.LiveHolds += d.live
	}
	for _, d := range l.names.locations.rows {
		c.StockRows += d.rows
	}
	for i := range l.shards {
		c.Reservations += int64(l.shards[i].resv.live())
	}
	return c
}

func (l *Ledger) shardMask() uint32 { return 1<<l.bits - 1 }

// shardOf returns the shard of a hashed key. It takes the top bits: an index takes the low ones.
func (l *Ledger) shardOf(hash uint64) uint32 { return uint32(hash >> (64 - l.bits)) }

// A ref names a row across shards: its slot in the high bits, its shard in the low ones. 0 is none.
type (
	stockRef uint32
	resvRef  uint32
	partRef  uint32
)

func (l *Ledger) stockAt(r stockRef) *stockRow {
	return l.shards[uint32(r)&l.shardMask()].stock.at(uint32(r) >> l.bits)
}

func (l *Ledger) resvAt(r resvRef) *resvRow {
	return l.shards[uint32(r)&l.shardMask()].resv.at(uint32(r) >> l.bits)
}

func (l *Ledger) partAt(r partRef) *partRow {
	return l.shards[uint32(r)&l.shardMask()].parts.at(uint32(r) >> l.bits)
}

// makeRef builds a ref; every table of a shard has fewer than 2^(32-bits) rows.
func (l *Ledger) makeRef(slot, shard uint32) uint32 { return slot<<l.bits | shard }
