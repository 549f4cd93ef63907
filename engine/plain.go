package engine

import (
	"encoding/binary"

	"github.com/zeebo/xxh3"
)

// plainReserve is what nearly every command of a sale is: a reserve of one line, by numbers, without a
// location or a ref. It is valid as [Validate] means it.
type plainReserve struct {
	key          Key
	id           string // shares the entry's bytes
	hash         uint64 // of the id
	channel, sku uint32
	qty, ttl     int64
	mode         Mode
	commit       bool
}

// read reads the body of a reserve; false when it is not a plain one, whatever else it is.
func (p *plainReserve) read(b []byte) bool {
	size := 0
	if len(b) > 0 {
		size = int(b[0])
	}
	if size == 0 || size > MaxIDBytes-1 || len(b) < 1+size {
		return false // an id of 128 bytes has a longer length; it takes the long way
	}
	p.id = aliasText(b[1 : 1+size])
	b = b[1+size:]
	var ok bool
	if p.channel, b, ok = cutNumber(b); !ok || len(b) < 3 {
		return false
	}
	p.mode, p.commit = Mode(b[0]), b[2] == 1
	if !modes.valid(p.mode) || b[1] != 0 || b[2] > 1 {
		return false
	}
	if p.ttl, b = cutInt(b[3:]); p.ttl != 0 && (p.ttl < MinTTL || p.ttl > MaxTTL) {
		return false
	}
	if len(b) == 0 || b[0] != 1 { // lines
		return false
	}
	if p.sku, b, ok = cutNumber(b[1:]); !ok || len(b) == 0 || b[0] != 0 { // location
		return false
	}
	if p.qty, b = cutInt(b[1:]); p.qty < 1 || p.qty > MaxQty {
		return false
	}
	if len(b) != 1 || b[0] != 0 || !printableASCII(p.id) { // ref
		return false
	}
	p.hash = hashID(p.id)
	return true
}

// cutNumber cuts a name in its numbered form off the front of b; ok is false when there is none.
func cutNumber(b []byte) (number uint32, rest []byte, ok bool) {
	if len(b) == 0 || int(b[0]) >= len(b) {
		return 0, nil, false
	}
	size := int(b[0])
	number, ok = Name(aliasText(b[1 : 1+size])).number()
	return number, b[1+size:], ok
}

// cutInt cuts a signed number off the front of b. Where there is none, what is left is empty.
func cutInt(b []byte) (v int64, rest []byte) {
	u, n := binary.Uvarint(b)
	if n <= 0 {
		return 0, nil
	}
	return unzigzag(u), b[n:]
}

// appendPlain appends the body of a reserve as Reserve.wire writes it, with the names as numbers; ok is
// false, and nothing appended, when it has more to say than a plain one.
func appendPlain(dst []byte, c *Reserve, l *Ledger) (b []byte, ok bool) {
	if c.Partial || len(c.Lines) != 1 || c.Lines[0].Location != "" || c.Lines[0].Ref != "" {
		return dst, false
	}
	channel, sku := l.find(ChannelName, c.Channel), l.find(SKUName, c.Lines[0].SKU)
	if channel == 0 || sku == 0 {
		return dst, false
	}
	b = binary.AppendUvarint(dst, uint64(len(c.ID)))
	b = append(b, c.ID...)
	b = appendNumber(b, channel)
	commit := byte(0)
	if c.Commit {
		commit = 1
	}
	b = append(b, byte(c.Mode), 0, commit)
	b = binary.AppendUvarint(b, zigzag(c.TTL))
	b = appendNumber(append(b, 1), sku)
	b = binary.AppendUvarint(append(b, 0), zigzag(c.Lines[0].Qty))
	return append(b, 0), true
}

// appendNumber appends a name in its numbered form, with its length.
func appendNumber(dst []byte, number uint32) []byte {
	dst = append(dst, byte(1+uvarintLen(uint64(number))), 0)
	return binary.AppendUvarint(dst, uint64(number))
}

// plainContent is contentOfReserve for a plain reserve.
func plainContent(c *plainReserve, channel, sku uint64) uint64 {
	h := mix(mix('r', channel), uint64(c.mode))
	if c.commit {
		h = mix(h, 2)
	}
	return mixWide(mix(mix(h, sku), uint64(c.qty)), 1)
}

// plainKeyed is contentOf for a plain reserve.
func plainKeyed(c *plainReserve, channel, sku uint64) uint64 {
	h := mix(mix(uint64(kindReserve), c.hash), channel)
	h = mix(mix(h, uint64(c.mode)), 0) // partial
	commit := uint64(0)
	if c.commit {
		commit = 1
	}
	h = mix(mix(h, commit), zigzag(c.ttl))
	h = mix(mix(mix(h, 1), sku), noText) // lines, location
	return mixWide(mix(mix(h, zigzag(c.qty)), noText), 'C')
}

// noText is the hash of an empty text.
var noText = xxh3.HashString("")
