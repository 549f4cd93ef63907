package netsuitetest

import (
	"encoding/json"
	"strconv"
	"time"
)

// MarshalJSON writes the number as it is, without a detour through binary fractions. Its error is
// always nil.
func (d dec) MarshalJSON() ([]byte, error) { return []byte(d.String()), nil }

type object = map[string]any

// stamp is how REST writes a moment: whole seconds.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

func selfLink(url string) []object { return []object{{"rel": "self", "href": url}} }

// view renders records for one caller.
type view struct {
	a    *account
	base string // https://host/services/rest/record/v1
}

func (v view) url(r *record) string {
	return v.base + "/" + r.typ.name + "/" + strconv.FormatInt(r.id, 10)
}

// record renders a record; sublists are links, or with expand their lines.
func (v view) record(r *record, expand bool) object {
	out := object{"links": selfLink(v.url(r)), "id": strconv.FormatInt(r.id, 10)}
	v.fields(out, r.values, func(name string) *field { return v.a.field(r.typ.fields, name, "custbody") })
	if r.external != "" {
		out["externalId"] = r.external
	}
	if !r.created.IsZero() {
		out["createdDate"], out["lastModifiedDate"] = stamp(r.created), stamp(r.modified)
	}
	if word := r.typ.statuses[r.status]; word != "" {
		out["status"] = object{"id": r.status, "refName": word}
	}
	if r.source != nil {
		out["createdFrom"] = v.ref(r.source)
	}
	if r.typ.fields["total"] != nil {
		out["subtotal"], out["total"], out["taxTotal"] = r.subtotal, r.total, r.tax
		out["discountTotal"] = r.discount
	}
	if r.typ.family == transactionFamily && r.by == "api" {
		out["source"] = object{"id": "restWebServices", "refName": "REST Web Services"}
	}
	for _, sub := range r.typ.subs {
		url := v.url(r) + "/" + sub.name
		if !expand {
			out[sub.name] = object{"links": selfLink(url)}
			continue
		}
		items := []object{}
		for _, l := range r.lines[sub.name] {
			items = append(items, v.line(r, sub, l))
		}
		out[sub.name] = object{"links": selfLink(url), "items": items, "totalResults": len(items)}
	}
	return out
}

// fields renders values by the kinds of their fields.
func (v view) fields(out object, from values, find func(string) *field) {
	for name, value := range from {
		f := find(name)
		switch x := value.(type) {
		case ref:
			target := ""
			if f != nil {
				target = f.target
			}
			if name == "item" {
				target = "item"
			}
			if r := v.a.get(target, int64(x)); r != nil {
				out[name] = v.ref(r)
			}
		case enum:
			out[name] = object{"id": string(x), "refName": f.words[string(x)]}
		default:
			out[name] = value
		}
	}
}

func (v view) ref(r *record) object {
	return object{"links": selfLink(v.url(r)), "id": strconv.FormatInt(r.id, 10), "refName": r.name()}
}

// line renders a line of a sublist.
func (v view) line(r *record, sub *sublist, l *line) object {
	out := object{"links": selfLink(v.url(r) + "/" + sub.name + "/" + strconv.FormatInt(l.no, 10))}
	v.fields(out, l.values, func(name string) *field { return v.a.field(sub.fields, name, "custcol") })
	if sub.name != "item" {
		if sub.key == "line" {
			out["line"] = l.no
		}
		return out
	}
	out["line"], out["lineUniqueKey"] = l.no, l.key
	item := v.a.item(l.values)
	if item != nil {
		out["itemType"] = object{"id": item.typ.code, "refName": item.typ.code}
	}
	if r.is("salesOrder", "transferOrder", "returnAuthorization") {
		out["quantityCommitted"], out["quantityBackOrdered"] = l.committed, l.backordered
		out["quantityFulfilled"], out["quantityPicked"] = l.shipped, l.picked
		out["quantityPacked"], out["quantityBilled"] = l.packed, l.billed
		out["quantityReceived"] = l.received
		out["isClosed"] = l.flag("isClosed")
	}
	if item != nil && item.stocked() && l.has("location") {
		b := v.a.bucket(item.id, l.ref("location"))
		out["quantityOnHand"], out["quantityAvailable"] = b.onHand, b.available()
	}
	if r.source != nil && l.has("orderLine") {
		out["orderDoc"] = v.ref(r.source)
		if from := r.source.find("item", int64(l.num("orderLine")/one)); from != nil {
			out["quantityRemaining"] = v.a.left(r, from)
		}
	}
	return out
}

// encode makes JSON of what the simulator made itself: it cannot fail.
func encode(x any) []byte {
	text, err := json.Marshal(x)
	if err != nil {
		panic(err)
	}
	return text
}
