package spapi

import "slices"

// Region is one of the three that Amazon runs the API in. An account has its own credentials,
// limits and stock in each.
type Region string

// The regions.
const (
	NA Region = "na" // North and South America
	EU Region = "eu" // Europe, Middle East, Africa, India
	FE Region = "fe" // Singapore, Australia, Japan
)

// TokenEndpoint is where every region's tokens come from.
const TokenEndpoint = "https://api.amazon.com/auth/o2/token"

var endpoints = map[Region]string{
	NA: "https://sellingpartnerapi-na.amazon.com",
	EU: "https://sellingpartnerapi-eu.amazon.com",
	FE: "https://sellingpartnerapi-fe.amazon.com",
}

// Endpoint is the address of a region; empty for one that is none.
func (r Region) Endpoint() string { return endpoints[r] }

// Marketplace is one of Amazon's shops.
type Marketplace struct {
	ID       string
	Country  string // ISO 3166, such as US
	Region   Region
	Currency string
}

// marketplaces are those of developer-docs.amazon.com/sp-api/docs/marketplace-ids.
var marketplaces = []Marketplace{
	{"A2EUQ1WTGCTBG2", "CA", NA, "CAD"}, {"ATVPDKIKX0DER", "US", NA, "USD"},
	{"A1AM78C64UM0Y8", "MX", NA, "MXN"}, {"A2Q3Y263D00KWC", "BR", NA, "BRL"},
	{"A28R8C7NBKEWEA", "IE", EU, "EUR"}, {"A1RKKUPIHCS9HS", "ES", EU, "EUR"},
	{"A1F83G8C2ARO7P", "GB", EU, "GBP"}, {"A13V1IB3VIYZZH", "FR", EU, "EUR"},
	{"AMEN7PMS3EDWL", "BE", EU, "EUR"}, {"A1805IZSGTT6HS", "NL", EU, "EUR"},
	{"A1PA6795UKMFR9", "DE", EU, "EUR"}, {"APJ6JRA9NG5V4", "IT", EU, "EUR"},
	{"A2NODRKZP88ZB9", "SE", EU, "SEK"}, {"AE08WJ6YKNBMC", "ZA", EU, "ZAR"},
	{"A1C3SOZRARQ6R3", "PL", EU, "PLN"}, {"ARBP9OOSHTCHU", "EG", EU, "EGP"},
	{"A33AVAJ2PDY3EV", "TR", EU, "TRY"}, {"A17E79C6D8DWNP", "SA", EU, "SAR"},
	{"A2VIGQ35RCS4UG", "AE", EU, "AED"}, {"A21TJRUUN4KGV", "IN", EU, "INR"},
	{"A19VAU5U5O7RUS", "SG", FE, "SGD"}, {"A39IBJ37TRP1C6", "AU", FE, "AUD"},
	{"A1VC38T7YXB528", "JP", FE, "JPY"},
}

// MarketplaceOf finds a marketplace by its id.
func MarketplaceOf(id string) (Marketplace, bool) {
	at := slices.IndexFunc(marketplaces, func(m Marketplace) bool { return m.ID == id })
	if at < 0 {
		return Marketplace{}, false
	}
	return marketplaces[at], true
}
