package engine

// The ledger's fixed limits. A limit that may differ between clusters is in [Limits].
const (
	MaxQty              = 1_000_000_000     // units a line, a change or a component may name
	MaxBalance          = 1_000_000_000_000 // on hand, held, committed, either side of 0
	MaxLines            = 1_000             // lines of a reservation, picks of a verb
	MaxRows             = 8_000             // stock rows, kits exploded, that one reserve or add takes from
	MaxComponents       = 100               // of a kit
	MaxGroup            = 10_000            // commands of a group
	MaxChannelLocations = 1_000
	MaxLocations        = 10_000
	MaxChannels         = 10_000
	MaxSKUs             = 1 << 26
	MaxNodes            = 10_000  // names of nodes that were ever enrolled
	MaxIncarnation      = 1 << 40 // of a node
	MaxNodeBytes        = 64
	MaxSKUBytes         = 255
	MaxIDBytes          = 128
	MaxRefBytes         = 128
	MaxNoteBytes        = 255 // source, master, reason, package, tracking
	MaxAttributes       = 4 << 10
	MaxKeyBytes         = 255                        // of a record
	MaxRecordBody       = 64 << 10                   // bytes
	MaxTTL              = 30 * 24 * 60 * 60 * 1000   // ms
	MinTTL              = 1000                       // ms
	MaxCommandBytes     = 1 << 20                    // one encoded command
	MaxMemory           = 3660 * 24 * 60 * 60 * 1000 // ms, of what has ended
)

// DefaultLimits are the limits of a new ledger.
func DefaultLimits() Limits {
	return Limits{
		ResultsMax:    5_000_000,
		ResultsAge:    24 * 60 * 60 * 1000,
		EventsMax:     1 << 30,
		ShortfallStep: 5_000,
		ApplyVersion:  firstApplyVersion,
		ClosedAfter:   24 * 60 * 60 * 1000,
		IDMemory:      90 * 24 * 60 * 60 * 1000,
		RecordsMax:    20_000_000,
	}
}
