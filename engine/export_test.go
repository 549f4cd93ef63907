package engine

// Load returns the rows that the last entry looked at. It decides what is refused as Overloaded, so
// it must be the same on every node; the tests of package engine_test compare it.
func (l *Ledger) Load() int64 { return l.work.load }
