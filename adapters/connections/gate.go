package connections

// ClosedError says why nothing may be changed at an outside system now.
type ClosedError struct {
	ID     string
	Reason string
}

// Error names the connection and the reason.
func (e *ClosedError) Error() string { return "connection " + e.ID + " is closed: " + e.Reason }

// Code returns the wire name.
func (e *ClosedError) Code() string { return "connection-closed" }

// Retryable reports true: the task waits, it has not failed.
func (e *ClosedError) Retryable() bool { return true }

// Open returns nil when calls that change something at the outside system may be made: the mode is
// on and the start ended with nothing in the way. It fails with *ClosedError or *UnknownError.
// Reads are no matter of the gate.
//
// It answers from memory, so that it can be asked before every call; a pause takes effect on the
// leader with the entry that says so, and a call that is under way then is still made.
func (r *Registry) Open(id string) error {
	e, ok := r.Entry(id)
	if !ok {
		return &UnknownError{id}
	}
	if reason := e.closed(); reason != "" {
		return &ClosedError{id, reason}
	}
	return nil
}

// Queues reports whether what happens is to be told to the outside system at all, now or when it is
// open. A connection that observes queues nothing: what it would have sent is shown and forgotten.
func (r *Registry) Queues(id string) bool {
	e, ok := r.Entry(id)
	return ok && e.Mode != Observe
}

// closed is why the gate is closed; empty when it is open.
func (e *Entry) closed() string {
	switch {
	case e.Mode == Observe:
		return "it only observes"
	case e.Mode != On:
		return "it is " + e.Mode
	case e.Progress == nil || e.Progress.Identity != e.identity():
		return "its start has not begun"
	case e.Progress.Step != StepDone:
		return "its start is at " + string(e.Progress.Step)
	case len(e.Progress.Found) > 0:
		return "its start has found " + e.Progress.Found[0].String()
	}
	return ""
}

// Standing is the mode that is in effect, and why it is not the one of the document.
func (e *Entry) Standing() (mode, why string) {
	why = e.closed()
	if e.Mode == On && why != "" {
		return Observe, why
	}
	return e.Mode, ""
}

// Blocked is "" when tasks of a connection may run, or why not: "unknown", "observe", "paused", or
// that its start is not done or has found something. The connection "" is ourselves, and never
// blocked.
func (r *Registry) Blocked(connection string) (why string) {
	if connection == "" {
		return ""
	}
	e, ok := r.Entry(connection)
	switch {
	case !ok:
		return "unknown"
	case e.Mode != On:
		return e.Mode
	}
	return e.closed()
}
