package routing

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// unknownMember finds the first member of a list that no rule has, by its path. It is asked only once
// a list was refused, because the decoder names the member and not where it stands.
func unknownMember(body []byte) (path string, found bool) {
	var list struct {
		Rules []map[string]json.RawMessage `json:"rules"`
	}
	if json.Unmarshal(body, &list) != nil {
		return "", false
	}
	for i, rule := range list.Rules {
		at := "rules[" + strconv.Itoa(i) + "]."
		if name, ok := stranger(rule, Rule{}); ok {
			return at + name, true
		}
		for member, of := range map[string]any{"when": When{}, "then": Then{}} {
			var part map[string]json.RawMessage
			if json.Unmarshal(rule[member], &part) != nil {
				continue
			}
			if name, ok := stranger(part, of); ok {
				return at + member + "." + name, true
			}
		}
	}
	return "", false
}

// stranger is the first name in a part that its type has no member for.
func stranger(part map[string]json.RawMessage, of any) (name string, found bool) {
	known := map[string]bool{}
	for f := range reflect.TypeOf(of).Fields() {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		known[tag] = true
	}
	for _, n := range slices.Sorted(maps.Keys(part)) {
		if !known[n] {
			return n, true
		}
	}
	return "", false
}
