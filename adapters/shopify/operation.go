package shopify

// operation is one document that this package sends. All of them stand in operations.go; a test
// holds them against the official schema.
type operation struct {
	name    string
	kind    opKind
	urgency Urgency
	cost    int64 // points to begin with; every answer tells the true price
	text    string
}

// opKind says whether an operation may be sent again when nobody knows what became of it.
type opKind uint8

const (
	reads    opKind = iota
	keyed           // a mutation with @idempotent: the same key has one effect
	sentOnce        // a mutation without: look before it is sent again
)

func (o *operation) writes() bool { return o.kind != reads }

// repeats marks a mutation whose second effect equals its first, such as closing an order: it may
// be sent again as if it had a key.
func (o *operation) repeats() *operation {
	o.kind = keyed
	return o
}

// all is every operation, for the tests.
var all []*operation

func define(name string, kind opKind, u Urgency, cost int64, text string) *operation {
	o := &operation{name: name, kind: kind, urgency: u, cost: cost, text: text}
	all = append(all, o)
	return o
}

func query(name string, u Urgency, cost int64, text string) *operation {
	return define(name, reads, u, cost, text)
}

func mutation(name string, kind opKind, text string) *operation {
	return define(name, kind, Ordinary, 15, text)
}
