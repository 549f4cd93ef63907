package orders

import (
	"encoding/hex"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"

	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
)

// attach adds ids to the order, and the way back from them.
func (d *draft) attach(ids []External) {
	for _, e := range ids {
		if e.ID == "" || e.System == "" || slices.Contains(d.o.Externals, e) {
			continue
		}
		if len(d.o.Externals) == maxExternals {
			return
		}
		d.o.Externals = append(d.o.Externals, e)
		d.index(e)
	}
}

// maxExternals bounds the ids of an order: far more systems than anybody connects.
const maxExternals = 64

// index writes the way from an id outside to the order. The last order that has it is found.
func (d *draft) index(e External) {
	key := ExternalKey(e)
	for i := range d.tx.Writes {
		if w := &d.tx.Writes[i]; w.Table == records.Externals && w.Key == key {
			return
		}
	}
	d.moved = true
	d.tx.Put(records.Record{Table: records.Externals, Key: key, Body: []byte(d.o.ID)})
}

// ExternalKey is the key of the record that leads from an id outside to the order.
func ExternalKey(e External) string {
	return part(e.System) + "/" + part(e.Kind) + "/" + part(e.ID)
}

// part makes a text fit for a key: no slash, no control character, and never too long.
func part(text string) string {
	if len(text) <= 80 && strings.IndexFunc(text, func(r rune) bool {
		return r < ' ' || r == '/' || r == 0x7f || r == 0xfffd
	}) < 0 {
		return text
	}
	h := xxh3.HashString128(text).Bytes()
	return "~" + hex.EncodeToString(h[:])
}

// refundElsewhere is about money that a person must give back where the order was born.
func refundElsewhere(order, refund string) exceptions.Exception {
	return exceptions.Exception{Trace: "refund:" + order + ":" + refund, Class: exceptions.Conflict,
		Code: "refund-not-sent", Flow: "F8", Actions: []string{"resolve"},
		Detail: "A refund was made for an order of Amazon's, which is not told by itself."}
}
