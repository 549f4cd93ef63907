package shopify

import (
	"context"
	"time"

	"holdfast/adapters/publish"
	"holdfast/adapters/records"
)

// A delta that may have been applied can only be sent again as the very same call: the key is of
// the whole call, and a row that comes again in other company would count twice. So a call of
// several deltas is written down before it is sent, and is forgotten when its outcome is known:
//
//	written ──▶ sent ──▶ applied, or refused whole ──▶ forgotten
//	   │          └────▶ nobody knows: the rows come again, and the call is found by any of them
//	   └─ the process died here: the same
//
// One that was ever in doubt is kept as long as its key: its rows come again one by one, and each
// must find it.
//
// A call of one delta has that push's own key, and needs no record.

// deltaBatch is such a call. It is the record CONNECTION/deltas/KEY of the table Documents.
type deltaBatch struct {
	Key  string     `json:"key"`
	Rows []deltaRow `json:"rows"`
}

type deltaRow struct {
	Push  string `json:"push"` // its own key
	Item  int64  `json:"item"`
	Place string `json:"place"`
	Delta int64  `json:"delta"`
}

// batchLife is how long a call can be sent again: Shopify keeps a key for 24 hours, and the
// publisher stops to send again before that.
const batchLife = 23 * time.Hour

func (b *pushing) batchPrefix() string { return b.id + "/deltas/" }

// resent reports whether a push was sent before.
func resent(p *publish.Push) bool { return p.Until.Sub(p.At) > publish.CallTime }

func (b *pushing) sendDeltas(ctx context.Context, at []int) {
	var fresh, again []int
	for _, i := range at {
		if resent(&b.pushes[i]) {
			again = append(again, i)
		} else {
			fresh = append(fresh, i)
		}
	}
	b.send(ctx, fresh, b.adjust)
	b.repeat(ctx, again)
}

func (b *pushing) row(i int) deltaRow {
	return deltaRow{b.pushes[i].Key, b.slots[i].Item, b.slots[i].Place, b.pushes[i].Delta}
}

// adjust sends deltas that were not sent before.
func (b *pushing) adjust(ctx context.Context, at []int) ([]userError, error) {
	call := deltaBatch{Key: b.key(at)}
	for _, i := range at {
		call.Rows = append(call.Rows, b.row(i))
	}
	if len(at) > 1 {
		if err := b.remember(ctx, &call); err != nil {
			return nil, err
		}
	}
	errs, err := b.sendBatch(ctx, &call)
	if len(at) > 1 && err == nil && !stillRuns(errs) {
		// If it cannot be forgotten it goes by itself later; until then it is in nobody's way.
		var tx records.Tx
		tx.Drop(records.Documents, b.batchPrefix()+call.Key, 0)
		_, _ = b.store.Submit(ctx, &tx)
	}
	return errs, err
}

// remember writes a call down. It fails as the store does; then nothing may be sent.
func (b *pushing) remember(ctx context.Context, call *deltaBatch) error {
	var tx records.Tx
	tx.Put(records.Record{Table: records.Documents, Key: b.batchPrefix() + call.Key,
		Body: tx.Encode(call), Expires: b.client.cfg.Now().Add(batchLife)})
	if _, err := b.store.Submit(ctx, &tx); err != nil {
		return &Fault{code: codeUnavailable, class: classTransient, retryable: true,
			detail: "the call could not be written down, so it was not sent", cause: err}
	}
	return nil
}

// sendBatch sends a call under its key.
func (b *pushing) sendBatch(ctx context.Context, call *deltaBatch) ([]userError, error) {
	in := adjustInput{Name: quantityName, Reason: reasonFall, Reference: reference + call.Key}
	urgency := Ordinary
	for _, r := range call.Rows {
		if r.Delta < 0 {
			urgency = Falls
		}
		in.Changes = append(in.Changes, adjustRow{Item: gidOf(kindItem, r.Item),
			Place: gidOfText(kindPlace, r.Place), Delta: r.Delta, From: blind()})
	}
	var out stockReply
	err := b.client.doAs(ctx, opAdjust, urgency, adjustVars{in, call.Key}, &out)
	return out.Adjust.Errors, err
}

func stillRuns(errs []userError) bool {
	for _, e := range errs {
		if userFault(opAdjust, e).unknown {
			return true
		}
	}
	return false
}

// repeat sends again what may have been applied: each call whole, as it was. A row that is in no
// call that was written down was sent alone.
func (b *pushing) repeat(ctx context.Context, at []int) {
	if len(at) == 0 {
		return
	}
	calls, err := b.remembered(ctx)
	if err != nil {
		b.fail(at, err)
		return
	}
	done := make(map[string]error)
	for _, i := range at {
		call := calls[b.pushes[i].Key]
		if call == nil {
			b.send(ctx, []int{i}, b.adjust)
			continue
		}
		answer, sent := done[call.Key]
		if !sent {
			answer = b.outcome(ctx, call)
			done[call.Key] = answer
		}
		b.answers[i] = answer
	}
}

// outcome sends a call again and says what became of each of its rows: all were applied, or none.
func (b *pushing) outcome(ctx context.Context, call *deltaBatch) error {
	errs, err := b.sendBatch(ctx, call)
	if err != nil {
		return err
	}
	return firstError(opAdjust, errs)
}

// remembered is the calls whose outcome is not known, by the keys of their pushes.
func (b *pushing) remembered(ctx context.Context) (map[string]*deltaBatch, error) {
	calls := make(map[string]*deltaBatch)
	for after, more := "", true; more; {
		rows, next, err := b.store.List(ctx, records.Documents, b.batchPrefix(), after, records.MaxList)
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			after = row.Key
			call, err := records.Decode[deltaBatch](row)
			if err != nil {
				return nil, err
			}
			for _, r := range call.Rows {
				calls[r.Push] = &call
			}
		}
		more = next
	}
	return calls, nil
}
