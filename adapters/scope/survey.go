package scope

import (
	"errors"
	"slices"
	"strings"

	"holdfast/adapters/mapping"
)

// File is an export file with its name, for faults.
type File struct {
	Name string
	Text []byte
}

// Input are the files; one of them is enough.
type Input struct {
	Shopify  *File
	NetSuite *File
	Amazon   []Region
}

// Region is a marketplace with its file.
type Region struct {
	Name string // "US", "DE", …, or a word of the merchant's own
	File File
}

// Survey reads the files and says what is in them. It fails with the faults of all files, joined, each
// a *FileError; then there is no report.
func Survey(in Input) (*Report, error) {
	s := newSurvey()
	var faults []error
	if in.Shopify != nil {
		shop, err := readShop(in.Shopify.Name, in.Shopify.Text)
		faults = append(faults, err)
		if err == nil {
			s.addShop(shop)
		}
	}
	if in.NetSuite != nil {
		items, err := readERP(in.NetSuite.Name, in.NetSuite.Text)
		faults = append(faults, err)
		if err == nil {
			s.addERP(items)
		}
	}
	for _, r := range in.Amazon {
		all, err := readListings(r.File.Name, r.File.Text)
		faults = append(faults, err)
		if err == nil {
			s.addRegion(r.Name, all)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return s.finish(), nil
}

func newSurvey() *survey {
	return &survey{report: &Report{}, skus: map[string]*ours{}, byBarcode: map[string][]string{},
		similar: map[string][]string{}}
}

// finish is the report of all that was added.
func (s *survey) finish() *Report {
	s.compare()
	s.report.Flows = s.flows()
	for i := range s.report.Flows {
		f := &s.report.Flows[i]
		f.Will, f.Wont = listed(f.Will), listed(f.Wont)
	}
	r := s.report
	r.Flows, r.Regions, r.Findings = listed(r.Flows), listed(r.Regions), listed(r.Findings)
	return r
}

// listed is a list that is written as one when it is empty.
func listed[T any](list []T) []T {
	if list == nil {
		list = []T{}
	}
	return list
}

type survey struct {
	report    *Report
	skus      map[string]*ours
	order     []string
	byBarcode map[string][]string
	similar   map[string][]string
	regions   []*regionState
}

// ours is one SKU that the shop or the ERP has.
type ours struct {
	sku, title string
	shop, erp  int // how often it is there
	kit, stock bool
	line       int
}

type regionState struct {
	*RegionReport
	fba, fbm map[string]bool // our SKUs that are listed so
}

func (s *survey) our(sku, barcode, title string, line int) *ours {
	o := s.skus[sku]
	if o == nil {
		o = &ours{sku: sku, title: title, stock: true, line: line}
		s.skus[sku] = o
		s.order = append(s.order, sku)
		if plain := mapping.NormalSKU(sku); plain != "" {
			s.similar[plain] = append(s.similar[plain], sku)
		}
	}
	if code := mapping.NormalBarcode(barcode); code != "" && !slices.Contains(s.byBarcode[code], sku) {
		s.byBarcode[code] = append(s.byBarcode[code], sku)
	}
	return o
}

func (s *survey) addShop(shop *shop) {
	r := &ShopReport{Variants: len(shop.products), Markets: shop.markets}
	slices.Sort(r.Markets)
	for _, p := range shop.products {
		stock := false
		switch {
		case p.giftCard:
			r.GiftCards++
		case !p.ships:
			r.NotShipped++
		case !p.tracked:
			r.Untracked++
		default:
			stock = true
		}
		if p.sku == "" {
			r.WithoutSKU++
			s.find(Finding{Side: "shopify", Code: "no-sku", Title: p.title, Line: p.line,
				Detail: "the variant has no SKU: it can only be mapped by its id"})
			continue
		}
		o := s.our(p.sku, p.barcode, p.title, p.line)
		o.stock = stock
		if o.shop++; o.shop > 1 {
			r.Duplicates++
			s.find(Finding{Side: "shopify", Code: "duplicate-sku", SKU: p.sku, Title: p.title, Line: p.line,
				Detail: "another variant has the same SKU: only one of them can be it"})
		}
	}
	s.report.Shopify = r
}

func (s *survey) addERP(items []erpItem) {
	r := &ERPReport{Items: len(items)}
	for _, it := range items {
		if it.currency != "" && !slices.Contains(r.Currencies, it.currency) {
			r.Currencies = append(r.Currencies, it.currency)
		}
		if it.kit {
			r.Kits++
		}
		if !it.stock {
			r.NotStock++
			continue
		}
		o := s.our(it.sku, it.barcode, it.title, it.line)
		o.kit = o.kit || it.kit
		if o.erp++; o.erp > 1 {
			r.Duplicates++
			s.find(Finding{Side: "netsuite", Code: "duplicate-item", SKU: it.sku, Title: it.title,
				Line: it.line, Detail: "another item has the same name"})
		}
	}
	slices.Sort(r.Currencies)
	s.report.NetSuite = r
}

// How a listing was recognised.
const (
	byRow     = "mapping"
	bySKU     = "sku"
	byBarcode = "barcode"
	byASIN    = "asin"
	bySimilar = "similar-sku"
)

// match finds the SKU of ours that a listing is. More than one candidate is none.
func (s *survey) match(l *listing, byAsin map[string]string) (sku, by string) {
	if l.mapped != "" {
		s.our(l.mapped, "", l.title, l.line)
		return l.mapped, byRow
	}
	if s.skus[l.sku] != nil {
		return l.sku, bySKU
	}
	if found := s.byBarcode[mapping.NormalBarcode(l.barcode)]; len(found) == 1 {
		return found[0], byBarcode
	}
	if found := byAsin[l.asin]; found != "" && l.asin != "" {
		return found, byASIN
	}
	plain := mapping.NormalSKU(l.sku)
	for _, try := range []string{plain, strings.TrimSuffix(plain, "fba"), strings.TrimSuffix(plain, "fbm"),
		strings.TrimSuffix(plain, "mfn"), strings.TrimPrefix(plain, "fba"),
		strings.TrimPrefix(plain, "amzngrr")} {
		if found := s.similar[try]; len(found) == 1 && try != "" {
			return found[0], bySimilar
		}
	}
	return "", ""
}

func (s *survey) addRegion(name string, all []listing) {
	r := &regionState{RegionReport: &RegionReport{Region: name, Currency: currencies[strings.ToUpper(name)],
		Listings: len(all)}, fba: map[string]bool{}, fbm: map[string]bool{}}
	s.regions = append(s.regions, r)
	byAsin := map[string]string{}
	for i := range all { // sure ones first, so that the same product in another listing is known
		if s.skus[all[i].sku] != nil {
			byAsin[all[i].asin] = all[i].sku
		}
	}
	seen := map[string]bool{}
	for i := range all {
		l := &all[i]
		r.count(l)
		if seen[l.sku] {
			r.Duplicates++
			s.find(Finding{Side: "amazon", Region: name, Code: "duplicate-seller-sku", Theirs: l.sku,
				ASIN: l.asin, Line: l.line, Detail: "the report lists this seller SKU twice"})
			continue
		}
		seen[l.sku] = true
		sku, by := s.match(l, byAsin)
		s.matched(r, l, sku, by)
	}
}

func (r *regionState) count(l *listing) {
	if l.fba {
		r.FBAListings++
	} else {
		r.FBMListings++
	}
	if !l.active {
		r.Inactive++
	}
}

// matched counts a listing as what it was recognised as.
func (s *survey) matched(r *regionState, l *listing, sku, by string) {
	f := Finding{Side: "amazon", Region: r.Region, SKU: sku, Theirs: l.sku, ASIN: l.asin, Title: l.title,
		Line: l.line}
	switch by {
	case "":
		r.Unmapped++
		f.Code, f.Detail = "unmapped", "no SKU of the other files is this seller SKU"
		s.find(f)
		return
	case byRow:
		r.Mapped++
	case bySKU:
		r.BySKU++
	default:
		r.ToConfirm++
		f.Code, f.Detail = "confirm", "recognised by "+by+" only: confirm it in the mapping"
		s.find(f)
	}
	if l.fba {
		r.fba[sku] = true
	} else {
		r.fbm[sku] = true
		if s.skus[sku].kit {
			r.KitsFBM++
		}
	}
}

// compare counts what needs all files.
func (s *survey) compare() {
	for _, sku := range s.order {
		o := s.skus[sku]
		if !o.stock && !slices.ContainsFunc(s.regions, func(r *regionState) bool {
			return r.fba[sku] || r.fbm[sku]
		}) {
			continue
		}
		s.report.SKUs++
		if s.report.Shopify != nil && s.report.NetSuite != nil && o.stock {
			switch {
			case o.erp == 0:
				s.report.Shopify.NotInERP++
				s.find(Finding{Side: "netsuite", Code: "missing-item", SKU: sku, Title: o.title,
					Detail: "NetSuite has no item of this name: its orders wait under one exception"})
			case o.shop == 0:
				s.report.NetSuite.NotInShop++
			}
		}
		for _, r := range s.regions {
			switch fba, fbm := r.fba[sku], r.fbm[sku]; {
			case fba && fbm:
				r.Both++
			case fba:
				r.FBA++
			case fbm:
				r.FBM++
			default:
				r.Neither++
			}
		}
	}
	for code, skus := range s.byBarcode {
		if len(skus) > 1 {
			slices.Sort(skus)
			s.find(Finding{Side: "shopify", Code: "duplicate-barcode", SKU: skus[0],
				Detail: "barcode " + code + " is of " + strings.Join(skus[:min(5, len(skus))], ", ")})
		}
	}
	for _, r := range s.regions {
		s.report.Regions = append(s.report.Regions, *r.RegionReport)
	}
	slices.SortStableFunc(s.report.Findings, compareFindings)
}
