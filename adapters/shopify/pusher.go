package shopify

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// pusher changes and reads the slots of one shop. It is safe for concurrent use.
type pusher struct {
	all *Shops
	id  string
}

// pushBatch is the most rows that an input of the API may have.
const pushBatch = 250

// readBatch keeps a query of levels below the most points that one query may cost, 1,000.
const readBatch = 100

// The reasons of a change, of those that the API knows, as they stand in the merchant's history.
const (
	reasonFall = "correction"
	reference  = "gid://holdfast/Slot/"
)

// PushBatch is the most changes of one call.
func (p *pusher) PushBatch() int { return pushBatch }

// Push sends changes: deltas in one call, sets in another, because they are two mutations. Deltas
// go first: they are the falls.
//
// Each answer is nil when the change was applied, a Fault that is Stale when another quantity was
// there, one that is Unknown when nobody knows, else one that says why not. The error is of the
// call as a whole.
func (p *pusher) Push(ctx context.Context, slots []publish.Slot, pushes []publish.Push) ([]error,
	error) {
	s, err := p.all.shop(p.id)
	if err != nil {
		return nil, err
	}
	batch := pushing{s, p.all.cfg.Store, slots, pushes, make([]error, len(pushes))}
	var active, inactive []int
	for i := range pushes {
		if pushes[i].Activate {
			inactive = append(inactive, i)
		} else {
			active = append(active, i)
		}
	}
	batch.apply(ctx, active) // a fall must not wait for activations
	batch.activateAll(ctx, inactive)
	return batch.answers, nil
}

// apply sends pushes to levels that are active.
func (b *pushing) apply(ctx context.Context, at []int) {
	var deltas, sets []int
	for _, i := range at {
		if b.pushes[i].Set {
			sets = append(sets, i)
		} else {
			deltas = append(deltas, i)
		}
	}
	b.sendDeltas(ctx, deltas)
	// What is compared can be sent again in any company: applied already, it is stale.
	b.send(ctx, sets, b.set)
}

const (
	// maxActivations is how many levels one call of Push activates, each by a mutation of its own:
	// more neither fit the time of a call nor the bucket of a small shop. A full batch takes six
	// calls, the last row of it being put off five times: before a person would be told.
	maxActivations = 45
	// activateGroup is how many are activated before their numbers are sent.
	activateGroup = 15
	// activateTime must be left for one more activation and the numbers of its group.
	activateTime = 4 * time.Second
	// activateAgain is when what was put off should come again.
	activateAgain = time.Second
)

// activateAll activates levels and sends their numbers, a group at a time, so that whatever ends the
// call leaves few that are active without a number of ours. What there is no time for is answered as
// not sent and to come again; nothing has happened to it.
func (b *pushing) activateAll(ctx context.Context, at []int) {
	putOff := later(b.every(activateAgain), "other levels were activated before")
	putOff.unsent = true
	most := min(len(at), maxActivations)
	for group := range slices.Chunk(at[:most], activateGroup) {
		var ready []int
		for _, i := range group {
			if !fits(ctx, b.client.cfg.Now(), activateTime) {
				b.answers[i] = putOff
			} else if err := b.activate(ctx, &b.slots[i], &b.pushes[i]); err != nil {
				b.answers[i] = err
			} else {
				ready = append(ready, i)
			}
		}
		b.apply(ctx, ready)
	}
	b.fail(at[most:], putOff)
}

