package routing

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// shelves is stock by location and SKU.
type shelves map[string]map[string]int64

func (s shelves) Covers(location string, lines []Line) bool {
	need := map[string]int64{}
	for _, l := range lines {
		need[l.SKU] += l.Qty
	}
	for sku, qty := range need {
		if s[location][sku] < qty {
			return false
		}
	}
	return true
}

func parse(t *testing.T, text string) List {
	t.Helper()
	list, err := Parse([]byte(text))
	require.NoError(t, err)
	return list
}

const rules = `{"rules":[
	{"id":"amazon","when":{"fulfilled_by":"amazon"},"then":{"locations":["fba-us"]}},
	{"id":"fragile","when":{"tag":["fragile","glass"],"sku":"VASE-*"},"then":{"hold":"pack by hand"}},
	{"id":"dear","when":{"value":{"min":"1000","currency":"USD"}},"then":{"hold":true}},
	{"id":"alaska","when":{"country":"US","region":["ak","HI"]},"then":{"mcf":true,"locations":["fba-us"]}},
	{"id":"bay","when":{"country":"US","postal_code":["940","941"],"available":["sf","la"]},
		"then":{"locations":["sf","la"],"split":false}},
	{"id":"uk","when":{"channel":["web","pos"],"country":"GB","postal_code":"SW1"},
		"then":{"locations":["london"]}},
	{"id":"cheap","when":{"value":"<10.00"},"then":{"locations":["depot"]}}]}`

func TestDecide(t *testing.T) {
	t.Parallel()
	list := parse(t, rules)
	stock := shelves{"sf": {"A": 1}, "la": {"A": 3}}
	line := func(sku string, qty int64, tags ...string) Line { return Line{SKU: sku, Qty: qty, Tags: tags} }
	for name, x := range map[string]struct {
		order Order
		rule  string
		why   string
	}{
		"nothing matches": {Order{Channel: "web", Lines: []Line{line("A", 1)}}, "",
			"no rule matches: the channel's own order of locations"},
		"who fulfils": {Order{FulfilledBy: "amazon", Value: "5000", Currency: "USD"}, "amazon",
			"rule amazon: fulfilled by amazon"},
		"tag without the SKU": {Order{Tags: []string{"fragile"}, Lines: []Line{line("A", 1)}}, "",
			"no rule matches: the channel's own order of locations"},
		"tag of a line and prefix": {Order{Lines: []Line{line("A", 1), line("VASE-9", 1, "Glass")}}, "fragile",
			"rule fragile: tag Glass of VASE-9, SKU VASE-9"},
		"value at the bound":     {Order{Value: "1000.00", Currency: "USD"}, "dear", "rule dear: value 1000.00 USD"},
		"value below it":         {Order{Value: "999.99", Currency: "USD"}, "", ""},
		"value in another money": {Order{Value: "1000", Currency: "JPY"}, "", ""},
		"value that is none":     {Order{Value: "1e9", Currency: "USD"}, "", ""},
		"region in any case": {Order{Country: "us", Region: "AK"}, "alaska",
			"rule alaska: country US, region AK"},
		"postal prefix and all at one place": {Order{Country: "US", PostalCode: "94105-1234",
			Lines: []Line{line("A", 2)}}, "bay", "rule bay: country US, postal code 941, everything at la"},
		"equal SKUs are summed": {Order{Country: "US", PostalCode: "94105",
			Lines: []Line{line("A", 2), line("A", 2)}}, "", ""},
		"a pinned line needs no stock": {Order{Country: "US", PostalCode: "94105",
			Lines: []Line{line("A", 3), {SKU: "A", Qty: 9, Location: "shop"}}}, "bay", ""},
		"postal code with a space": {Order{Channel: "pos", Country: "GB", PostalCode: "sw1a 2aa"}, "uk", ""},
		"another channel":          {Order{Channel: "b2b", Country: "GB", PostalCode: "SW1A"}, "", ""},
		"below a text bound":       {Order{Value: "9.999", Currency: "EUR"}, "cheap", "rule cheap: value 9.999 EUR"},
	} {
		d := Decide(list, x.order, stock)
		require.Equal(t, x.rule, d.Rule, name)
		if x.why != "" {
			require.Equal(t, x.why, d.Why, name)
		}
		require.NotEmpty(t, d.Why, name)
	}
	require.Empty(t, Decide(list, Order{Country: "US", PostalCode: "94105", Lines: []Line{line("A", 1)}},
		nil).Rule, "without stock nothing is available")
	d := Decide(list, Order{Country: "US", PostalCode: "94000", Lines: []Line{line("A", 1)}}, stock)
	require.Equal(t, []string{"sf", "la"}, d.Locations)
	require.False(t, *d.Split)
	d.Locations[0] = "changed"
	require.Equal(t, "sf", list.Rules[4].Then.Locations[0], "a decision is the order's own")
	require.Equal(t, plainHold, Decide(list, Order{Value: "2000", Currency: "USD"}, nil).Hold)
}

func TestMCFCarriesWhatFollows(t *testing.T) {
	t.Parallel()
	list := parse(t, rules)
	d := Decide(list, Order{Country: "US", Region: "HI", PostalCode: "94101", Value: "3",
		Lines: []Line{{SKU: "A", Qty: 1}}}, shelves{"sf": {"A": 1}})
	require.True(t, d.MCF)
	var after []string
	for _, f := range d.Fallback {
		require.Empty(t, f.Fallback)
		after = append(after, f.Rule+"|"+f.Hold)
	}
	require.Equal(t, []string{"bay|", "cheap|", "|" + OutOfStock}, after)
	body, err := json.Marshal(d)
	require.NoError(t, err)
	var back Decision
	require.NoError(t, json.Unmarshal(body, &back))
	require.Equal(t, d, back, "it is stored with the order")
	many := List{Rules: []Rule{{ID: "mcf", Then: Then{MCF: true}}}}
	for range 40 {
		many.Rules = append(many.Rules, Rule{ID: "x"})
	}
	require.Len(t, Decide(many, Order{}, nil).Fallback, maxFallbacks+1)
}

func TestDecimalsCompareAsAmounts(t *testing.T) {
	t.Parallel()
	rising := []Decimal{"-100.5", "-100.49", "-1", "0", "0.001", "0.1", "0.100001", "9", "10",
		"99.99", "100", "100.0000000000000001", "12345678901234567890"}
	for i, a := range rising {
		require.True(t, a.Valid(), a)
		for j, b := range rising {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			require.Equal(t, want, a.Compare(b), "%s and %s", a, b)
		}
	}
	for _, same := range [][2]Decimal{{"1", "01.00"}, {"-0", "0.0"}, {"10.50", "10.5"}, {"-2.0", "-2"}} {
		require.Zero(t, same[0].Compare(same[1]), same)
	}
	for _, bad := range []Decimal{"", "-", ".5", "5.", "1e3", "1,000", "+1", " 1", "1.2.3", "NaN", "--1",
		"1234567890123456789012345678901"} {
		require.False(t, bad.Valid(), "%q", bad)
	}
}
