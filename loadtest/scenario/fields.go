package scenario

// Field is something that a scenario can say.
type Field struct {
	Section, Name, What string
}

// Fields is the whole schema: the parser takes these and no others.
var Fields = []Field{
	{"", "name", "letters, digits and hyphens; by default the file's name"},
	{"", "description", "one line for the report"},
	{"", "seed", "of everything that is drawn; 1 by default"},
	{"", "connections", "kept open, over all targets; 64 by default"},
	{"", "waiting", "calls that may be due and wait for a connection; one more is not sent, " +
		"and the run fails; 10000 by default"},
	{"", "timeout", "of one call; 10s by default; then its outcome is unknown"},
	{"", "follow_leader", "true sends writes to the leader, and asks the cluster who that is"},
	{"", "phases", "one after another"},
	{"", "mix", "weights of reserve, commit, release, ship, return, read, batch"},
	{"", "channels", "weights of the channels, by a name of your own"},
	{"", "skus", "what is sold"},
	{"", "order", "the shape of an order"},
	{"", "shares", "parts of all reserves, 0 to 1"},
	{"", "retry", "what is sent again; without it nothing is"},
	{"", "hold", "how long reservations are held"},
	{"", "faults", "what is done to the nodes or to a vendor, and when"},
	{"", "thresholds", "bounds that the run must keep"},
	{"phases", "name", "for the report"},
	{"phases", "kind", "ramp (from → to), steady (rate), spike (rises from `from` to `to` and " +
		"back), soak (as steady)"},
	{"phases", "model", "open (calls come at their times; the default) or closed (users wait for " +
		"their answers)"},
	{"phases", "arrivals", "poisson (the default) or fixed; of the open model"},
	{"phases", "duration", "such as 30s or 5m"},
	{"phases", "rate", "calls a second; of steady and soak"},
	{"phases", "from", "calls a second when it begins; of ramp and spike"},
	{"phases", "to", "calls a second when a ramp ends, or at the top of a spike"},
	{"phases", "users", "of the closed model"},
	{"phases", "think", "a user's pause between an answer and the next call"},
	{"skus", "count", "how many SKUs; 1000 by default"},
	{"skus", "stock", "units of each; 100000 by default"},
	{"skus", "popularity", "uniform (the default) or zipf"},
	{"skus", "exponent", "of zipf, above 1; 1.1 by default"},
	{"skus", "hot", "SKUs that take a share of all lines of their own"},
	{"skus", "drop", "one SKU that gets its stock at a moment"},
	{"skus.hot", "name", "of the SKU"},
	{"skus.hot", "share", "of all lines, 0 to 1"},
	{"skus.hot", "stock", "units of it"},
	{"skus.drop", "name", "of the SKU"},
	{"skus.drop", "at", "since the beginning of the run"},
	{"skus.drop", "share", "of all lines from then on, 0 to 1"},
	{"skus.drop", "stock", "units that it gets"},
	{"order", "lines", "weights of each number of lines, such as {1: 70, 2: 20, 3: 10}"},
	{"order", "qty", "units of a line are 1 to this; 1 by default"},
	{"order", "batch", "operations of a batch call; 50 by default"},
	{"order", "mode", "strict (the default), dip or accept"},
	{"shares", "duplicates", "reserves that are sent twice under one key"},
	{"shares", "abandoned", "reserves that nobody comes back for"},
	{"shares", "cancellations", "commits after which the order is released"},
	{"retry", "times", "how often a call that got no answer, 429 or 503 is sent again under its key"},
	{"retry", "backoff", "before each; 100ms by default"},
	{"hold", "ttl", "of a reservation; 15m by default"},
	{"hold", "abandoned", "of one that nobody comes back for; 2s by default"},
	{"hold", "grace", "within which a hold must be gone after its deadline; 5s by default"},
	{"faults", "at", "since the beginning of the run"},
	{"faults", "kind", "kill, pause, restart (a node); throttle, fail (a vendor's simulator)"},
	{"faults", "target", "leader, follower, a node's name, or the URL of a simulator"},
	{"faults", "for", "then it is undone; a killed node is started again"},
	{"thresholds", "metric", "p50_ms, p90_ms, p99_ms, p999_ms, max_ms, error_ratio, refused_ratio, " +
		"offered_ratio, accepted_per_second"},
	{"thresholds", "op", "of this operation only"},
	{"thresholds", "phase", "of this phase only"},
	{"thresholds", "max", "the highest allowed; either this or min"},
	{"thresholds", "min", "the lowest allowed"},
}

// Ops are the operations of a mix.
var Ops = []string{"reserve", "commit", "release", "ship", "return", "read", "batch"}

// Metrics are what a threshold can bound.
var Metrics = []string{"p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "error_ratio",
	"refused_ratio", "offered_ratio", "accepted_per_second"}