// activate makes the level of a slot one that has a quantity. It keeps the one it had, if it was
// active before; the key makes a second activation the same as the first.
func (s *shop) activate(ctx context.Context, slot *publish.Slot, push *publish.Push) error {
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"inventoryActivate"`
	}
	err := s.client.do(ctx, opActivate, activateVars{Item: gidOf(kindItem, slot.Item),
		Place: gidOfText(kindPlace, slot.Place), Key: push.Key + "/activate"}, &out)
	if err != nil {
		return err
	}
	return firstError(opActivate, out.Root.Errors)
}

// pushing is one call of Push: rows, and their answers in the same places.
type pushing struct {
	*shop
	store   records.Store
	slots   []publish.Slot
	pushes  []publish.Push
	answers []error
}

// send makes a call of the rows at. One key goes over all rows of a call.
//
// When a row is refused the API applies none of the call. Those at fault get their answer, and the
// others go again without them, a few times; what is left then is told to come again.
func (b *pushing) send(ctx context.Context, at []int, call func(context.Context, []int) ([]userError,
	error)) {
	const rounds = 4 // with one bad row a round, three of them do not hold up the rest
	for range rounds {
		if len(at) == 0 {
			return
		}
		errs, err := call(ctx, at)
		if err != nil {
			b.fail(at, err)
			return
		}
		if len(errs) == 0 {
			return // applied: the answers are nil
		}
		if at, err = b.blame(at, errs); err != nil {
			b.fail(at, err)
			return
		}
	}
	b.fail(at, &Fault{code: codeRefused, class: classTransient, retryable: true,
		detail: "other rows of the call were refused"})
}

func (b *pushing) fail(at []int, err error) {
	for _, i := range at {
		b.answers[i] = err
	}
}

// blame gives each row its userError and returns the rows that have none; an error that names no
// row is of all.
func (b *pushing) blame(at []int, errs []userError) (rest []int, err error) {
	blamed := make(map[int]bool)
	for _, e := range errs {
		row, ok := e.Field.row("changes")
		if !ok {
			row, ok = e.Field.row("quantities")
		}
		if !ok || row < 0 || row >= len(at) {
			return at, userFault(opSet, e)
		}
		if !blamed[row] {
			blamed[row] = true
			b.answers[at[row]] = userFault(opSet, e)
		}
	}
	for k, i := range at {
		if !blamed[k] {
			rest = append(rest, i)
		}
	}
	return rest, nil
}

// stockReply is what adjust and set answer. A group that is null means that nothing had to change.
type stockReply struct {
	Adjust stockRoot `json:"inventoryAdjustQuantities"`
	Set    stockRoot `json:"inventorySetQuantities"`
}

type stockRoot struct {
	Errors []userError `json:"userErrors"`
}

func (b *pushing) set(ctx context.Context, at []int) ([]userError, error) {
	in := setInput{Name: quantityName, Reason: reasonFall, Reference: b.reference(at)}
	urgency := Ordinary
	for _, i := range at {
		push := &b.pushes[i]
		if push.Quantity < push.From {
			urgency = Falls
		}
		in.Quantities = append(in.Quantities, setRow{Item: gidOf(kindItem, b.slots[i].Item),
			Place: gidOfText(kindPlace, b.slots[i].Place), Quantity: push.Quantity,
			From: comparing(push.From)})
	}
	var out stockReply
	err := b.client.doAs(ctx, opSet, urgency, setVars{in, b.key(at)}, &out)
	return out.Set.Errors, err
}

// key is that of the push when it is alone. Several share one that is made of all of theirs, so the
// same rows have the same key whoever sends them.
func (b *pushing) key(at []int) string {
	if len(at) == 1 {
		return b.pushes[at[0]].Key
	}
	keys := make([]string, len(at))
	for k, i := range at {
		keys[k] = b.pushes[i].Key
	}
	return digestKey(keys)
}

// reference stands in the merchant's history of the item: which push it was, or how many.
func (b *pushing) reference(at []int) string {
	if len(at) == 1 {
		return reference + strconv.FormatUint(b.pushes[at[0]].Sequence, 10)
	}
	return reference + "batch-of-" + strconv.Itoa(len(at))
}

// Read reads slots, a call for each place and readBatch items. It fails with a Fault; then nothing
// is known of any.
func (p *pusher) Read(ctx context.Context, slots []publish.Slot) ([]*publish.Seen, error) {
	s, err := p.all.shop(p.id)
	if err != nil {
		return nil, err
	}
	places := make(map[string][]int)
	var order []string
	for i := range slots {
		if places[slots[i].Place] == nil {
			order = append(order, slots[i].Place)
		}
		places[slots[i].Place] = append(places[slots[i].Place], i)
	}
	seen := make([]*publish.Seen, len(slots))
	for _, place := range order {
		for at := places[place]; len(at) > 0; {
			n := min(readBatch, len(at))
			if err := s.readLevels(ctx, place, slots, at[:n], seen); err != nil {
				return nil, err
			}
			at = at[n:]
		}
	}
	return seen, nil
}

type levelVars struct {
	Items []gid `json:"items"`
	Place gid   `json:"place"`
}

// levelNode is an item with its level at one place.
type levelNode struct {
	ID      gid       `json:"id"`
	Tracked bool      `json:"tracked"`
	Level   *levelRow `json:"inventoryLevel"`
}

type levelRow struct {
	Active     bool      `json:"isActive"`
	Updated    time.Time `json:"updatedAt"`
	Quantities []struct {
		Name     string    `json:"name"`
		Quantity int64     `json:"quantity"`
		Updated  time.Time `json:"updatedAt"`
	} `json:"quantities"`
}

// seen is what a level shows. Of its times the latest counts: what changed after a moment is seen
// to.
func (l *levelRow) seen(now time.Time) publish.Seen {
	v := publish.Seen{UpdatedAt: l.Updated, ReadAt: now, Active: l.Active}
	for _, q := range l.Quantities {
		switch q.Name {
		case "available":
			v.Available = q.Quantity
		case "committed":
			v.Committed = q.Quantity
		case "on_hand":
			v.OnHand = q.Quantity
		}
		if q.Updated.After(v.UpdatedAt) {
			v.UpdatedAt = q.Updated
		}
	}
	return v
}

func (s *shop) readLevels(ctx context.Context, place string, slots []publish.Slot, at []int,
	seen []*publish.Seen) error {
	vars := levelVars{Place: gidOfText(kindPlace, place)}
	for _, i := range at {
		vars.Items = append(vars.Items, gidOf(kindItem, slots[i].Item))
	}
	// The moment before the call: what happens while it runs may or may not be in the answer.
	asked := s.client.cfg.Now().UTC()
	var out struct {
		Nodes []*levelNode `json:"nodes"`
	}
	err := s.client.do(ctx, opLevels, vars, &out)
	var f *Fault
	if errors.As(err, &f) && f.code == codeGone {
		return nil
	}
	if err != nil {
		return err
	}
	if len(out.Nodes) != len(at) {
		return answerFault(opLevels, errors.New("not as many nodes as were asked for"))
	}
	for k, node := range out.Nodes {
		switch {
		case node == nil:
			continue
		case node.Level == nil && !node.Tracked:
			// Nobody counts it, and so nobody may give it a level: it is seen, and not as one that is missing.
			seen[at[k]] = &publish.Seen{ReadAt: asked}
			continue
		case node.Level == nil:
			continue
		}
		v := node.Level.seen(asked)
		v.Tracked = node.Tracked
		seen[at[k]] = &v
	}
	return nil
}
