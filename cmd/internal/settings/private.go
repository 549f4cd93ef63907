package settings

import (
	"fmt"
	"net/netip"
)

// prefixes reads blocks of addresses. It fails for the first that is none.
func prefixes(text string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, one := range listed(text) {
		p, err := netip.ParsePrefix(one)
		if err != nil || p != p.Masked() {
			return nil, fmt.Errorf("%q must be a block of addresses such as 10.1.0.0/16", one)
		}
		all = append(all, p)
	}
	return all, nil
}

// private are the addresses that webhooks are sent to although they are not public; the text was checked.
func (v *Values) private() []netip.Prefix {
	all, _ := prefixes(v.text("webhooks.private"))
	return all
}
