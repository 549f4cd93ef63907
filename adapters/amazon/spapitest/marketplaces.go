package spapitest

import (
	"slices"
	"strconv"
	"strings"
)

// marketplace is one of Amazon's stores. Ids are those of the page "Marketplace IDs" of SP-API.
type marketplace struct {
	id, country, name, currency, language, domain, region string
}

var marketplaces = []marketplace{
	{"ATVPDKIKX0DER", "US", "Amazon.com", "USD", "en_US", "www.amazon.com", "na"},
	{"A2EUQ1WTGCTBG2", "CA", "Amazon.ca", "CAD", "en_CA", "www.amazon.ca", "na"},
	{"A1AM78C64UM0Y8", "MX", "Amazon.com.mx", "MXN", "es_MX", "www.amazon.com.mx", "na"},
	{"A2Q3Y263D00KWC", "BR", "Amazon.com.br", "BRL", "pt_BR", "www.amazon.com.br", "na"},
	{"A1PA6795UKMFR9", "DE", "Amazon.de", "EUR", "de_DE", "www.amazon.de", "eu"},
	{"A13V1IB3VIYZZH", "FR", "Amazon.fr", "EUR", "fr_FR", "www.amazon.fr", "eu"},
	{"APJ6JRA9NG5V4", "IT", "Amazon.it", "EUR", "it_IT", "www.amazon.it", "eu"},
	{"A1RKKUPIHCS9HS", "ES", "Amazon.es", "EUR", "es_ES", "www.amazon.es", "eu"},
	{"A1805IZSGTT6HS", "NL", "Amazon.nl", "EUR", "nl_NL", "www.amazon.nl", "eu"},
	{"AMEN7PMS3EDWL", "BE", "Amazon.com.be", "EUR", "fr_BE", "www.amazon.com.be", "eu"},
	{"A28R8C7NBKEWEA", "IE", "Amazon.ie", "EUR", "en_IE", "www.amazon.ie", "eu"},
	{"A2NODRKZP88ZB9", "SE", "Amazon.se", "SEK", "sv_SE", "www.amazon.se", "eu"},
	{"A1C3SOZRARQ6R3", "PL", "Amazon.pl", "PLN", "pl_PL", "www.amazon.pl", "eu"},
	{"A1F83G8C2ARO7P", "GB", "Amazon.co.uk", "GBP", "en_GB", "www.amazon.co.uk", "eu"},
	{"A33AVAJ2PDY3EV", "TR", "Amazon.com.tr", "TRY", "tr_TR", "www.amazon.com.tr", "eu"},
	{"A17E79C6D8DWNP", "SA", "Amazon.sa", "SAR", "ar_AE", "www.amazon.sa", "eu"},
	{"A2VIGQ35RCS4UG", "AE", "Amazon.ae", "AED", "en_AE", "www.amazon.ae", "eu"},
	{"ARBP9OOSHTCHU", "EG", "Amazon.eg", "EGP", "ar_AE", "www.amazon.eg", "eu"},
	{"AE08WJ6YKNBMC", "ZA", "Amazon.co.za", "ZAR", "en_ZA", "www.amazon.co.za", "eu"},
	{"A21TJRUUN4KGV", "IN", "Amazon.in", "INR", "en_IN", "www.amazon.in", "eu"},
	{"A1VC38T7YXB528", "JP", "Amazon.co.jp", "JPY", "ja_JP", "www.amazon.co.jp", "fe"},
	{"A39IBJ37TRP1C6", "AU", "Amazon.com.au", "AUD", "en_AU", "www.amazon.com.au", "fe"},
	{"A19VAU5U5O7RUS", "SG", "Amazon.sg", "SGD", "en_SG", "www.amazon.sg", "fe"},
}

// panEU are the countries whose warehouses are one pool unless an account says otherwise.
var panEU = []string{"DE", "FR", "IT", "ES", "NL", "BE", "SE", "PL", "IE"}

// regions are the hosts of the API by the first step of the path that stands for them here.
var regions = map[string]string{"na": "sellingpartnerapi-na.amazon.com",
	"eu": "sellingpartnerapi-eu.amazon.com", "fe": "sellingpartnerapi-fe.amazon.com"}

// marketplaceOf finds one by id or by country.
func marketplaceOf(s string) (marketplace, bool) {
	i := slices.IndexFunc(marketplaces, func(m marketplace) bool {
		return m.id == s || m.country == strings.ToUpper(s)
	})
	if i < 0 {
		return marketplace{}, false
	}
	return marketplaces[i], true
}

// money is an amount in the smallest unit of its currency.
type money int64

// decimals is how many digits a currency has after the point.
func decimals(currency string) int {
	if currency == "JPY" {
		return 0
	}
	return 2
}

func (m money) text(currency string) string {
	n := decimals(currency)
	if n == 0 {
		return strconv.FormatInt(int64(m), 10)
	}
	sign := ""
	if m < 0 {
		sign, m = "-", -m
	}
	s := strconv.FormatInt(int64(m), 10)
	for len(s) <= n {
		s = "0" + s
	}
	return sign + s[:len(s)-n] + "." + s[len(s)-n:]
}

// parseMoney reads a decimal of at most 15 digits; false where it is none, or finer than the
// currency.
func parseMoney(s, currency string) (money, bool) {
	whole, frac, _ := strings.Cut(s, ".")
	n := decimals(currency)
	if len(whole) > 15 || len(frac) > n {
		return 0, false
	}
	v, err := strconv.ParseInt(whole+frac+strings.Repeat("0", n-len(frac)), 10, 64)
	return money(v), err == nil
}
