package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// Side says what kind of thing outside a Ref names.
type Side uint8

// The sides.
const (
	Variant Side = iota + 1 // of a Shopify shop
	Seller                  // a seller SKU of an Amazon account
	ERPItem                 // an item of an ERP
)

var sideNames = [...]string{Variant: "variant", Seller: "seller", ERPItem: "item"}

// String is the word of the side in keys.
func (s Side) String() string {
	if int(s) < len(sideNames) && sideNames[s] != "" {
		return sideNames[s]
	}
	return "unknown"
}

// single reports whether a SKU of ours may be only one thing of a connection on this side (M2).
func (s Side) single() bool { return s != Seller }

// Ref is one thing outside: what an order's line names, and what a row says a SKU to be.
type Ref struct {
	Connection  string `json:"connection"`
	Side        Side   `json:"side"`
	ID          string `json:"id"`
	Marketplace string `json:"marketplace,omitempty"` // of a Seller; empty: all those of the connection
}

// VariantRef names a variant of a shop.
func VariantRef(connection string, variant int64) Ref {
	return Ref{Connection: connection, Side: Variant, ID: strconv.FormatInt(variant, 10)}
}

// SellerRef names a listing.
func SellerRef(connection, marketplace, sellerSKU string) Ref {
	return Ref{Connection: connection, Side: Seller, ID: sellerSKU, Marketplace: marketplace}
}

// ItemRef names an item of an ERP.
func ItemRef(connection, item string) Ref {
	return Ref{Connection: connection, Side: ERPItem, ID: item}
}

// How long the parts of a key may be, in bytes. A longer one stands there as its hash, so that a key
// with a word and an order's id of 128 bytes behind it stays below records.MaxKey.
const (
	keyConnection  = 36
	keyID          = 36
	keyMarketplace = 33
)

// Key is the key of the record of the row that maps it, and the beginning of the keys of what waits
// for that row.
func (f Ref) Key() string {
	var b [192]byte
	return string(f.appendKey(b[:0]))
}

func (f Ref) appendKey(b []byte) []byte {
	b = appendPart(b, f.Connection, keyConnection)
	b = append(b, '/')
	b = append(b, f.Side.String()...)
	b = append(b, '/')
	b = appendPart(b, f.ID, keyID)
	if f.Side == Seller {
		// Behind the id, so that the listings of one seller SKU stand together.
		b = append(b, '/')
		b = appendPart(b, f.Marketplace, keyMarketplace)
	}
	return b
}

// Trace is what all exceptions about this thing share, so that there is one of them.
func (f Ref) Trace() string { return "mapping:" + f.Key() }

// String is for people.
func (f Ref) String() string {
	s := f.Side.String() + " " + strconv.Quote(f.ID) + " of " + f.Connection
	if f.Marketplace != "" {
		s += " in " + f.Marketplace
	}
	return s
}

// appendPart appends a part of a key without the signs that divide keys.
func appendPart(b []byte, text string, most int) []byte {
	if len(text) <= most && !strings.ContainsAny(text, "/%#") {
		return append(b, text...)
	}
	if plain := escaper.Replace(text); len(plain) <= most {
		return append(b, plain...)
	}
	sum := sha256.Sum256([]byte(text))
	b = append(b, '#') // no plain part has one
	return hex.AppendEncode(b, sum[:16])
}

var escaper = strings.NewReplacer("/", "%2F", "%", "%25", "#", "%23")

// Variants is how the keys begin of all variants of a connection: those of their rows, and of their items
// in the catalogue.
func Variants(connection string) string { return prefixOf(connection) + Variant.String() + "/" }

// Listings is how the keys begin of all rows of a connection's seller SKUs.
func Listings(connection string) string { return prefixOf(connection) + Seller.String() + "/" }

// prefixOf is how all keys of a connection begin.
func prefixOf(connection string) string {
	return string(append(appendPart(nil, connection, keyConnection), '/'))
}
