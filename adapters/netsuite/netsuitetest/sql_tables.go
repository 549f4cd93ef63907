package netsuitetest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table is what FROM can name.
type table struct {
	name    string
	columns map[string]*column
	rows    func(a *account) []any
	// lookup finds rows by the text of a column without looking at all.
	lookup map[string]func(a *account, text string) []any
	// custom finds the values of custom fields of a row, which have a prefix.
	custom func(row any) values
	prefix string
}

// column is a column of a table.
type column struct {
	name string
	key  bool // equal values have equal texts
	get  func(q *query, row any) sqlValue
	show func(q *query, row any) sqlValue // BUILTIN.DF; nil: the value itself
}

func (t *table) names() []string { return slices.Sorted(maps.Keys(t.columns)) }

// column finds a column; custom fields of the account are columns too.
func (t *table) column(a *account, name string) *column {
	if c := t.columns[name]; c != nil {
		return c
	}
	f := a.custom[name]
	if f == nil || t.custom == nil || !strings.HasPrefix(name, t.prefix) {
		return nil
	}
	return &column{name: name, key: true, get: func(q *query, row any) sqlValue {
		return plainValue(q, t.custom(row)[f.name])
	}}
}

// plainValue is a field's value as a query sees it.
func plainValue(_ *query, v any) sqlValue {
	switch x := v.(type) {
	case string, dec:
		return x
	case bool:
		return flagValue(x)
	case ref:
		return whole(int64(x))
	case enum:
		return string(x)
	}
	return nil
}

// of makes a column from what it is of a row.
func of[T any](name string, get func(q *query, row T) sqlValue) *column {
	return &column{name: name, get: func(q *query, row any) sqlValue {
		r, _ := row.(T)
		return get(q, r)
	}}
}

// keyed makes a column whose text is its value.
func keyed[T any](name string, get func(q *query, row T) sqlValue) *column {
	c := of(name, get)
	c.key = true
	return c
}

// refers makes a column that holds the id of a record, whose name BUILTIN.DF shows.
func refers[T any](name string, get func(q *query, row T) *record) *column {
	c := keyed(name, func(q *query, row T) sqlValue {
		if r := get(q, row); r != nil {
			return whole(r.id)
		}
		return nil
	})
	c.show = func(q *query, row any) sqlValue {
		x, _ := row.(T)
		if r := get(q, x); r != nil {
			return r.name()
		}
		return nil
	}
	return c
}

// fieldColumn shows a field of a record; words of an enum are what BUILTIN.DF shows.
func fieldColumn(name, field string) *column {
	c := keyed(name, func(q *query, r *record) sqlValue { return plainValue(q, r.values[field]) })
	if field == "itemId" || field == "entityId" {
		c.key = true
	}
	return c
}

func tableOf(name string, rows func(a *account) []any, columns ...*column) *table {
	t := &table{name: name, rows: rows, columns: map[string]*column{},
		lookup: map[string]func(*account, string) []any{}}
	for _, c := range columns {
		t.columns[c.name] = c
	}
	return t
}

// tables holds every table, by its name in lower case.
var tables = map[string]*table{}

// makeTables fills tables; the types of records must be there.
func makeTables() {
	for _, t := range []*table{transactionTable(), lineTable(), itemTable(), memberTable(),
		linkTable("previoustransactionlinelink"), linkTable("nexttransactionlinelink"),
		balanceTable("inventoryitemlocations"), balanceTable("aggregateitemlocation"), trackingTable(),
		trackingMap(), listTable("location", "name", "isInactive", "makeInventoryAvailable"),
		listTable("subsidiary", "name", "isInactive"), listTable("currency", "name", "symbol"),
		listTable("customer", "entityId", "companyName", "firstName", "lastName", "email", "phone",
			"isPerson", "isInactive"),
		listTable("accountingPeriod", "periodName", "closed", "allLocked"),
		tableOf("dual", func(*account) []any { return []any{&bucket{}} },
			of("dummy", func(*query, *bucket) sqlValue { return "X" }))} {
		tables[t.name] = t
	}
	tables["accountingperiod"].columns["startdate"] = dayColumn("startdate", "startDate")
	tables["accountingperiod"].columns["enddate"] = dayColumn("enddate", "endDate")
}

func dayColumn(name, field string) *column {
	return of(name, func(q *query, r *record) sqlValue { return q.day(r.text(field)) })
}

