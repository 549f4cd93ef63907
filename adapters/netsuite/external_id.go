package netsuite

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Prefix begins the external ids of one kind of document. All transactions of an account share one
// space of external ids ◊, so an order and its fulfilment must not be named alike.
type Prefix string

// The prefixes: sales order, item fulfilment, return authorisation, item receipt, credit memo, cash
// refund, inventory adjustment, inventory transfer, customer.
const (
	ForOrder      Prefix = "hfso"
	ForFulfilment Prefix = "hfif"
	ForReturn     Prefix = "hfra"
	ForReceipt    Prefix = "hfir"
	ForCredit     Prefix = "hfcm"
	ForCashRefund Prefix = "hfcr"
	ForAdjustment Prefix = "hfia"
	ForTransfer   Prefix = "hfit"
	ForCustomer   Prefix = "hfcu"
)

// maxExternalID keeps an id readable, and far below what the field takes.
const maxExternalID = 120

// ExternalID makes the external id of what is named by ids of ours or of another system, such as
// "shopify:shop:5551". In a URL NetSuite takes letters, digits, _ and - only, and a | would part
// several; and two ids that differ by capitals only may be one to it ◊. So small letters and digits
// stay, every other byte becomes _ and its two hexadecimal digits, and an empty part becomes _. The
// parts are parted by -. Equal parts make an equal id, and other parts another: the code can be read
// back. One that would be too long is cut, and ends in -- and a digest of the whole.
func ExternalID(p Prefix, parts ...string) string {
	var b strings.Builder
	b.WriteString(string(p))
	for _, part := range parts {
		b.WriteByte('-')
		if part == "" {
			b.WriteByte('_')
		}
		for i := range len(part) {
			switch c := part[i]; {
			case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
				b.WriteByte(c)
			default:
				b.WriteByte('_')
				b.WriteString(hex.EncodeToString([]byte{c}))
			}
		}
	}
	id := b.String()
	if len(id) <= maxExternalID {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return id[:maxExternalID-34] + "--" + hex.EncodeToString(sum[:16])
}

// Ours reports whether an external id of NetSuite's was made by [ExternalID].
func Ours(externalID string) bool {
	p, _, ok := strings.Cut(externalID, "-")
	switch Prefix(p) {
	case ForOrder, ForFulfilment, ForReturn, ForReceipt, ForCredit, ForCashRefund, ForAdjustment,
		ForTransfer, ForCustomer:
		return ok
	}
	return false
}

// urlSafe reports whether an id may stand in a URL behind eid:.
func urlSafe(id string) bool {
	return id != "" && !strings.ContainsFunc(id, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}
