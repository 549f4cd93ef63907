package node

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"os"
	"strconv"
	"strings"
)

// What an order of the benchmark sells: SKU i is variant firstVariant + i.
const (
	benchSKUs    = 2_000
	firstVariant = 40_000_000_000_000
	firstItem    = 50_000_000_000_000
	firstOrder   = 5_000_000_000_000
	hookSecret   = "shpss_of_the_benchmark"
)

// The numbers that stand in a template for those of one order. Lines count up from theirs.
const (
	templateOrder   = 711_100_000_000_001
	templateVariant = 722_200_000_000_000
	templateLine    = 733_300_000_000_000
)

// smallOrder has the members of Shopify's body of an order of two lines without the sets of money: a
// shop with one currency.
//
//go:embed testdata/order_small.json
var smallOrder string

// documentedOrder is the body that Shopify documents, with each set of money: five lines, not cancelled,
// no test, and each of a variant whose stock is kept. It fails when the fixture is not there.
func documentedOrder() (string, error) {
	b, err := os.ReadFile("../../../../shared/fixtures/shopify/docs-2026-07/orders_create.json")
	if err != nil {
		return "", err
	}
	var file struct {
		Response map[string]any `json:"response"`
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(&file); err != nil {
		return "", err
	}
	o := file.Response
	set := func(m map[string]any, what string, number int) {
		m["id"] = number
		m["admin_graphql_api_id"] = "gid://shopify/" + what + "/" + strconv.Itoa(number)
	}
	set(o, "Order", templateOrder)
	o["cancelled_at"], o["cancel_reason"], o["test"] = nil, nil, false
	o["name"] = "#" + strconv.Itoa(templateOrder)
	lines, _ := o["line_items"].([]any)
	for i := range lines {
		l, _ := lines[i].(map[string]any)
		set(l, "LineItem", templateLine+i)
		l["variant_id"], l["variant_inventory_management"] = templateVariant+i, "shopify"
		l["requires_shipping"] = true
	}
	text, err := json.Marshal(o)
	return string(text), err
}

// hookOrder makes the body of order i, and its signature.
func hookOrder(template string, i int) (body []byte, signature string) {
	pairs := []string{strconv.Itoa(templateOrder), strconv.Itoa(firstOrder + i)}
	for k := range strings.Count(template, "gid://shopify/LineItem/") {
		sku := (i*7919 + k*104_729) % benchSKUs // lines of one order are of different SKUs
		pairs = append(pairs, strconv.Itoa(templateVariant+k), strconv.Itoa(firstVariant+sku),
			strconv.Itoa(templateLine+k), strconv.Itoa(6*firstOrder+8*i+k))
	}
	body = []byte(strings.NewReplacer(pairs...).Replace(template))
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(body)
	return body, base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
