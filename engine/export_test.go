package engine

// Load returns the rows that the last entry looked at. It decides what is refused as Overloaded, so
// it must be the same on every node; the tests of package engine_test compare it.
func (l *Ledger) Load() int64 { return l.work.load }

// PlainOps decodes the ops of an entry that was applied to l, with the texts of the names that it
// says by number, as far as results are decoded by them.
func PlainOps(l *Ledger, e Entry) []Op {
	ops, err := e.Ops()
	if err != nil {
		panic(err)
	}
	for i := range ops {
		if r, ok := ops[i].Command.(*Reserve); ok {
			r.Channel = l.plainName(ChannelName, r.Channel)
			for j := range r.Lines {
				r.Lines[j].SKU = l.plainName(SKUName, r.Lines[j].SKU)
			}
		}
	}
	return ops
}

func (l *Ledger) plainName(k NameKind, n Name) Name {
	if number, ok := n.number(); ok {
		return Name(l.NameOf(k, number))
	}
	return n
}

// RecordHash is the hash by which a ledger knows a record: the last part of the order of a Purge.
func RecordHash(table uint8, key string) Key { return keyOfRecord(table, key) }
