package scope

import (
	"cmp"
	"fmt"
	"slices"
)

// Report is what the files say.
type Report struct {
	SKUs     int            `json:"skus"` // of the shop and the ERP together, that are stock or are listed
	Shopify  *ShopReport    `json:"shopify,omitempty"`
	NetSuite *ERPReport     `json:"netsuite,omitempty"`
	Regions  []RegionReport `json:"regions"`
	Flows    []Flow         `json:"flows"`
	Findings []Finding      `json:"findings"`
	Cut      bool           `json:"cut"` // there are more findings than are kept
}

// ShopReport is about the products of the shop.
type ShopReport struct {
	Variants   int      `json:"variants"`
	WithoutSKU int      `json:"without_sku"`
	Duplicates int      `json:"duplicates"` // variants whose SKU another one has
	GiftCards  int      `json:"gift_cards"`
	NotShipped int      `json:"not_shipped"`
	Untracked  int      `json:"untracked"`
	NotInERP   int      `json:"not_in_netsuite"`
	Markets    []string `json:"markets,omitempty"` // with prices of their own
}

// ERPReport is about the items of NetSuite.
type ERPReport struct {
	Items      int      `json:"items"`
	Kits       int      `json:"kits"`
	NotStock   int      `json:"not_stock"`
	Duplicates int      `json:"duplicates"`
	NotInShop  int      `json:"not_in_shopify"`
	Currencies []string `json:"currencies,omitempty"`
}

// RegionReport is about one marketplace. FBA, FBM, Both and Neither are our SKUs, and add up to
// Report.SKUs; the others are listings.
type RegionReport struct {
	Region      string `json:"region"`
	Currency    string `json:"currency,omitempty"` // empty: not known
	FBA         int    `json:"fba"`
	FBM         int    `json:"fbm"`
	Both        int    `json:"both"`
	Neither     int    `json:"neither"`
	Listings    int    `json:"listings"`
	FBAListings int    `json:"fba_listings"`
	FBMListings int    `json:"fbm_listings"`
	Inactive    int    `json:"inactive"`
	Mapped      int    `json:"mapped"`     // a row of the mapping names it; none in files
	BySKU       int    `json:"by_sku"`     // the seller SKU is ours
	ToConfirm   int    `json:"to_confirm"` // recognised by something else
	Unmapped    int    `json:"unmapped"`
	Duplicates  int    `json:"duplicates"`
	KitsFBM     int    `json:"kits_fbm"`
}

// Finding is one line that needs a person.
type Finding struct {
	Side   string `json:"side"` // shopify, amazon, netsuite
	Region string `json:"region,omitempty"`
	Code   string `json:"code"`
	SKU    string `json:"sku,omitempty"`
	Theirs string `json:"theirs,omitempty"`
	ASIN   string `json:"asin,omitempty"`
	Title  string `json:"title,omitempty"`
	Line   int    `json:"line,omitempty"` // of the file
	Detail string `json:"detail"`
}

// MaxFindings is how many findings are kept; the counts are of all.
const MaxFindings = 100_000

func (s *survey) find(f Finding) {
	if len(s.report.Findings) == MaxFindings {
		s.report.Cut = true
		return
	}
	s.report.Findings = append(s.report.Findings, f)
}

func compareFindings(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.Side, b.Side), cmp.Compare(a.Region, b.Region),
		cmp.Compare(a.Code, b.Code), cmp.Compare(a.Line, b.Line), cmp.Compare(a.SKU, b.SKU))
}

// Flow says of one flow what it will do and what not.
type Flow struct {
	ID    string   `json:"id"`
	Name  string   `json:"name"`
	Will  []string `json:"will"`
	Wont  []string `json:"wont"`
	Needs []string `json:"needs,omitempty"` // decisions that the files cannot make
}

// currencies are those of Amazon's marketplaces.
var currencies = map[string]string{"US": "USD", "CA": "CAD", "MX": "MXN", "BR": "BRL", "UK": "GBP",
	"GB": "GBP", "DE": "EUR", "FR": "EUR", "IT": "EUR", "ES": "EUR", "NL": "EUR", "BE": "EUR",
	"IE": "EUR", "SE": "SEK", "PL": "PLN", "TR": "TRY", "JP": "JPY", "AU": "AUD", "SG": "SGD",
	"IN": "INR", "AE": "AED", "SA": "SAR", "EG": "EGP", "ZA": "ZAR"}

