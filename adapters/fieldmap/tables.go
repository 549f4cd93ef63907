package fieldmap

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
)

var sharedEnvironment = sync.OnceValues(func() (*cel.Env, error) { return environment() })

// Tables translate names between systems. Names are compared without case and outer spaces.
type Tables struct {
	ShipServices []Pair    `json:"ship_services,omitempty"` // a way of shipping → theirs
	Carriers     []Carrier `json:"carriers,omitempty"`
	Tenders      []Pair    `json:"tenders,omitempty"` // a way of paying → theirs
}

// Pair translates one name.
type Pair struct {
	Name string `json:"name"`
	To   string `json:"to"`
}

// Carrier is one carrier by its name in each system.
type Carrier struct {
	Names      []string `json:"names"`       // by which it is known wherever a shipment comes from
	AmazonCode string   `json:"amazon_code"` // one of Amazon's, or Other with AmazonName
	AmazonName string   `json:"amazon_name,omitempty"`
	Shopify    string   `json:"shopify"`  // tracking company
	NetSuite   string   `json:"netsuite"` // shipping method
}

// The names of the tables and of the columns of carriers.
const (
	ShipService = "ship_service"
	CarrierName = "carrier"
	Tender      = "tender"

	amazonCode = "amazon_code"
	amazonName = "amazon_name"
	shopify    = "shopify"
	netsuite   = "netsuite"
	otherCode  = "Other"
)

// UnknownNameError says that a table does not have a name. It is the same for every order, so that it
// becomes one exception.
type UnknownNameError struct{ Table, Name string }

// Error names the table and the name.
func (e *UnknownNameError) Error() string { return fmt.Sprintf("table %s has no %q", e.Table, e.Name) }

// Trace is what all orders that need the name share.
func (e *UnknownNameError) Trace() string { return "table:" + e.Table + ":" + plain(e.Name) }

// Code is the stable name of the outcome.
func (e *UnknownNameError) Code() string { return "unknown-name" }

func plain(name string) string { return strings.ToLower(strings.TrimSpace(name)) }

// maxNames bounds the names of all tables together: a record has 64 KiB.
const maxNames = 1_000

// Validate returns nil, or the first fault as a *FieldFault: a name that is there twice, or is empty.
func (t *Tables) Validate() error {
	names := 0
	for _, list := range []struct {
		at    string
		pairs []Pair
	}{{"ship_services", t.ShipServices}, {"tenders", t.Tenders}} {
		seen := map[string]bool{}
		for i, p := range list.pairs {
			at := fmt.Sprintf("%s[%d]", list.at, i)
			if plain(p.Name) == "" || p.To == "" {
				return &FieldFault{at, "must have a name and a to"}
			}
			if seen[plain(p.Name)] {
				return &FieldFault{at + ".name", "is there twice"}
			}
			seen[plain(p.Name)] = true
			names++
		}
	}
	seen := map[string]bool{}
	for i, c := range t.Carriers {
		at := fmt.Sprintf("carriers[%d]", i)
		if len(c.Names) == 0 || c.AmazonCode == otherCode && c.AmazonName == "" {
			return &FieldFault{at, "must have names, and an amazon_name beside the code Other"}
		}
		for _, n := range c.Names {
			if plain(n) == "" || seen[plain(n)] {
				return &FieldFault{at + ".names", fmt.Sprintf("%q is empty or there twice", n)}
			}
			seen[plain(n)] = true
			names++
		}
	}
	if names > maxNames {
		return &FieldFault{"names", fmt.Sprintf("must be at most %d together", maxNames)}
	}
	return nil
}

// check says what is wrong with a table and a column, or nothing.
func (t *Tables) check(table, column string) string {
	columns := []string{amazonCode, amazonName, shopify, netsuite}
	switch {
	case table == CarrierName && !slices.Contains(columns, column):
		return "of carrier must have a column: " + strings.Join(columns, ", ")
	case table == CarrierName || (table == ShipService || table == Tender) && column == "":
		return ""
	case table == ShipService || table == Tender:
		return "has no columns"
	}
	return "must be of table ship_service, carrier or tender"
}

// Find translates a name. It fails with an *UnknownNameError for one that is not there, or whose column
// is empty.
func (t *Tables) Find(table, name, column string) (any, error) {
	to := ""
	switch table {
	case ShipService:
		to = pair(t.ShipServices, name)
	case Tender:
		to = pair(t.Tenders, name)
	case CarrierName:
		c, _ := t.Carrier(name)
		to = map[string]string{amazonCode: c.AmazonCode, amazonName: c.AmazonName, shopify: c.Shopify,
			netsuite: c.NetSuite}[column]
		if column == amazonName && c.AmazonCode != "" && to == "" {
			return nil, nil // needed beside Other only
		}
	}
	if to == "" {
		return nil, &UnknownNameError{table, name}
	}
	return to, nil
}

func pair(list []Pair, name string) string {
	i := slices.IndexFunc(list, func(p Pair) bool { return plain(p.Name) == plain(name) })
	if i < 0 {
		return ""
	}
	return list[i].To
}

// Carrier finds a carrier by any of its names.
func (t *Tables) Carrier(name string) (Carrier, bool) {
	for _, c := range t.Carriers {
		if slices.ContainsFunc(c.Names, func(n string) bool { return plain(n) == plain(name) }) {
			return c, true
		}
	}
	return Carrier{}, false
}
