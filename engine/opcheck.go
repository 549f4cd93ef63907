package engine

// OpChecker reads encoded ops back as Apply will. What was encoded is checked with it before it is
// proposed: an entry that members have agreed on and cannot decode stops every one of them, so a fault
// in a codec must be found while it is one caller's. The zero value is ready; one goroutine at a time
// uses it.
type OpChecker struct {
	commands [kindEnd]Command
	coder    coder
	plain    plainReserve
}

// Check returns nil when ops is n encoded ops and nothing else, or an *EntryError.
func (c *OpChecker) Check(ops []byte, n int) error {
	for range n {
		head, body, rest, err := splitOp(ops)
		if err != nil {
			return err
		}
		ops = rest
		if head.kind == kindReserve && c.plain.read(body) {
			continue // as apply reads nearly all of them, in a third of the time
		}
		if _, err := decodeInto(&c.commands, &c.coder, head.kind, body); err != nil {
			return err
		}
	}
	if g, ok := c.commands[kindGroup].(*Group); ok && cap(g.Ops) > keptGroup {
		c.commands[kindGroup] = nil
	}
	return leftOver(ops)
}

// Whole returns nil when the ops so far are as many as were counted and fill the builder, or an
// *EntryError: then they were not put together as they were encoded. It looks at lengths alone.
func (b *EntryBuilder) Whole() error {
	ops := b.Ops()
	for range b.count {
		_, _, rest, err := splitOp(ops)
		if err != nil {
			return err
		}
		ops = rest
	}
	return leftOver(ops)
}

func leftOver(ops []byte) error {
	if len(ops) != 0 {
		return &EntryError{Reason: "bytes are left over behind the last op"}
	}
	return nil
}

// decodeInto reads a command into the reused one of its kind.
func decodeInto(commands *[kindEnd]Command, x *coder, k kind, body []byte) (Command, error) {
	if k >= kindEnd {
		return nil, &EntryError{Reason: "a kind of command is not known to this build"}
	}
	c := commands[k]
	if c == nil {
		if c = newCommand(k); c == nil {
			return nil, &EntryError{Reason: "a kind of command is not known to this build"}
		}
		commands[k] = c
	}
	return c, decodeBody(x, c, body)
}