// flows says what each flow will do with what was added.
func (s *survey) flows() []Flow {
	var all []Flow
	if s.report.Shopify != nil {
		all = append(all, s.shopFlows()...)
	}
	if len(s.regions) > 0 {
		all = append(all, s.amazonFlows()...)
	}
	if s.report.NetSuite != nil {
		all = append(all, s.erpFlow())
	}
	return all
}

func (s *survey) shopFlows() []Flow {
	r := s.report.Shopify
	notStock := r.GiftCards + r.NotShipped + r.Untracked
	return []Flow{{
		ID: "F1", Name: "publish stock to Shopify",
		Will: lines(r.Variants-notStock-r.WithoutSKU-r.Duplicates, "variants that get their quantity: %d"),
		Wont: append(lines(notStock, "variants without stock, never written: %d"),
			lines(r.WithoutSKU+r.Duplicates, "variants without a SKU of their own, which wait for a mapping: %d")...),
	}, {
		ID: "F3", Name: "Shopify orders",
		Will: append([]string{"reserve at once, in the order of the channel's locations"},
			lines(notStock, "variants whose lines are carried without stock: %d")...),
		Wont: lines(r.WithoutSKU+r.Duplicates,
			"variants whose lines wait under one exception each until they are mapped: %d"),
	}}
}

func (s *survey) amazonFlows() []Flow {
	var sum RegionReport
	publish := Flow{ID: "F1", Name: "publish stock to Amazon"}
	prices := Flow{ID: "F2", Name: "listings and prices"}
	for _, r := range s.regions {
		sum.FBAListings += r.FBAListings
		sum.FBMListings += r.FBMListings
		sum.Unmapped += r.Unmapped
		sum.ToConfirm += r.ToConfirm
		sum.KitsFBM += r.KitsFBM
		publish.Will = append(publish.Will, of(r.Region, lines(r.FBMListings, "merchant listings at most: %d"))...)
		publish.Wont = append(publish.Wont, of(r.Region, lines(r.FBAListings, "FBA listings, never written: %d"))...)
		if r.Currency == "" {
			prices.Needs = append(prices.Needs, r.Region+": its currency")
			continue
		}
		prices.Will = append(prices.Will, r.Region+": prices in "+r.Currency+", where content is owned")
	}
	publish.Wont = append(publish.Wont, lines(sum.Unmapped, "unmapped listings: %d")...)
	publish.Needs = lines(sum.ToConfirm, "listings to be confirmed in the mapping: %d")
	publish.Will = append(publish.Will, lines(sum.KitsFBM, "kits that get the number that their components allow: %d")...)
	prices.Needs = append(prices.Needs, "rates and rounding for currencies without a market of the shop")
	orders := Flow{ID: "F5", Name: "Amazon orders",
		Will: append(lines(sum.FBMListings, "merchant listings whose orders are committed, then created in Shopify: %d"),
			lines(sum.FBAListings, "FBA listings whose orders are recorded and move no stock here: %d")...),
		Wont: lines(sum.Unmapped, "listings whose lines wait under one exception each until they are mapped: %d")}
	levels := Flow{ID: "F7", Name: "FBA levels", Will: lines(sum.FBAListings, "FBA listings that are mirrored: %d"),
		Needs: []string{"one location of kind fba for each pool of marketplaces, and its reader"}}
	if sum.FBAListings == 0 {
		levels.Wont = []string{"there is no FBA listing"}
	}
	return []Flow{publish, prices, orders, levels}
}

func (s *survey) erpFlow() Flow {
	r := s.report.NetSuite
	f := Flow{ID: "F12", Name: "NetSuite", Will: append(
		lines(r.Items-r.NotStock-r.Duplicates, "items whose positions are read: %d"),
		lines(r.Kits, "kits ordered as kit items, whose members are not counted twice: %d")...),
		Wont: append(lines(r.NotStock, "items that are no stock: %d"),
			lines(r.Duplicates, "items whose name is another's: %d")...)}
	if s.report.Shopify != nil {
		f.Wont = append(f.Wont, lines(s.report.Shopify.NotInERP, "SKUs of the shop without an item: %d")...)
	}
	if len(r.Currencies) > 1 {
		f.Needs = append(f.Needs, fmt.Sprintf("a rule for currencies: %d", len(r.Currencies)))
	}
	return f
}

// lines is one line about n things; none for none of them.
func lines(n int, format string) []string {
	if n <= 0 {
		return nil
	}
	return slices.Clip([]string{fmt.Sprintf(format, n)})
}

// of puts the region in front of each line.
func of(region string, list []string) []string {
	for i := range list {
		list[i] = region + ": " + list[i]
	}
	return list
}