// recordColumns are those that every record has.
func recordColumns() []*column {
	return []*column{
		keyed("id", func(_ *query, r *record) sqlValue { return whole(r.id) }),
		keyed("externalid", func(_ *query, r *record) sqlValue {
			if r.external == "" {
				return nil
			}
			return r.external
		}),
		of("createddate", func(_ *query, r *record) sqlValue { return moment(r.created) }),
		of("lastmodifieddate", func(_ *query, r *record) sqlValue { return moment(r.modified) }),
	}
}

// recordRows are the records of some types, in the order of types and creation.
func recordRows(types func() []*recordType) func(a *account) []any {
	return func(a *account) []any {
		var out []any
		for _, t := range types() {
			for _, r := range a.byType[t.name] {
				out = append(out, r)
			}
		}
		return out
	}
}

// typesOf are the types of a family, by name.
func typesOf(family string) []*recordType {
	var out []*recordType
	for _, name := range slices.Sorted(maps.Keys(recordTypes)) {
		if t := recordTypes[name]; t.family == family {
			out = append(out, t)
		}
	}
	return out
}

// byRecord finds a row by the id of its record.
func byRecord(family string) map[string]func(*account, string) []any {
	return map[string]func(*account, string) []any{
		"id": func(a *account, text string) []any {
			id, err := strconv.ParseInt(text, 10, 64)
			if r := a.records[family][id]; err == nil && r != nil {
				return []any{r}
			}
			return nil
		},
		"externalid": func(a *account, text string) []any {
			var out []any
			seen := map[*record]bool{}
			for _, t := range typesOf(family) {
				if r := a.byExternal[a.externalKeyOf(t, text)]; r != nil && !seen[r] {
					seen[r] = true
					out = append(out, r)
				}
			}
			return out
		},
	}
}

func transactionTable() *table {
	columns := append(recordColumns(),
		keyed("type", func(_ *query, r *record) sqlValue { return r.typ.code }),
		keyed("recordtype", func(_ *query, r *record) sqlValue { return lower(r.typ.name) }),
		fieldColumn("tranid", "tranId"), fieldColumn("transactionnumber", "tranId"),
		fieldColumn("otherrefnum", "otherRefNum"), fieldColumn("memo", "memo"),
		fieldColumn("email", "email"), dayColumn("trandate", "tranDate"), dayColumn("shipdate", "shipDate"),
		fieldColumn("shipmethod", "shipMethod"), statusColumn(),
		refers("entity", func(q *query, r *record) *record { return q.a.get("customer", r.ref("entity")) }),
		refers("currency", func(q *query, r *record) *record { return q.a.get("currency", r.ref("currency")) }),
		refers("transferlocation", func(q *query, r *record) *record {
			return q.a.get("location", r.ref("transferLocation"))
		}),
		refers("postingperiod", func(q *query, r *record) *record {
			return q.a.get("accountingPeriod", r.ref("postingPeriod"))
		}),
		of("foreigntotal", func(_ *query, r *record) sqlValue {
			if r.typ.fields["total"] == nil {
				return nil
			}
			if r.is("creditMemo", "cashRefund") {
				return -r.total
			}
			return r.total
		}),
		of("exchangerate", func(*query, *record) sqlValue { return one }),
		keyed("posting", func(_ *query, r *record) sqlValue { return flagValue(r.typ.posting) }),
		keyed("voided", func(*query, *record) sqlValue { return "F" }))
	t := tableOf("transaction", recordRows(func() []*recordType { return typesOf(transactionFamily) }),
		columns...)
	t.lookup = byRecord(transactionFamily)
	t.prefix = "custbody"
	t.custom = func(row any) values {
		r, _ := row.(*record)
		return r.values
	}
	return t
}

func statusColumn() *column {
	c := of("status", func(_ *query, r *record) sqlValue {
		if r.status == "" {
			return nil
		}
		return sqlStatus{r.typ, r.status}
	})
	c.show = func(_ *query, row any) sqlValue {
		r, _ := row.(*record)
		return r.typ.title + " : " + r.typ.statuses[r.status]
	}
	return c
}

func itemTable() *table {
	t := tableOf("item", recordRows(func() []*recordType { return typesOf("item") }),
		append(recordColumns(), fieldColumn("itemid", "itemId"),
			fieldColumn("displayname", "displayName"), fieldColumn("upccode", "upcCode"),
			fieldColumn("isinactive", "isInactive"), fieldColumn("itemtype", "itemType"),
			keyed("fullname", func(_ *query, r *record) sqlValue { return r.text("itemId") }))...)
	t.lookup = byRecord("item")
	return t
}

