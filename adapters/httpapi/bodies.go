package httpapi

import "encoding/json"

// The bodies that sonic fills. Their tags are the rules that the pass over the body checks first;
// shape.go says what they mean. Those of a PUT have also the members that their GET adds, so that
// its answer can be edited and sent back: the name must be the path's, the index says nothing.

type locationBody struct {
	ID         string    `json:"id" is:"id"`
	Kind       string    `json:"kind" is:"words merchant fba"`
	Region     string    `json:"region" is:"note"`
	Country    string    `json:"country" is:"note"`
	PostalCode string    `json:"postal_code" is:"note"`
	Master     string    `json:"master" is:"id"`
	Shortfall  string    `json:"shortfall" is:"words none newest priority"`
	Pool       *poolBody `json:"pool"`
	Index      int64     `json:"index" is:"int 0 9223372036854775807"`
}

// poolBody is a pool of marketplaces that share one stock; reader is the one whose figures count.
type poolBody struct {
	Connection   string   `json:"connection" is:"id" required:"yes"`
	Marketplaces []string `json:"marketplaces,omitempty" is:"id" most:"100 pool-marketplaces"`
	Reader       string   `json:"reader,omitempty" is:"id"`
}

type channelBody struct {
	ID        string     `json:"id" is:"id"`
	Kind      string     `json:"kind" is:"words api shopify amazon erp"`
	Region    string     `json:"region" is:"note"`
	Locations []string   `json:"locations" is:"id" most:"1000 channel-locations"`
	Split     *bool      `json:"split"`
	Publish   string     `json:"publish" is:"words pooled dedicated"`
	Priority  int64      `json:"priority" is:"int -1000000000 1000000000"`
	Rules     *rulesBody `json:"rules"`
	Index     int64      `json:"index" is:"int 0 9223372036854775807"`
}

type rulesBody struct {
	Buffer        int64       `json:"buffer" is:"int 0 1000000000"`
	BufferPercent json.Number `json:"buffer_percent" is:"percent"`
	Max           int64       `json:"max" is:"int 0 1000000000"`
	Min           int64       `json:"min" is:"int 0 1000000000"`
	Threshold     int64       `json:"threshold" is:"int 0 1000000000"`
}

type skuBody struct {
	SKU     string    `json:"sku" is:"sku"`
	Title   string    `json:"title" is:"title"`
	Barcode string    `json:"barcode" is:"ref"`
	Tags    []string  `json:"tags" is:"ref" most:"100 tags"`
	Kit     []kitPart `json:"kit" most:"100 kit-components"`
	Index   int64     `json:"index" is:"int 0 9223372036854775807"`
}

type kitPart struct {
	SKU string `json:"sku" is:"sku" required:"yes"`
	Qty int64  `json:"qty" is:"int 1 1000000000" required:"yes"`
}

// namedSKUBody is skuBody with the SKU in it, because sonic and the shape know no embedding.
type namedSKUBody struct {
	SKU     string    `json:"sku" is:"sku" required:"yes"`
	Title   string    `json:"title" is:"title"`
	Barcode string    `json:"barcode" is:"ref"`
	Tags    []string  `json:"tags" is:"ref" most:"100 tags"`
	Kit     []kitPart `json:"kit" most:"100 kit-components"`
}

type skusBody struct {
	SKUs []namedSKUBody `json:"skus" required:"yes" most:"10000 skus"`
}

type stockBody struct {
	Changes []changeBody `json:"changes" required:"yes" most:"10000 stock-changes"`
	Atomic  bool         `json:"atomic"`
}

// changeBody is one change of stock: a set, an adjust or a move.
type changeBody struct {
	SKU      string `json:"sku" is:"sku" required:"yes"`
	Location string `json:"location" is:"id"`
	From     string `json:"from" is:"id"`
	To       string `json:"to" is:"id"`
	Set      *int64 `json:"set" is:"int 0 1000000000"`
	Adjust   *int64 `json:"adjust" is:"int -1000000000 1000000000"`
	Move     *int64 `json:"move" is:"int 1 1000000000"`
	Source   string `json:"source" is:"note"`
	Reason   string `json:"reason" is:"note"`
	AsOf     string `json:"as_of" is:"time"`
}

type availabilityBody struct {
	Channel string   `json:"channel" is:"id" required:"yes"`
	SKUs    []string `json:"skus" is:"sku" required:"yes" most:"10000 skus"`
}
