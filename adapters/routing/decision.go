package routing

import "time"

// Decision is where an order is to be served from, and why.
type Decision struct {
	Rule      string   `json:"rule"`                // id; "" is the channel's own order
	Why       string   `json:"why"`                 // for people
	Locations []string `json:"locations,omitempty"` // in order; empty: the channel's
	Split     *bool    `json:"split,omitempty"`     // nil: the channel's
	MCF       bool     `json:"mcf,omitempty"`
	Hold      string   `json:"hold,omitempty"` // why a person must look first
	// Fallback is what follows, in order, where Amazon refuses to fulfil (MCF): the later rules
	// that match too, and last a hold with [OutOfStock]. Empty without MCF.
	Fallback []Decision `json:"fallback,omitempty"`
	// Version is that of the list that decided; 0 while none was ever saved.
	Version uint64 `json:"version,omitempty"`
}

// What a multi-channel fulfilment is asked with: a preview comes first, and the order is placed as
// FillOrKill. One that is refused, unfulfillable or not accepted within MCFAcceptWithin is
// released, and the next Decision of Fallback is taken.
const (
	MCFAction       = "FillOrKill"
	MCFAcceptWithin = 15 * time.Minute
)

// OutOfStock is the hold that is left when no rule can serve the order. It is the word of Shopify's
// hold of a fulfilment order (FulfillmentHoldReason, Admin API 2026-10).
const OutOfStock = "INVENTORY_OUT_OF_STOCK"

// maxFallbacks bounds what an order carries: each is one more attempt of 15 minutes, and two hours
// of them are more than any buyer waits.
const maxFallbacks = 8