func listTable(name string, fields ...string) *table {
	family := recordTypes[lower(name)].family
	columns := recordColumns()
	for _, f := range fields {
		columns = append(columns, fieldColumn(lower(f), f))
	}
	if name == "location" || name == "customer" {
		columns = append(columns, refers("subsidiary", func(q *query, r *record) *record {
			return q.a.get("subsidiary", r.ref("subsidiary"))
		}))
	}
	t := tableOf(lower(name), recordRows(func() []*recordType {
		return []*recordType{recordTypes[lower(name)]}
	}), columns...)
	t.lookup = byRecord(family)
	return t
}

// memberRow is a part of a kit or assembly.
type memberRow struct {
	parent *record
	line   *line
}

func memberTable() *table {
	return tableOf("itemmember", func(a *account) []any {
		var out []any
		for _, t := range typesOf("item") {
			for _, r := range a.byType[t.name] {
				for _, l := range r.lines["member"] {
					out = append(out, &memberRow{r, l})
				}
			}
		}
		return out
	}, refers("parentitem", func(_ *query, m *memberRow) *record { return m.parent }),
		refers("item", func(q *query, m *memberRow) *record { return q.a.item(m.line.values) }),
		of("quantity", func(_ *query, m *memberRow) sqlValue { return m.line.num("quantity") }),
		of("linenumber", func(_ *query, m *memberRow) sqlValue { return whole(m.line.no) }))
}

// balanceTable is the stock of items at locations.
func balanceTable(name string) *table {
	zero := func(*query, *bucket) sqlValue { return dec(0) }
	t := tableOf(name, func(a *account) []any {
		out := make([]any, len(a.order))
		for i, b := range a.order {
			out[i] = b
		}
		return out
	}, refers("item", func(q *query, b *bucket) *record { return q.a.records["item"][b.item] }),
		refers("location", func(q *query, b *bucket) *record { return q.a.records["location"][b.location] }),
		of("quantityonhand", func(_ *query, b *bucket) sqlValue { return b.onHand }),
		of("quantityavailable", func(_ *query, b *bucket) sqlValue { return b.available() }),
		of("quantitycommitted", func(_ *query, b *bucket) sqlValue { return b.committed }),
		of("quantitybackordered", func(_ *query, b *bucket) sqlValue { return b.backordered }),
		of("quantityintransit", func(_ *query, b *bucket) sqlValue { return b.inTransit }),
		of("quantityonorder", zero), of("reorderpoint", zero), of("preferredstocklevel", zero),
		of("lastquantityavailablechange", func(q *query, b *bucket) sqlValue {
			if q.a.assumed.AvailableChangeIsDate {
				return q.day(b.changed.In(q.a.zone).Format(time.DateOnly))
			}
			return moment(b.changed)
		}))
	t.lookup["item"] = func(a *account, text string) []any {
		id, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil
		}
		var out []any
		for _, l := range a.byType["location"] {
			if b := a.buckets[place{id, l.id}]; b != nil {
				out = append(out, b)
			}
		}
		return out
	}
	return t
}

// trackRow is a tracking number of a fulfilment.
type trackRow struct {
	record *record
	line   *line
}

func trackingRows(a *account) []any {
	var out []any
	for _, r := range a.byType["itemFulfillment"] {
		for _, l := range r.lines["package"] {
			if l.text("packageTrackingNumber") != "" {
				out = append(out, &trackRow{r, l})
			}
		}
	}
	return out
}

func trackingTable() *table {
	return tableOf("trackingnumber", trackingRows,
		keyed("id", func(_ *query, t *trackRow) sqlValue { return whole(t.line.key) }),
		keyed("trackingnumber", func(_ *query, t *trackRow) sqlValue {
			return t.line.text("packageTrackingNumber")
		}))
}

func trackingMap() *table {
	t := tableOf("trackingnumbermap", trackingRows,
		refers("transaction", func(_ *query, t *trackRow) *record { return t.record }),
		keyed("trackingnumber", func(_ *query, t *trackRow) sqlValue { return whole(t.line.key) }))
	t.lookup["transaction"] = func(a *account, text string) []any {
		var out []any
		for _, row := range byRecord(transactionFamily)["id"](a, text) {
			r, _ := row.(*record)
			for _, l := range r.lines["package"] {
				if l.text("packageTrackingNumber") != "" {
					out = append(out, &trackRow{r, l})
				}
			}
		}
		return out
	}
	return t
}
