package netsuitetest

// Assumptions holds one switch for each thing that NetSuite does not document, or that depends on a
// preference of the account. Each says where its default comes from: "Oracle help" is
// docs.oracle.com/en/cloud/saas/netsuite, "REST API Browser" the one of 2026.1, "seen in public
// integrations" is what code that runs against real accounts relies on, and "guess" is nobody's word: a
// sandbox can tell; then the switch goes and the answer stays.
type Assumptions struct {
	// TransactionsShareExternalIDs: one external id names one transaction of any type. Off: one of
	// each type. Guess, the stricter of the two.
	TransactionsShareExternalIDs bool `json:"transactions_share_external_ids"`

	// ItemSublistKeyed: a line of a PATCH or PUT with the number (line) of one that is there updates
	// it. Off: it is appended, as on every sublist without a key. Oracle help describes both kinds
	// of sublists and does not say of which kind item is: guess.
	ItemSublistKeyed bool `json:"item_sublist_keyed"`

	// TransformTakesExternalID: eid: may stand in the address of a transform. The REST API Browser
	// gives the id of a transform as a number; off.
	TransformTakesExternalID bool `json:"transform_takes_external_id"`

	// UnlistedLinesFulfilled: lines that a transform into a fulfilment or receipt does not mention are
	// taken whole. Guess; a client lists every open line and is safe both ways.
	UnlistedLinesFulfilled bool `json:"unlisted_lines_fulfilled"`

	// LimitToCommitted: no more can be fulfilled than is committed. Oracle help: preference Fulfill
	// Based on Commitment, of which Limit to Committed is the default.
	LimitToCommitted bool `json:"limit_to_committed"`

	// InvoiceInAdvance: an order can be billed before it is fulfilled. Oracle help: preference
	// Invoice in Advance of Fulfillment, off by default.
	InvoiceInAdvance bool `json:"invoice_in_advance"`

	// RefundInAdvance: a return can be refunded before it is received. Oracle help: preference
	// Refund in Advance of Return, off by default.
	RefundInAdvance bool `json:"refund_in_advance"`

	// StandaloneRefundRestocks: a cash refund or credit memo that no return authorisation precedes
	// puts its goods on the shelf. Oracle help, on stopping cash refunds from restocking.
	StandaloneRefundRestocks bool `json:"standalone_refund_restocks"`

	// DefaultOrderStatus is that of an order or return that does not say. Oracle help: preference
	// Default Sales Order Status, of which Pending Approval (A) is the default.
	DefaultOrderStatus string `json:"default_order_status"`

	// DefaultShipStatus is that of a fulfilment that does not say: A picked, B packed, C shipped.
	// Oracle help: without the feature Pick, Pack and Ship every fulfilment is shipped.
	DefaultShipStatus string `json:"default_ship_status"`

	// AvailableChangeOnly: lastquantityavailablechange moves only when what is available moves, so
	// not when committed stock ships. From the name of the column: guess, the stricter of the two.
	// Off: it moves with every number.
	AvailableChangeOnly bool `json:"available_change_only"`

	// AvailableChangeIsDate: that column has no time of day. Public integrations disagree; off.
	AvailableChangeIsDate bool `json:"available_change_is_date"`

	// TimeZone is that of the session: what TO_CHAR, TO_DATE and TO_TIMESTAMP use when the mask has
	// no zone. Oracle help: the preference of user and company, Pacific time when nobody set it.
	TimeZone string `json:"time_zone"`

	// DateFormat is the user's: how a bare date comes out and a bare literal is read. Seen in public
	// integrations, in the text of the error.
	DateFormat string `json:"date_format"`

	// UnorderedIsRandom: rows that ORDER BY does not tell apart come in another order at every call.
	// Oracle help asks for a unique order for the sake of paging.
	UnorderedIsRandom bool `json:"unordered_is_random"`

	// OmitNulls: a column without a value is left out of its row. Seen in public integrations.
	OmitNulls bool `json:"omit_nulls"`

	// FulfilmentHasCostLines: every line of a fulfilment has a second one for the cost of goods
	// (iscogs = 'T') in transactionline. Seen in public queries, which filter them out.
	FulfilmentHasCostLines bool `json:"fulfilment_has_cost_lines"`

	// OffsetMultiple: the offset of a page must be a multiple of its limit. Guess.
	OffsetMultiple bool `json:"offset_multiple"`

	// RetryAfter: a 429 says when to come again. Clients read the header, Oracle does not promise it.
	RetryAfter bool `json:"retry_after"`

	// UpsertCreates is the status of a PUT that created: 204 in the REST API Browser, 201 in a client.
	UpsertCreates int `json:"upsert_creates"`

	// DuplicateKeyStatus is the status of an idempotency key that is used twice: 400 in Oracle help,
	// 409 in a client.
	DuplicateKeyStatus int `json:"duplicate_key_status"`
}

// Documented returns the assumptions as documents, public code and caution make them.
func Documented() Assumptions {
	return Assumptions{TransactionsShareExternalIDs: true, ItemSublistKeyed: true,
		UnlistedLinesFulfilled: true, LimitToCommitted: true, StandaloneRefundRestocks: true,
		DefaultOrderStatus: "A", DefaultShipStatus: "C", AvailableChangeOnly: true,
		TimeZone: "America/Los_Angeles", DateFormat: "M/d/yyyy", UnorderedIsRandom: true,
		OmitNulls: true, FulfilmentHasCostLines: true, OffsetMultiple: true, UpsertCreates: 204,
		DuplicateKeyStatus: 400}
}
