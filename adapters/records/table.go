package records

// Table says what a record is. Numbers are in the log and on the disk: they are never given again.
type Table uint8

// The tables. Beside each: its key, and what the body is.
const (
	Orders      Table = 1  // order id → orders.Order
	Externals   Table = 2  // ExternalKey → the order's id
	Seen        Table = 3  // connection "/" topic "/" webhook id → nothing; expires
	Tasks       Table = 4  // task id → outbox.Task
	Exceptions  Table = 5  // exception id → exceptions.Exception
	Connections Table = 6  // connection id → connections.Connection
	Mappings    Table = 7  // mapping.Row.Key → mapping.Row
	Routing     Table = 8  // "rules" → routing.List
	Rules       Table = 9  // rule id → publish.Rule
	Slots       Table = 10 // slot id → publish.Slot
	Cursors     Table = 11 // connection "/" feed → what the feed's reader made of it
	Waiting     Table = 12 // mapping key "/" order id → nothing: an order that waits for a mapping
	Catalogue   Table = 13 // connection "/" item → mapping.Item: what a channel lists, for the audit
	Deliveries  Table = 14 // outbound webhooks
	// Tallies have no body: Value is the sum of what was added with Tx.Add, by anybody, in any order.
	Tallies   Table = 16 // slot id → units that the channel moved itself, since ever
	Documents Table = 15 // connection "/" kind "/" key → an outside document that we made or saw
	Answers   Table = 17 // Idempotency-Key, hashed with its scope → what its call was answered; expires
	// What is open is listed by itself: a walk over a table meets all that was ever archived in it. The
	// records have no body, and are written and dropped in the Tx that writes what they stand for.
	OpenTasks      Table = 18 // task id → nothing: it is not done or dropped, and is not done outside
	OpenExceptions Table = 19 // exception id → nothing: it is not resolved
	APIKeys        Table = 20 // key id → who may call, without the secret; "!count" → how many there are
)

// String names the table for people.
func (t Table) String() string {
	names := [...]string{
		Orders: "orders", Externals: "externals", Seen: "seen", Tasks: "tasks",
		Exceptions: "exceptions", Connections: "connections", Mappings: "mappings",
		Routing: "routing", Rules: "rules", Slots: "slots", Cursors: "cursors",
		Waiting: "waiting", Catalogue: "catalogue", Deliveries: "deliveries",
		Documents: "documents", Tallies: "tallies", Answers: "answers", OpenTasks: "open tasks",
		OpenExceptions: "open exceptions", APIKeys: "api-keys",
	}
	if int(t) < len(names) && names[t] != "" {
		return names[t]
	}
	return "unknown"
}

// Limits of a record; the store refuses what is over.
const (
	MaxKey  = 255      // bytes of UTF-8 without control characters
	MaxBody = 64 << 10 // bytes
	MaxTx   = 1 << 20  // bytes of all of one Tx, encoded
)
