package publish

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"holdfast/adapters/records"
)

// Some systems take a document of many numbers, which they work off when they like, at a rate that one
// call a number never reaches. Only numbers that can wait go that way: a slot in a document may still
// be sold from for as long as the document takes.
//
// While a slot's number is in a document that is not done, what rises waits for it; what falls is pushed
// at once, and is pushed again when the document is done, because the document may have come later and
// have put its own, higher number over it.

// Bulk is the number of a slot that is in a document which was not seen done.
type Bulk struct {
	Key      string    `json:"key"`    // of the document
	Number   int       `json:"number"` // of the slot's part in it
	Sequence uint64    `json:"sequence"`
	Quantity int64     `json:"quantity"`
	Tally    int64     `json:"tally"`
	At       time.Time `json:"at"`
}

// Bulker is a Pusher that can also send a document of many numbers, and whose Push and Read may run at
// the same time.
type Bulker interface {
	// Bulk is how many slots must wait before a document of some of them is worth it, and how many it has
	// at most. A most of 0 says that none can be sent now. It answers from memory.
	Bulk() (least, most int)
	// MayBulk reports whether a slot may be in a document at all. It answers from memory.
	MayBulk(s *Slot) bool
	// PushBulk sends the pushes of slots as one document: all or none. Slot.Bulk has its key, and the
	// number of each part. nil says that it was sent, or may have been, and that whoever sent it will
	// tell [EndBulk] what became of it; an error, that it was not.
	PushBulk(ctx context.Context, slots []Slot, pushes []Push) error
}

const (
	// slowUnits is the least that a slot must have for sale to wait for a document: so many are not
	// sold before it is worked off.
	slowUnits = 20
	// slowSince is how long nothing must have been sold there.
	slowSince = time.Hour
	// bulkShare is which part of the slots that wait may be all that can go into a document: what is left
	// beside it is sent that much sooner.
	bulkShare = 2
	// bulkPause is after a document that could not be sent: its numbers go one by one meanwhile.
	bulkPause = time.Minute
	// bulkClaim is how many slots one Tx claims: their records fit it.
	bulkClaim = 400
)

// noteSlow keeps in mind which slots that wait may go into a document.
func (w *worker) noteSlow(id string, one *gathered) {
	if w.queue.byID[id] != nil && w.slowly(id, one) && one.bulks.MayBulk(one.facts.Slot) {
		w.slow[id] = true
	} else {
		delete(w.slow, id)
	}
}

func (w *worker) slowly(id string, one *gathered) bool {
	f, p := &one.facts, &one.plan
	return one.bulks != nil && f.Style == Overwrite && p.Do == Send && p.Hold == 0 && !p.Push.Activate &&
		f.Slot.Hold == "" && f.Slot.Bulk == nil && f.Slot.Blocked == "" &&
		p.Push.Quantity >= slowUnits && w.pace[id].sold.Add(slowSince).Before(f.Now)
}

// bulk sends a document when so many slots wait that it is worth it. Between two of them one ordinary
// call is made, so that what is urgent never waits for more than one.
func (w *worker) bulk(ctx context.Context, outlet Outlet) (sent bool, err error) {
	b, ok := outlet.Pusher.(Bulker)
	if !ok || len(w.slow) == 0 || w.noBulk.After(w.l.p.cfg.Now()) || w.bulked && len(w.slow) < w.queue.len() {
		w.bulked = false
		return false, nil
	}
	least, most := b.Bulk()
	if most == 0 || w.queue.len() < least || len(w.slow) < least/bulkShare {
		return false, nil
	}
	w.bulked = true
	ids := slices.Sorted(maps.Keys(w.slow))
	ids = ids[:min(len(ids), most)]
	call, cancel := context.WithTimeout(ctx, CallTime-time.Second)
	defer cancel()
	claimed, err := w.claimBulk(ctx, ids)
	if err != nil || len(claimed) == 0 {
		return false, err
	}
	slots, pushes := make([]Slot, len(claimed)), make([]Push, len(claimed))
	for i, one := range claimed {
		slots[i], pushes[i] = *one.facts.Slot, *one.facts.Slot.Sent
	}
	what := fateOf(b.PushBulk(call, slots, pushes))
	if what.kind != done {
		w.noBulk = w.l.p.cfg.Now().Add(max(what.wait, bulkPause))
	}
	fates := slices.Repeat([]fate{what}, len(claimed))
	for begin := 0; begin < len(claimed); begin += bulkClaim {
		end := min(begin+bulkClaim, len(claimed))
		if err := w.acknowledge(ctx, claimed[begin:end], fates[begin:end]); err != nil {
			return true, err
		}
	}
	return true, nil
}

