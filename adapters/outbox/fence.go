package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast/adapters/records"
)

// ErrDeposed says that somebody of a later term has begun, or that this term has begun anew: what was
// to be written was not.
var ErrDeposed = errors.New("another leader has begun")

// Fence keeps a deposed leader from changing anything. A leader takes it when it begins; every Tx
// that only the leader may run holds it first.
//
// It is needed although leadership ends with a context: a Tx of the old leader may reach the new one
// after that has read which tasks are claimed.
type Fence struct {
	key     string
	version uint64
}

// Lead takes the fence of a part of the product for a term; from then on no Tx that holds an older one
// has an effect. It fails with [ErrDeposed] when a later term has it, or as the store does; then it may
// have been taken all the same, and the caller takes it again.
func Lead(ctx context.Context, s records.Store, name string, term uint64) (Fence, error) {
	f := Fence{key: "!leader/" + name}
	o, err := records.Retry(ctx, s, func(tx *records.Tx) error {
		r, ok, err := s.Get(ctx, records.Cursors, f.key)
		if err != nil {
			return err
		}
		var last uint64
		if ok {
			if last, err = records.Decode[uint64](r); err != nil {
				return err
			}
		}
		if last > term {
			return fmt.Errorf("term %d after term %d: %w", term, last, ErrDeposed)
		}
		body, _ := json.Marshal(term)
		tx.Replace(records.Record{Table: records.Cursors, Key: f.key, Body: body}, r.Version)
		return nil
	})
	f.version = o.Index
	return f, err
}

// Hold demands, as the first write of tx, that nobody has taken the fence since.
func (f Fence) Hold(tx *records.Tx) { tx.Look(records.Cursors, f.key, f.version) }

// lost reports whether a Tx that held the fence first was not run because it is somebody else's.
func (f Fence) lost(o records.Outcome) bool { return o.Conflict && o.At == 0 }
