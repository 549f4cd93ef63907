package shopifytest

import "math"

// Assumptions holds one switch for each thing that Shopify does not document and that nobody has
// recorded. A development store can tell; then the switch goes and the answer stays.
type Assumptions struct {
	// FulfilBypassedDeducts: fulfilling an order that claimed no stock (orderCreate with BYPASS)
	// lowers available, and with it on_hand, at the fulfilment's location. Off: nothing moves.
	FulfilBypassedDeducts bool `json:"fulfil_bypassed_deducts"`

	// CancelRestocksBypassed: orderCancel with restock of such an order raises available by units
	// that were never taken. Off: nothing moves.
	CancelRestocksBypassed bool `json:"cancel_restocks_bypassed"`

	// StaleRowRejectsCall: one stale row of a compare-and-set call rejects all its rows. Off: the
	// other rows are applied.
	StaleRowRejectsCall bool `json:"stale_row_rejects_call"`

	// RefusalKeepsKey: an idempotency key whose first call ended in user errors answers them again.
	// Off: it answers IDEMPOTENCY_PREVIOUS_ATTEMPT_FAILED.
	RefusalKeepsKey bool `json:"refusal_keeps_key"`

	// DuplicateIDMetafieldRefused: orderCreate is refused whole when the value of a unique
	// metafield is taken. Off: the order is created without that metafield.
	DuplicateIDMetafieldRefused bool `json:"duplicate_id_metafield_refused"`

	// CancelSendsRefund: a cancellation of a paid order sends refunds/create as well.
	CancelSendsRefund bool `json:"cancel_sends_refund"`

	// RefundTakesUnfulfilledFirst: a refund with NO_RESTOCK of a line that is fulfilled in part
	// takes units that are not fulfilled first.
	RefundTakesUnfulfilledFirst bool `json:"refund_takes_unfulfilled_first"`

	// ReturnRefundSaysRestocked: the refund of a processed return has restock type RETURN for units
	// that its dispositions restocked. Off: NO_RESTOCK, the disposition alone moved stock.
	ReturnRefundSaysRestocked bool `json:"return_refund_says_restocked"`
}

// Documented returns the assumptions as the design makes them.
func Documented() Assumptions {
	return Assumptions{FulfilBypassedDeducts: true, CancelRestocksBypassed: true,
		StaleRowRejectsCall: true, RefusalKeepsKey: true, DuplicateIDMetafieldRefused: true,
		CancelSendsRefund: true, RefundTakesUnfulfilledFirst: true}
}

// sizeFactor is what the cost of one node is multiplied by for a connection of n nodes. The formula
// is not documented; floor(2 ln n) agrees with all recorded costs (n = 1, 5, 10 and 250).
func sizeFactor(n int) int {
	if n <= 1 {
		return n
	}
	return max(1, int(2*math.Log(float64(n))))
}
