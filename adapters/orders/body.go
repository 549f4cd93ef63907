package orders

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"

	"holdfast/adapters/records"
)

// folded is the body of an order that would be too large for a record: its JSON, deflated. Few
// orders are, and the words of an order's JSON repeat.
type folded struct {
	Folded []byte `json:"folded"`
}

// maxUnfolded bounds what a folded order may become: that of an order of the most lines there can
// be.
const maxUnfolded = 4 << 20

// encode makes the body of an order's record.
func encode(tx *records.Tx, o *Order) []byte {
	body, err := json.Marshal(o)
	if err == nil && len(body) <= records.MaxBody {
		return body
	}
	var b bytes.Buffer
	w, _ := flate.NewWriter(&b, flate.DefaultCompression) // fails only for a level that is none
	_, _ = w.Write(body)                                  // a Buffer takes all
	_ = w.Close()
	return tx.Encode(folded{b.Bytes()})
}

// decode reads the body of an order's record. It fails with the fault of a body that is none.
func decode(r records.Record) (o Order, err error) {
	if !bytes.HasPrefix(r.Body, []byte(`{"folded":`)) {
		o, err = records.Decode[Order](r)
		o.Index = r.Version
		return o, err
	}
	f, err := records.Decode[folded](r)
	if err != nil {
		return o, err
	}
	body, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(f.Folded)), maxUnfolded))
	if err == nil {
		err = json.Unmarshal(body, &o)
	}
	if err != nil {
		return o, fmt.Errorf("unfold order %q: %w", r.Key, err)
	}
	o.Index = r.Version
	return o, nil
}
