package httpapi

import "holdfast/engine"

// outcome is one row of the table from what happened to what the client is told. The code is the
// stable name; the promise is what holds for the world after such an answer.
type outcome struct {
	code    string
	status  int
	title   string
	promise string
}

// The promises that several codes share.
const (
	nothing    = "Nothing of the request took effect."
	remembered = "Nothing of the request took effect. Under an Idempotency-Key this answer is kept."
	onlyRead   = "The call only reads, and nothing of it is kept."
	sendAgain  = "Nothing of the request took effect; it is safe to send it again after Retry-After."
)

// The codes that are not refusals of the ledger.
const (
	codeNotFound      = "not-found"
	codeNoConnection  = "unknown-connection"
	codeMethod        = "method-not-allowed"
	codeKeyRequired   = "idempotency-key-required"
	codeTooLarge      = "too-large"
	codeHeaders       = "headers-too-large"
	codeSlow          = "request-timeout"
	codeUnauth        = "unauthenticated"
	codeForbidden     = "forbidden"
	codeRate          = "rate-limited"
	codeOverloaded    = "overloaded"
	codeNoLeader      = "no-leader"
	codeClosing       = "closing"
	codeDiskFull      = "disk-full"
	codeEventsGone    = "events-gone"
	codeTooFar        = "too-far"
	codeUnknownResult = "outcome-unknown"
	codeInternal      = "internal"
	codeInvalid       = "invalid"

	codeMappingConflict = "mapping-conflict"
)

// outcomeRows is the one place that maps kinds of answer to HTTP. A test walks every refusal of the
// engine and every error code of the seams through it.
var outcomeRows = []outcome{
	{codeInvalid, 400, "The request is not valid", nothing},
	{codeKeyRequired, 400, "This call needs an Idempotency-Key",
		nothing + " Without a key a repeat could not be told from a second change."},
	{codeUnauth, 401, "Not authenticated", nothing},
	{codeForbidden, 403, "Not allowed", nothing},
	{codeNotFound, 404, "There is no such call", nothing},
	{engine.UnknownChannel.String(), 404, "The channel is not known", remembered},
	{engine.UnknownReservation.String(), 404, "The reservation is not known", remembered},
	{engine.UnknownLocation.String(), 404, "The location is not known", remembered},
	{engine.UnknownSKU.String(), 404, "The SKU is not known", remembered},
	{codeNoConnection, 404, "There is no such connection", remembered},
	{"unknown-flow", 404, "No connection knows the flow", remembered},
	{"unknown-trace", 404, "Nothing is known by that id", onlyRead},
	{"unknown-order", 404, "The order is not known", remembered},
	{"unknown-key", 404, "There is no such API key", nothing},
	{"unknown-task", 404, "The task is not known", remembered},
	{"unknown-exception", 404, "The exception is not known", remembered},
	{"unknown-webhook", 404, "The webhook is not known", remembered},
	{"unknown-delivery", 404, "The webhook has had no such message", remembered},
	{"unknown-slot", 404, "The slot is not known", remembered},
	{"unknown-member", 404, "No member has that name", nothing},
	{codeMethod, 405, "The call does not know this method", nothing},
	{codeSlow, 408, "The request did not arrive in time", nothing},
	{engine.NotListed.String(), 409, "The location is not one of the channel's", remembered},
	{engine.KitNested.String(), 422, "A kit cannot contain a kit", remembered},
	{engine.KitWithoutStock.String(), 409, "A kit has no stock of its own there", remembered},
	{engine.LimitReached.String(), 409, "A limit of the ledger is reached", remembered},
	{engine.QuantityOverflow.String(), 409, "The balance would be too large", remembered},
	{engine.NotMaster.String(), 409, "Another system says how many units are there", remembered},
	{engine.IncarnationUsed.String(), 409, "The node takes part under another incarnation", remembered},
	{engine.RecordExists.String(), 409, "The record is there already", remembered},
	{engine.RecordChanged.String(), 409, "The record was changed in between", remembered},
	{engine.RecordUnknown.String(), 404, "The record is not known", remembered},
	{engine.InUse.String(), 409, "It is still in use", remembered},
	{engine.AsOfTooOld.String(), 422, "The movements since as_of are no longer kept", remembered},
	{engine.ReservationExpired.String(), 410, "The units have expired", remembered},
	{engine.WrongState.String(), 409, "The verb cannot act on that many units", remembered},
	{engine.InsufficientStock.String(), 409, "There is not enough stock", remembered +
		" Nothing is held for it."},
	{"last-admin-key", 409, "There must be a live key of an admin", nothing},
	{"member-exists", 409, "The member, or its address, is there already", nothing},
	{"last-voter", 409, "A cluster keeps at least one voter", nothing},
	{"majority-at-risk", 409, "The members that are left would be no majority", nothing},
	{"member-behind", 409, "The member cannot lead now", nothing},
	{"member-healthy", 409, "The member runs and needs no recovery", nothing},
	{"blocked", 409, "Something stands in the way of mode on", remembered},
	{"version-conflict", 412, "It was changed since it was read", remembered +
		" Read it again and make the change again, under another key."},
	{engine.NotAttempted.String(), 424, "Another operation of the same request failed", nothing},
	{codeEventsGone, 410, "The events are no longer kept",
		"The events in between cannot be had any more; read the state and go on from its index."},
	{codeTooLarge, 413, "The request is larger than a limit allows", nothing},
	{engine.IdempotencyConflict.String(), 422, "The key was used for another command", nothing +
		" What the key did first stands."},
	{engine.IDConflict.String(), 422, "The reservation id is taken by other content", remembered +
		" The reservation of that id is as it was."},
	{codeTooFar, 422, "That index cannot be answered",
		"Nothing changed. The index is too far back, no longer kept, or not there yet."},
	{codeRate, 429, "Too many requests", sendAgain},
	{codeHeaders, 431, "The headers are too large", nothing},
	{codeInternal, 500, "A fault of the server",
		"The request may or may not have taken effect. Send it again with the same key."},
	{codeOverloaded, 503, "The server is busy", sendAgain},
	{engine.ReservationClosed.String(), 503, "The reservation is being fetched", sendAgain},
	{codeNoLeader, 503, "The cluster has no leader now", sendAgain},
	{codeClosing, 503, "The server is stopping", sendAgain},
	{codeUnknownResult, 504, "It is not known whether the write happened",
		"The write may or may not have happened. Send it again with the same key or id."},
	{codeMappingConflict, 409, "A row contradicts another one", remembered},
	{"unknown-mapping", 404, "There is no such row", remembered},
	{codeDiskFull, 507, "The disks are too full for new reservations", nothing +
		" Commit, release and ship still work."},
}

var outcomesByCode = func() map[string]*outcome {
	rows := make(map[string]*outcome, len(outcomeRows))
	for i := range outcomeRows {
		rows[outcomeRows[i].code] = &outcomeRows[i]
	}
	return rows
}()

// refusalOutcomes finds the row of a refusal without a map.
var refusalOutcomes = func() [256]*outcome {
	var rows [256]*outcome
	for _, r := range engine.Refusals() {
		rows[r] = outcomesByCode[r.String()]
	}
	return rows
}()

// outcomeOf returns the row of a code; a code that is not in the table is a fault of ours.
func outcomeOf(code string) *outcome {
	if o := outcomesByCode[code]; o != nil {
		return o
	}
	return outcomesByCode[codeInternal]
}
