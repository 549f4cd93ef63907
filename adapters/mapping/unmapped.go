package mapping

import (
	"time"

	"holdfast/adapters/exceptions"
)

// UnmappedCode is the code of the exceptions about things without a SKU.
const UnmappedCode = "unmapped-sku"

// Exception is what a person must know of a Ref that something has named and that is no SKU of ours:
// the same for every order, so that there is one. theirs is their own SKU, and may be empty. Once
// nothing waits for the Ref any more [Waiters].Mapped closes it.
func (f Ref) Exception(theirs, title string, at time.Time) exceptions.Exception {
	detail := "no SKU of ours is " + f.String()
	if theirs != "" {
		detail += " (their SKU " + theirs + ")"
	}
	if title != "" {
		detail += ", " + title
	}
	return exceptions.Exception{Trace: f.Trace(), Class: exceptions.Data, Code: UnmappedCode,
		Key: f.Key(), Flow: "F10", Connection: f.Connection, LastAt: at,
		Detail:  detail + ": its orders wait until it is mapped",
		Actions: []string{"map", "resolve"}}
}
