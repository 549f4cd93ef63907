package httpapi

import (
	"fmt"

	"holdfast/engine"
)

func getAvailability(c *call) error {
	channel, err := c.query("channel", idRule)
	if err != nil {
		return err
	}
	if channel == "" {
		return invalid("channel", "is required")
	}
	var skus []string
	for _, v := range c.ctx.QueryArgs().PeekMulti("sku") {
		if must := skuRule(text(v)); must != "" {
			return invalid("sku", must)
		}
		if len(skus) == maxSKUs {
			return tooLarge("sku", limitSKUs, maxSKUs)
		}
		skus = append(skus, string(v))
	}
	if len(skus) == 0 {
		return invalid("sku", "is required at least once")
	}
	return c.replyAvailability(channel, skus, "sku")
}

func postAvailability(c *call) error {
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in availabilityBody
	if err := availabilityBodies.decode(text, &in); err != nil {
		return err
	}
	if len(in.SKUs) == 0 {
		return invalid("skus", "must have at least one SKU")
	}
	return c.replyAvailability(in.Channel, in.SKUs, "skus")
}

// sliceSKUs is how many SKUs are looked up in one hold of the ledger's lock: kits over many
// locations cost a microsecond or more each.
const sliceSKUs = 32

// replyAvailability answers what a channel may sell of each SKU. A long list is read in slices; an
// item that was read at a later index than the reply's carries its own.
func (c *call) replyAvailability(channel string, skus []string, list string) error {
	type item struct {
		sellable int64
		index    uint64
	}
	items := make([]item, 0, len(skus))
	var no engine.Refusal
	err := c.read(func(l *engine.Ledger) bool {
		for range sliceSKUs {
			if len(items) == len(skus) {
				return false
			}
			var n int64
			if n, no = l.Sellable(channel, skus[len(items)]); no != engine.Accepted {
				return false
			}
			items = append(items, item{n, l.Index()})
		}
		return len(items) < len(skus)
	})
	if err != nil {
		return err
	}
	if no != engine.Accepted {
		if no == engine.UnknownSKU {
			return c.unknown(no, fmt.Sprintf("%s[%d]", list, len(items)), skus[len(items)])
		}
		return c.unknown(no, "channel", channel)
	}
	b := appendUint(c.buf[:0], `{"index":`, c.index)
	b = append(b, `,"channel":`...)
	b = appendText(b, channel)
	b = append(b, `,"items":[`...)
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"sku":`...)
		b = appendText(b, skus[i])
		b = appendInt(b, `,"sellable":`, it.sellable)
		if it.index != c.index {
			b = appendUint(b, `,"index":`, it.index)
		}
		b = append(b, '}')
	}
	c.buf = append(b, `]}`...)
	return c.reply(200)
}

func getExplain(c *call) error {
	sku, err := c.sku()
	if err != nil {
		return err
	}
	channel, err := c.query("channel", idRule)
	if err != nil {
		return err
	}
	if channel == "" {
		return invalid("channel", "is required")
	}
	var e engine.Explanation
	var no engine.Refusal
	if err := c.read(func(l *engine.Ledger) bool {
		e, no = l.Explain(channel, sku)
		return false
	}); err != nil {
		return err
	}
	if no != engine.Accepted {
		if no == engine.UnknownChannel {
			return c.unknown(no, "channel", channel)
		}
		return c.unknown(no, "", sku)
	}
	b := append(c.buf[:0], `{"sku":`...)
	b = appendText(b, sku)
	b = append(b, `,"channel":`...)
	b = appendText(b, channel)
	b = appendInt(b, `,"sellable":`, e.Sellable)
	b = appendUint(b, `,"index":`, c.index)
	b = append(b, `,"terms":[`...)
	for i := range e.Terms {
		if i > 0 {
			b = append(b, ',')
		}
		t := &e.Terms[i]
		b = append(b, `{"term":`...)
		b = appendText(b, t.Term)
		b = appendTextIf(b, `,"location":`, t.Location)
		b = appendTextIf(b, `,"rule":`, t.Rule)
		b = appendInt(b, `,"value":`, t.Value)
		b = append(b, '}')
	}
	b = append(b, `],"holds":[`...)
	for i := range e.Holds {
		if i > 0 {
			b = append(b, ',')
		}
		h := &e.Holds[i]
		b = append(b, `{"reservation":`...)
		b = appendText(b, h.Reservation)
		b = append(b, `,"channel":`...)
		b = appendText(b, h.Channel)
		b = append(b, `,"location":`...)
		b = appendText(b, h.Location)
		b = appendInt(b, `,"held":`, h.Held)
		b = appendInt(b, `,"committed":`, h.Committed)
		b = append(b, '}')
	}
	b = append(b, ']')
	if b, err = c.appendPublished(b, channel, sku); err != nil {
		return faulty(err, false)
	}
	c.buf = append(b, '}')
	return c.reply(200)
}
