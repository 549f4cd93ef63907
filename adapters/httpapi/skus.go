package httpapi

import (
	"fmt"
	"strconv"

	"holdfast/engine"
)

// skuAttributes is what the edge keeps of a SKU beside what the ledger knows.
type skuAttributes struct {
	Title   string   `json:"title,omitempty"`
	Barcode string   `json:"barcode,omitempty"`
	Tags    []string `json:"tags,omitempty"`
}

func putSKU(c *call) error {
	sku, err := c.sku()
	if err != nil {
		return err
	}
	text, err := c.body(true)
	if err != nil {
		return err
	}
	var in skuBody
	if err := skuBodies.decode(text, &in); err != nil {
		return err
	}
	if err := pathSays("sku", in.SKU, sku); err != nil {
		return err
	}
	named := namedSKUBody{SKU: sku, Title: in.Title, Barcode: in.Barcode, Tags: in.Tags, Kit: in.Kit}
	cmd, err := named.command("")
	if err != nil {
		return err
	}
	if _, err := c.submit(cmd); err != nil {
		return err
	}
	shown := &engine.SKU{Name: sku, Attributes: cmd.Attributes}
	for _, part := range in.Kit {
		shown.Kit = append(shown.Kit, engine.KitPart{SKU: part.SKU, Qty: part.Qty})
	}
	c.buf = appendSKU(c.buf[:0], shown, c.index)
	return c.reply(200)
}

// command makes the definition. at is the path of the body in front of its members.
func (in *namedSKUBody) command(at string) (*engine.DefineSKU, error) {
	cmd := &engine.DefineSKU{SKU: engine.Name(in.SKU)}
	seen := make(map[string]bool, len(in.Kit))
	for i, part := range in.Kit {
		field := fmt.Sprintf("%skit[%d].sku", at, i)
		if part.SKU == in.SKU {
			return nil, invalid(field, "must not be the kit itself")
		}
		if seen[part.SKU] {
			return nil, invalid(field, "must not be a component twice")
		}
		seen[part.SKU] = true
		cmd.Kit = append(cmd.Kit, engine.Component{SKU: engine.Name(part.SKU), Qty: part.Qty})
	}
	var err error
	cmd.Attributes, err = attributes(&skuAttributes{Title: in.Title, Barcode: in.Barcode,
		Tags: in.Tags})
	return cmd, err
}

func appendSKU(b []byte, k *engine.SKU, index uint64) []byte {
	b = append(b, `{"sku":`...)
	b = appendText(b, k.Name)
	b = appendAttributes(b, k.Attributes)
	if len(k.Kit) > 0 {
		b = append(b, `,"kit":[`...)
		for i, part := range k.Kit {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"sku":`...)
			b = appendText(b, part.SKU)
			b = appendInt(b, `,"qty":`, part.Qty)
			b = append(b, '}')
		}
		b = append(b, ']')
	}
	return appendIndexEnd(b, index)
}

func getSKU(c *call) error {
	sku, err := c.sku()
	if err != nil {
		return err
	}
	var k engine.SKU
	var known bool
	if err := c.read(func(l *engine.Ledger) bool {
		k, known = l.SKU(sku)
		return false
	}); err != nil {
		return err
	}
	if !known {
		return c.unknown(engine.UnknownSKU, "", sku)
	}
	c.buf = appendSKU(c.buf[:0], &k, c.index)
	return c.reply(200)
}

func deleteSKU(c *call) error {
	sku, err := c.sku()
	if err != nil {
		return err
	}
	return c.remove(engine.SKUName, sku)
}

func listSKUs(c *call) error {
	p, err := c.listed()
	if err != nil {
		return err
	}
	rows, more, err := listRows(c, p, (*engine.Ledger).SKUs,
		func(k *engine.SKU) uint32 { return k.Number })
	if err != nil {
		return err
	}
	return replyList(c, rows, more, func(k *engine.SKU) uint64 { return uint64(k.Number) },
		func(b []byte, k *engine.SKU) []byte { return appendSKU(b, k, 0) })
}

// postSKUs defines many SKUs, in order, each on its own: components of a kit must stand before it
// or be known. The header's key covers SKU i, from 1, as (key, i).
func postSKUs(c *call) error {
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in skusBody
	if err := skusBodies.decode(text, &in); err != nil {
		return err
	}
	if len(in.SKUs) == 0 {
		return invalid("skus", "must have at least one SKU")
	}
	ops := make([]engine.Op, len(in.SKUs))
	for i := range in.SKUs {
		cmd, err := in.SKUs[i].command(fmt.Sprintf("skus[%d].", i))
		if err != nil {
			return err
		}
		ops[i] = engine.Op{Key: c.key.At(i + 1), Command: cmd}
	}
	t := newTally(c, len(ops))
	b := append(c.buf[:0], `{"results":[`...)
	c.s.cfg.Ledger.SubmitAll(c.s.base, ops, func(i int, r engine.Result, err error) {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":`...)
		b = appendText(b, in.SKUs[i].SKU)
		status, p := t.count(0, &r, err, ops[i].Command)
		b = append(b, `,"status":`...)
		b = strconv.AppendInt(b, int64(status), 10)
		if r.Replayed && err == nil {
			b = append(b, `,"idempotency_replayed":true`...)
		}
		if p != nil {
			b = appendProblemMembers(b, p)
		}
		if p == nil || p.index == 0 {
			b = appendUint(b, `,"index":`, r.Index)
		}
		b = append(b, '}')
	})
	if err := t.none(); err != nil {
		return err
	}
	b = appendUint(b, `],"index":`, c.index)
	c.buf = append(b, '}')
	return c.reply(200)
}
