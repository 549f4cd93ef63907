package spapitest

import (
	"encoding/json"
	"maps"
	"strings"
)

// attributes are a listing's, by name; each is a list of values that selectors tell apart.
type attributes map[string][]obj

// selectors tell values of one attribute apart: a value of another store, language or audience is
// another value.
var selectors = []string{"marketplace_id", "language_tag", "audience", "fulfillment_channel_code"}

// same says whether a patch's value is about a value that is there: the selectors that it names are
// equal.
func sameValue(there, patch obj) bool {
	for _, s := range selectors {
		if v, named := patch[s]; named && there[s] != v {
			return false
		}
	}
	return true
}

// set replaces the value with the same selectors, or adds one.
func (a attributes) set(name string, v obj) {
	for i, there := range a[name] {
		if sameValue(there, v) {
			a[name][i] = v
			return
		}
	}
	a[name] = append(a[name], v)
}

// apply does one operation of a patch to an attribute.
func (a attributes) apply(op, name string, values []obj) {
	switch op {
	case "delete":
		a.remove(name, values)
	case "merge":
		for _, v := range values {
			a.merge(name, v)
		}
	default: // add and replace: what is given takes the place of what is there
		for _, v := range values {
			a.set(name, clean(v))
		}
	}
}

func (a attributes) remove(name string, values []obj) {
	if len(values) == 0 {
		delete(a, name)
		return
	}
	var kept []obj
	for _, there := range a[name] {
		hit := false
		for _, v := range values {
			hit = hit || sameValue(there, v)
		}
		if !hit {
			kept = append(kept, there)
		}
	}
	if a[name] = kept; len(kept) == 0 {
		delete(a, name)
	}
}

// merge lays a value over the one with the same selectors: what it does not name stays, null
// deletes.
func (a attributes) merge(name string, v obj) {
	for i, there := range a[name] {
		if sameValue(there, v) {
			a[name][i] = merged(there, v)
			return
		}
	}
	a[name] = append(a[name], clean(v))
}

func merged(there, v obj) obj {
	out := maps.Clone(there)
	for k, x := range v {
		inner, isObj := x.(obj)
		old, wasObj := out[k].(obj)
		switch {
		case x == nil:
			delete(out, k)
		case isObj && wasObj:
			out[k] = merged(old, inner)
		default:
			out[k] = x
		}
	}
	return out
}

// clean leaves out nulls.
func clean(v obj) obj { return merged(obj{}, v) }

// json is the attributes with fulfillment_availability, as they are read.
func (l *listing) attributesJSON() obj {
	out := obj{"fulfillment_availability": l.availability()}
	for name, values := range l.attrs {
		out[name] = values
	}
	if _, priced := out["purchasable_offer"]; !priced {
		offers := []obj{}
		for _, m := range l.markets {
			offers = append(offers, obj{"marketplace_id": m.id, "currency": m.currency,
				"our_price": []obj{{"schedule": []obj{{
					"value_with_tax": json.Number(l.priceIn(m).text(m.currency))}}}}})
		}
		out["purchasable_offer"] = offers
	}
	return out
}

// offerPrice digs our_price[0].schedule[0].value_with_tax out of an offer.
func offerPrice(offer obj, currency string) (money, bool) {
	first := func(v any, key string) any {
		list, isList := v.([]any)
		if !isList || len(list) == 0 {
			return nil
		}
		m, isObj := list[0].(obj)
		if !isObj {
			return nil
		}
		return m[key]
	}
	v, isNumber := first(first(offer["our_price"], "schedule"), "value_with_tax").(json.Number)
	if !isNumber {
		return 0, false
	}
	return parseMoney(v.String(), currency)
}

// camel finds a name in the shape in which listings are read, not written: the first with a capital.
func camel(v any) (string, bool) {
	switch v := v.(type) {
	case obj:
		for k, x := range v {
			if strings.ToLower(k) != k {
				return k, true
			}
			if name, found := camel(x); found {
				return name, true
			}
		}
	case []any:
		for _, x := range v {
			if name, found := camel(x); found {
				return name, true
			}
		}
	}
	return "", false
}
