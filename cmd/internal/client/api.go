package client

import (
	"encoding/json"
	"time"
)

// The shapes of the HTTP interface that the commands read and write.

// Reservation is a reservation at one index.
type Reservation struct {
	ID        string     `json:"id"`
	State     string     `json:"state"`
	Channel   string     `json:"channel"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	Index     uint64     `json:"index"`
	Lines     []Line     `json:"lines"`
}

// Line is one line of a reservation.
type Line struct {
	Line        int64        `json:"line"`
	Ref         string       `json:"ref,omitempty"`
	SKU         string       `json:"sku"`
	Qty         int64        `json:"qty"`
	Wanted      int64        `json:"wanted,omitempty"`
	Held        int64        `json:"held"`
	Committed   int64        `json:"committed"`
	Short       int64        `json:"short"`
	Shipped     int64        `json:"shipped"`
	Released    int64        `json:"released"`
	Expired     int64        `json:"expired"`
	Returned    int64        `json:"returned"`
	Allocations []Allocation `json:"allocations"`
}

// Allocation is the units of one SKU that a line has at one location.
type Allocation struct {
	SKU       string `json:"sku"`
	Location  string `json:"location"`
	Held      int64  `json:"held"`
	Committed int64  `json:"committed"`
	Shipped   int64  `json:"shipped"`
}

// Reserve asks for stock.
type Reserve struct {
	Op      string    `json:"op,omitempty"` // "reserve" inside a batch
	ID      string    `json:"id"`
	Channel string    `json:"channel"`
	Lines   []AskLine `json:"lines"`
	TTL     int64     `json:"ttl_ms,omitempty"`
	Partial bool      `json:"partial,omitempty"`
	Mode    string    `json:"mode,omitempty"`
	Commit  bool      `json:"commit,omitempty"`
}

// AskLine is one line of a Reserve.
type AskLine struct {
	SKU      string `json:"sku"`
	Qty      int64  `json:"qty"`
	Location string `json:"location,omitempty"`
	Ref      string `json:"ref,omitempty"`
}

// Verb acts on a reservation; without lines on all of it.
type Verb struct {
	Op          string     `json:"op,omitempty"`
	ID          string     `json:"id,omitempty"`
	Lines       []PickLine `json:"lines,omitempty"`
	Location    string     `json:"location,omitempty"`
	Disposition string     `json:"disposition,omitempty"`
}

// PickLine is a part of a line.
type PickLine struct {
	Line     int64  `json:"line"`
	Qty      int64  `json:"qty,omitempty"`
	Location string `json:"location,omitempty"`
}

// StockChange is one change of stock: Set or Adjust at Location, or Move from From to To.
type StockChange struct {
	SKU      string `json:"sku"`
	Location string `json:"location,omitempty"`
	Set      *int64 `json:"set,omitempty"`
	Adjust   *int64 `json:"adjust,omitempty"`
	Source   string `json:"source,omitempty"`
	AsOf     string `json:"as_of,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// StockChanges is the body of POST /v1/stock.
type StockChanges struct {
	Changes []StockChange `json:"changes"`
	Atomic  bool          `json:"atomic"`
}

// StockResults is its answer, one result for each change in order.
type StockResults struct {
	Index   uint64        `json:"index"`
	Results []StockResult `json:"results"`
}

// StockResult is what became of one change.
type StockResult struct {
	Status    string `json:"status"`
	Code      string `json:"code,omitempty"`
	Replayed  int64  `json:"replayed"`
	OnHand    int64  `json:"on_hand"`
	Held      int64  `json:"held"`
	Committed int64  `json:"committed"`
	Available int64  `json:"available"`
}

// Stock is a SKU's stock at every location.
type Stock struct {
	SKU       string          `json:"sku"`
	Index     uint64          `json:"index"`
	Locations []LocationStock `json:"locations"`
}

// LocationStock is a SKU's stock at one location.
type LocationStock struct {
	Location  string `json:"location"`
	OnHand    int64  `json:"on_hand"`
	Held      int64  `json:"held"`
	Committed int64  `json:"committed"`
	Available int64  `json:"available"`
}

// Explanation says why a channel may sell as many units of a SKU as it may.
type Explanation struct {
	Sellable int64           `json:"sellable"`
	Index    uint64          `json:"index"`
	Terms    []Term          `json:"terms"`
	Holds    []ExplainedHold `json:"holds"`
}

// Term is one addend of an Explanation.
type Term struct {
	Term     string `json:"term"`
	Location string `json:"location,omitempty"`
	Rule     string `json:"rule,omitempty"`
	Value    int64  `json:"value"`
}

// ExplainedHold is a reservation that has units of the SKU.
type ExplainedHold struct {
	Reservation string `json:"reservation"`
	Channel     string `json:"channel"`
	Location    string `json:"location"`
	Held        int64  `json:"held"`
	Committed   int64  `json:"committed"`
}

// Cluster is the answer of GET /v1/cluster.
type Cluster struct {
	Node    string   `json:"node"`
	Leader  string   `json:"leader"`
	Waiting string   `json:"waiting"` // without a leader: why, for people
	Term    uint64   `json:"term"`
	Index   uint64   `json:"index"`
	Members []Member `json:"members"`
	Digest  struct {
		Index    uint64 `json:"index"`
		Value    string `json:"value"`
		Diverged bool   `json:"diverged"`
	} `json:"digest"`
	ReplayHorizon int64  `json:"replay_horizon_ms"`
	ID            string `json:"cluster_id"`
	// Recovery is there in the answer that keeps an incarnation for a lost member.
	Recovery struct {
		ID          string `json:"id"`
		Incarnation uint64 `json:"incarnation"`
		ClusterID   string `json:"cluster_id"`
	} `json:"recovery"`
}

// Member is one node of a Cluster.
type Member struct {
	ID      string `json:"id"`
	Raft    string `json:"raft"`
	HTTP    string `json:"http"`
	Voter   bool   `json:"voter"`
	Healthy bool   `json:"healthy"`
	Lag     uint64 `json:"lag"`
	// ClockOffset is how far its clock is ahead of the voters' median, in ms.
	ClockOffset int64 `json:"clock_offset_ms"`
}

// Digest is the digest of one node's state at one index.
type Digest struct {
	Index uint64 `json:"index"`
	Value string `json:"value"`
}

// CheckReport is the answer of POST /v1/check.
type CheckReport struct {
	Index      uint64 `json:"index"`
	Violations []struct {
		Invariant string `json:"invariant"`
		Detail    string `json:"detail"`
	} `json:"violations"`
}

// Event is one thing that happened.
type Event struct {
	Seq       uint64    `json:"seq"`
	Index     uint64    `json:"index"`
	At        time.Time `json:"at"`
	Type      string    `json:"type"`
	SKU       string    `json:"sku,omitempty"`
	Location  string    `json:"location,omitempty"`
	Channel   string    `json:"channel,omitempty"`
	Qty       int64     `json:"qty,omitempty"`
	Cause     string    `json:"cause,omitempty"`
	Note      string    `json:"note,omitempty"`
	OnHand    int64     `json:"on_hand"`
	Held      int64     `json:"held"`
	Committed int64     `json:"committed"`
}

// EventPage is a page of events; Next is what to ask after for the next one.
type EventPage struct {
	Events []json.RawMessage `json:"events"`
	Next   uint64            `json:"next"`
}

// Batch is the body of POST /v1/batch.
type Batch struct {
	Ops    []any `json:"ops"`
	Atomic bool  `json:"atomic"`
}

// BatchResults is its answer, one result for each op in order.
type BatchResults struct {
	Index   uint64            `json:"index"`
	Results []json.RawMessage `json:"results"`
}

// Page is a page of a list; Next is the cursor of the next one and empty at the end.
type Page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// Exception is something that a person must look at.
type Exception struct {
	ID         string          `json:"id"`
	Trace      string          `json:"trace"`
	State      string          `json:"state"`
	Class      string          `json:"class"`
	Code       string          `json:"code"`
	Key        string          `json:"key"`
	Flow       string          `json:"flow"`
	Connection string          `json:"connection,omitempty"`
	Task       string          `json:"task,omitempty"`
	Detail     string          `json:"detail"`
	Payload    json.RawMessage `json:"payload,omitempty"`
	Tries      int             `json:"tries"`
	FirstAt    time.Time       `json:"first_at"`
	LastAt     time.Time       `json:"last_at"`
	Actions    []string        `json:"actions"`
	ClosedAt   *time.Time      `json:"closed_at,omitempty"`
	ClosedBy   string          `json:"closed_by,omitempty"`
	Note       string          `json:"note,omitempty"`
}
