package shopify

import (
	"strconv"
	"strings"
)

// gid is the name of an object in GraphQL, such as gid://shopify/Order/820982911946154508. Its
// number is over 2^53 often enough that no float may ever hold it.
type gid string

// The kinds of objects that are named by number.
const (
	kindOrder      = "Order"
	kindItem       = "InventoryItem"
	kindPlace      = "Location"
	kindLine       = "LineItem"
	kindVariant    = "ProductVariant"
	kindFulfilment = "Fulfillment"
	kindRefund     = "Refund"
	kindReturn     = "Return"
	kindReverse    = "ReverseFulfillmentOrder"
)

const gidPrefix = "gid://shopify/"

func gidOf(kind string, number int64) gid {
	return gid(gidPrefix + kind + "/" + strconv.FormatInt(number, 10))
}

// gidOfText makes the gid of a number that is kept as text; what is a gid already stays.
func gidOfText(kind, id string) gid {
	if strings.HasPrefix(id, gidPrefix) {
		return gid(id)
	}
	return gid(gidPrefix + kind + "/" + id)
}

// number is the object's number, or 0 when the gid is not one of that shape.
func (g gid) number() int64 {
	if g == "" {
		return 0 // before an error is made that nobody reads
	}
	n, err := strconv.ParseInt(g.tail(), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// tail is what stands behind the kind, without parameters.
func (g gid) tail() string {
	s := string(g)
	if i := strings.IndexByte(s, '?'); i >= 0 {
		s = s[:i]
	}
	return s[strings.LastIndexByte(s, '/')+1:]
}

// kind is what the gid names, such as Order; empty when it is not a gid.
func (g gid) kind() string {
	rest, ok := strings.CutPrefix(string(g), gidPrefix)
	if !ok {
		return ""
	}
	kind, _, _ := strings.Cut(rest, "/")
	return kind
}