// claimBulk claims slots for a document whose key no other has: it is made of the index of the ledger at
// which the first of them was decided, and of the slot.
func (w *worker) claimBulk(ctx context.Context, ids []string) (all []*gathered, err error) {
	key := ""
	for chunk := range slices.Chunk(ids, bulkClaim) {
		found, err := w.gather.gather(ctx, chunk, false)
		if err != nil {
			return nil, err
		}
		var list []*gathered
		for i := range found {
			one := &found[i]
			if w.place(chunk[i], one); !w.slow[chunk[i]] {
				continue
			}
			if key == "" {
				key = strconv.FormatUint(one.facts.Index, 36) + "." +
					strconv.FormatUint(one.facts.Term, 36)
			}
			w.queue.drop(chunk[i])
			delete(w.slow, chunk[i])
			one.bulk = &Bulk{Key: key, Number: len(all) + len(list) + 1}
			list = append(list, one)
		}
		if list, err = w.claim(ctx, list); err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// in is the slot with its push in a document.
func (b *Bulk) in(s Slot) Slot {
	in := *b
	in.Sequence, in.Quantity, in.Tally, in.At = s.Sent.Sequence, s.Sent.Quantity, s.Sent.Tally, s.Sent.At
	s.Bulk = &in
	return s
}

// Worked is what became of a document.
type Worked struct {
	Connection, Key string
	None            bool         // nothing of it was done
	Refused         map[int]bool // by number: what of it was not done
	At              time.Time    // when it was seen done
	// Look is after which moment the numbers are to be read: what was done may show later.
	Look time.Time
}

// EndBulk takes in what became of a document: what was refused is read, and what was pushed beside it is
// pushed again. It may be done again, and by two at once. again is true while a push of one of its slots
// is under way: then it must be done again. It fails with the store's error.
func EndBulk(ctx context.Context, store records.Store, d Worked) (again bool, err error) {
	var ids []string
	for after, more := "", true; more; {
		rows, next, err := store.List(ctx, records.Slots, d.Connection+"/", after, records.MaxList)
		if err != nil {
			return false, err
		}
		for _, row := range rows {
			after = row.Key
			s, err := records.Decode[Slot](row)
			if err != nil {
				return false, err
			}
			if s.Bulk != nil && s.Bulk.Key == d.Key {
				ids = append(ids, s.ID)
			}
		}
		more = next
	}
	for chunk := range slices.Chunk(ids, bulkClaim) {
		_, err := records.Retry(ctx, store, func(tx *records.Tx) error {
			for _, id := range chunk {
				waits, err := d.end(ctx, store, tx, id)
				if err != nil {
					return err
				}
				again = again || waits
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return again, nil
}

// end adds what becomes of one slot.
func (d *Worked) end(ctx context.Context, r records.Reader, tx *records.Tx, id string) (waits bool, err error) {
	row, ok, err := r.Get(ctx, records.Slots, id)
	if err != nil || !ok {
		return false, err
	}
	s, err := records.Decode[Slot](row)
	if err != nil || s.Bulk == nil || s.Bulk.Key != d.Key {
		return false, err
	}
	if s.Sent != nil {
		return true, nil
	}
	in, look := *s.Bulk, d.Look
	s.Bulk = nil
	switch {
	case d.None || d.Refused[in.Number]:
		if s.Sequence == in.Sequence { // what is there is what was there before
			s.Doubt, look = d.At, d.At
		}
	case s.Sequence == in.Sequence:
		s.AckedAt = d.At
	default: // it may have come after what was pushed beside it
		s.Acked, s.Tally, s.AckedAt = in.Quantity, in.Tally, d.At
		s.Lease = max(s.Lease, in.Quantity)
	}
	tx.Replace(s.Record(tx), row.Version)
	Look(tx, s.ID, look)
	return false, nil
}

// notInBulk is a slot of which a document was never sent.
func (s Slot) notInBulk() Slot {
	if s.Bulk != nil && s.Sent != nil && s.Bulk.Sequence == s.Sent.Sequence {
		s.Bulk = nil
	}
	return s
}
