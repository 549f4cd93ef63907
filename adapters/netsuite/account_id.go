package netsuite

import (
	"fmt"
	"regexp"
	"strings"
)

// AccountID is the id of an account as NetSuite shows it under Setup > Company > Company
// Information: 123456, TSTDRV123456, or with the suffix of what is not production: 123456_SB1 for a
// sandbox, 123456_RP for release preview.
type AccountID string

var accountForm = regexp.MustCompile(`^[A-Za-z0-9]{3,32}([_-][A-Za-z0-9]{1,16})?$`)

// Validate fails for a text that is no account id, such as a host or a URL.
func (a AccountID) Validate() error {
	if !accountForm.MatchString(string(a)) {
		return fmt.Errorf("%.64q is no account id, such as 123456 or 123456_SB1", string(a))
	}
	return nil
}

// Host is the account's own name in the domain of SuiteTalk: the id in small letters, with a hyphen
// for the underscore.
func (a AccountID) Host() string {
	return strings.ReplaceAll(strings.ToLower(string(a)), "_", "-") + ".suitetalk.api.netsuite.com"
}

// Realm is the id as a signature names it: in capitals, with the underscore.
func (a AccountID) Realm() string {
	return strings.ReplaceAll(strings.ToUpper(string(a)), "-", "_")
}

// Sandbox reports whether the account is a sandbox or release preview: what is set up there by hand
// is lost whenever it is refreshed from production.
func (a AccountID) Sandbox() bool {
	_, suffix, ok := strings.Cut(a.Realm(), "_")
	return ok && (strings.HasPrefix(suffix, "SB") || strings.HasPrefix(suffix, "RP"))
}
