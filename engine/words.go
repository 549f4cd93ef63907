package engine

// The enums of the ledger. Their numbers are in the log and in checkpoints and never change; their
// texts are what HTTP and the command line say.

// LocationKind says who holds the stock of a location. Merchant and FBA stock never mix.
type LocationKind uint8

// The kinds of location.
const (
	Merchant LocationKind = iota + 1 // own warehouse, store, 3PL
	FBA                              // held by Amazon: a mirror of one pool of marketplaces
)

// ChannelKind says what sells.
type ChannelKind uint8

// The kinds of channel.
const (
	ChannelAPI ChannelKind = iota + 1
	ChannelShopify
	ChannelAmazon
	ChannelERP
)

// PublishMode says how a channel's slots are filled.
type PublishMode uint8

// The publish modes.
const (
	Pooled    PublishMode = iota + 1 // every channel is offered all that is sellable
	Dedicated                        // what a channel could still sell is a standing hold
)

// ShortfallPolicy says whose units become short when a count falls below what is promised and the
// channel's other locations cannot help.
type ShortfallPolicy uint8

// The shortfall policies.
const (
	ShortfallNone     ShortfallPolicy = iota + 1 // nobody's: available stays negative
	ShortfallNewest                              // the newest hold first
	ShortfallPriority                            // the lowest channel priority first, then the newest
)

// Mode says how far a reserve may go.
type Mode uint8

// The modes of a reserve.
const (
	Strict Mode = iota + 1 // respects buffers
	Dip                    // may use the buffer: the sale has already happened elsewhere
	Accept                 // records the sale even when short
)

// Disposition says in what state returned units came back.
type Disposition uint8

// The dispositions.
const (
	Sellable Disposition = iota + 1 // raises on hand
	Damaged
	Lost
)

// State is the state of a reservation: the first of these that any of its units is in.
type State uint8

// The states, in order of precedence.
const (
	Held State = iota + 1
	Committed
	Short
	Shipped
	Expired
	Released
)

// StockStatus says what became of a stock change that was not refused.
type StockStatus uint8

// The statuses of a stock change.
const (
	Applied   StockStatus = iota + 1
	Unchanged             // what was said was so already
	Stale                 // older than what the same source said last; no effect
)

var (
	locationKinds     = texts[LocationKind]{"", "merchant", "fba"}
	channelKinds      = texts[ChannelKind]{"", "api", "shopify", "amazon", "erp"}
	publishModes      = texts[PublishMode]{"", "pooled", "dedicated"}
	shortfallPolicies = texts[ShortfallPolicy]{"", "none", "newest", "priority"}
	modes             = texts[Mode]{"", "strict", "dip", "accept"}
	dispositions      = texts[Disposition]{"", "sellable", "damaged", "lost"}
	states            = texts[State]{"", "held", "committed", "short", "shipped", "expired", "released"}
	stockStatuses     = texts[StockStatus]{"", "applied", "unchanged", "stale"}
)

func (k LocationKind) String() string    { return locationKinds.text(k) }
func (k ChannelKind) String() string     { return channelKinds.text(k) }
func (m PublishMode) String() string     { return publishModes.text(m) }
func (p ShortfallPolicy) String() string { return shortfallPolicies.text(p) }
func (m Mode) String() string            { return modes.text(m) }
func (d Disposition) String() string     { return dispositions.text(d) }
func (s State) String() string           { return states.text(s) }
func (s StockStatus) String() string     { return stockStatuses.text(s) }

// ParseLocationKind returns the kind that text names, or 0.
func ParseLocationKind(text string) LocationKind { return locationKinds.parse(text) }

// ParseChannelKind returns the kind that text names, or 0.
func ParseChannelKind(text string) ChannelKind { return channelKinds.parse(text) }

// ParsePublishMode returns the mode that text names, or 0.
func ParsePublishMode(text string) PublishMode { return publishModes.parse(text) }

// ParseShortfallPolicy returns the policy that text names, or 0.
func ParseShortfallPolicy(text string) ShortfallPolicy { return shortfallPolicies.parse(text) }

// ParseMode returns the mode that text names, or 0.
func ParseMode(text string) Mode { return modes.parse(text) }

// ParseDisposition returns the disposition that text names, or 0.
func ParseDisposition(text string) Disposition { return dispositions.parse(text) }

// ParseState returns the state that text names, or 0.
func ParseState(text string) State { return states.parse(text) }

// texts holds the text of each value of an enum; value 0 has none.
type texts[E ~uint8] []string

func (t texts[E]) text(e E) string {
	if int(e) < len(t) {
		return t[e]
	}
	return ""
}

func (t texts[E]) parse(text string) E {
	for i := 1; i < len(t); i++ {
		if t[i] == text {
			return E(i)
		}
	}
	return 0
}

// valid reports whether e is a value of the enum, which 0 is not.
func (t texts[E]) valid(e E) bool { return e > 0 && int(e) < len(t) }
