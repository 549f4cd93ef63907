package netsuitetest

import (
	"strconv"
)

// lineRow is a row of transactionline: the main line of a transaction, which has no line of its own, or
// one of its lines. A fulfilment has a second row of each line for the cost of the goods.
type lineRow struct {
	r    *record
	l    *line
	no   int64 // linesequencenumber
	cost bool
}

// rowsOf are the rows of one transaction.
func (a *account) rowsOf(r *record) []any {
	out := []any{&lineRow{r: r}}
	for _, sub := range []string{"item", "inventory"} {
		for _, l := range r.lines[sub] {
			out = append(out, &lineRow{r: r, l: l, no: int64(len(out))})
			if r.is("itemFulfillment") && a.assumed.FulfilmentHasCostLines {
				out = append(out, &lineRow{r: r, l: l, no: int64(len(out)), cost: true})
			}
		}
	}
	return out
}

// id of a row of a line is the line's number; that of cost follows it.
func (x *lineRow) id() int64 {
	switch {
	case x.l == nil:
		return 0
	case x.cost:
		return x.l.no + 1
	}
	return x.l.no
}

// quantity has the sign of what it does to stock: what leaves is negative.
func (x *lineRow) quantity() sqlValue {
	switch {
	case x.l == nil:
		return nil
	case x.l.has("adjustQtyBy"):
		return x.l.num("adjustQtyBy")
	case x.r.is("salesOrder", "invoice", "cashSale", "itemFulfillment", "transferOrder") != x.cost:
		return -x.l.num("quantity")
	}
	return x.l.num("quantity")
}

// onOrder makes a column of what orders count of their lines.
func onOrder(name string, get func(l *line) dec) *column {
	return of(name, func(_ *query, x *lineRow) sqlValue {
		if x.l == nil || !x.r.is("salesOrder", "returnAuthorization", "transferOrder") {
			return nil
		}
		return get(x.l)
	})
}

func lineTable() *table {
	columns := append(lineColumns(),
		onOrder("quantitycommitted", func(l *line) dec { return l.committed }),
		onOrder("quantitybackordered", func(l *line) dec { return l.backordered }),
		onOrder("quantitypicked", func(l *line) dec { return l.picked }),
		onOrder("quantitypacked", func(l *line) dec { return l.packed }),
		onOrder("quantitybilled", func(l *line) dec { return l.billed }),
		onOrder("quantityshiprecv", func(l *line) dec {
			if l.order.is("returnAuthorization") {
				return l.received
			}
			return l.shipped
		}))
	t := tableOf("transactionline", func(a *account) []any {
		var out []any
		for _, t := range typesOf(transactionFamily) {
			for _, r := range a.byType[t.name] {
				out = append(out, a.rowsOf(r)...)
			}
		}
		return out
	}, columns...)
	t.lookup["transaction"] = func(a *account, text string) []any {
		id, err := strconv.ParseInt(text, 10, 64)
		if r := a.records[transactionFamily][id]; err == nil && r != nil {
			return a.rowsOf(r)
		}
		return nil
	}
	t.lookup["createdfrom"] = func(a *account, text string) []any {
		id, err := strconv.ParseInt(text, 10, 64)
		var out []any
		if r := a.records[transactionFamily][id]; err == nil && r != nil {
			for _, d := range r.derived {
				out = append(out, a.rowsOf(d)...)
			}
		}
		return out
	}
	t.prefix = "custcol"
	t.custom = func(row any) values {
		if x, _ := row.(*lineRow); x.l != nil {
			return x.l.values
		}
		return nil
	}
	return t
}

func lineColumns() []*column {
	type row = *lineRow
	onLine := func(name string, get func(q *query, x row) sqlValue) *column {
		return of(name, func(q *query, x row) sqlValue {
			if x.l == nil {
				return nil
			}
			return get(q, x)
		})
	}
	return []*column{
		refers("transaction", func(_ *query, x row) *record { return x.r }),
		keyed("id", func(_ *query, x row) sqlValue { return whole(x.id()) }),
		keyed("uniquekey", func(_ *query, x row) sqlValue {
			if x.l == nil {
				return whole(-x.r.id)
			}
			return whole(x.l.key*2 + x.id() - x.l.no)
		}),
		keyed("linesequencenumber", func(_ *query, x row) sqlValue { return whole(x.no) }),
		keyed("mainline", func(_ *query, x row) sqlValue { return flagValue(x.l == nil) }),
		keyed("taxline", func(*query, row) sqlValue { return "F" }),
		keyed("iscogs", func(_ *query, x row) sqlValue { return flagValue(x.cost) }),
		keyed("isinventoryaffecting", func(_ *query, x row) sqlValue {
			return flagValue(x.l != nil && x.r.typ.moves != nil && !x.cost &&
				x.r.is("itemFulfillment", "itemReceipt", "inventoryAdjustment", "inventoryTransfer"))
		}),
		keyed("kitcomponent", func(_ *query, x row) sqlValue { return flagValue(x.l != nil && x.l.member) }),
		keyed("isclosed", func(_ *query, x row) sqlValue {
			return flagValue(x.l != nil && x.l.flag("isClosed"))
		}),
		refers("item", func(q *query, x row) *record {
			if x.l == nil {
				return nil
			}
			return q.a.item(x.l.values)
		}),
		onLine("itemtype", func(q *query, x row) sqlValue {
			if item := q.a.item(x.l.values); item != nil {
				return item.typ.code
			}
			return nil
		}),
		refers("location", func(q *query, x row) *record {
			if x.l != nil && x.l.has("location") {
				return q.a.get("location", x.l.ref("location"))
			}
			return q.a.get("location", x.r.ref("location"))
		}),
		refers("subsidiary", func(q *query, x row) *record {
			return q.a.get("subsidiary", x.r.ref("subsidiary"))
		}),
		refers("entity", func(q *query, x row) *record { return q.a.get("customer", x.r.ref("entity")) }),
		refers("createdfrom", func(_ *query, x row) *record { return x.r.source }),
		of("quantity", func(_ *query, x row) sqlValue { return x.quantity() }),
		onLine("rate", func(_ *query, x row) sqlValue { return plainValue(nil, x.l.values["rate"]) }),
		of("foreignamount", func(_ *query, x row) sqlValue { return x.amount() }),
		of("netamount", func(_ *query, x row) sqlValue { return x.amount() }),
		onLine("memo", func(_ *query, x row) sqlValue { return plainValue(nil, x.l.values["description"]) }),
		onLine("orderline", func(_ *query, x row) sqlValue {
			return plainValue(nil, x.l.values["orderLine"])
		}),
		of("linelastmodifieddate", func(_ *query, x row) sqlValue { return moment(x.r.modified) }),
	}
}

// amount has the sign of its account: what a sale earns is negative, what is owed for it positive.
func (x *lineRow) amount() sqlValue {
	sale := x.r.is("salesOrder", "invoice", "cashSale")
	switch {
	case x.r.typ.fields["total"] == nil:
		return nil
	case x.l == nil && sale:
		return x.r.total
	case x.l == nil:
		return -x.r.total
	case sale:
		return -x.l.num("amount")
	}
	return x.l.num("amount")
}

// linkRow joins a line of a record to the line that it was made from.
type linkRow struct {
	before, after         *record
	beforeLine, afterLine *line
}

// linkTypes are the kinds of links, by the type of the later record.
var linkTypes = map[string]string{"itemFulfillment": "ShipRcpt", "itemReceipt": "ShipRcpt",
	"invoice": "OrdBill", "cashSale": "OrdBill", "creditMemo": "OrdBill", "cashRefund": "OrdBill",
	"returnAuthorization": "OrdRvCom"}

func linkTable(name string) *table {
	links := func(r *record) []any {
		var out []any
		if r.source == nil {
			return nil
		}
		for _, l := range r.items() {
			if from := r.source.find("item", int64(l.num("orderLine")/one)); from != nil {
				out = append(out, &linkRow{r.source, r, from, l})
			}
		}
		return out
	}
	t := tableOf(name, func(a *account) []any {
		var out []any
		for _, t := range typesOf(transactionFamily) {
			for _, r := range a.byType[t.name] {
				out = append(out, links(r)...)
			}
		}
		return out
	}, refers("previousdoc", func(_ *query, x *linkRow) *record { return x.before }),
		refers("nextdoc", func(_ *query, x *linkRow) *record { return x.after }),
		keyed("previousline", func(_ *query, x *linkRow) sqlValue { return whole(x.beforeLine.no) }),
		keyed("nextline", func(_ *query, x *linkRow) sqlValue { return whole(x.afterLine.no) }),
		keyed("previoustype", func(_ *query, x *linkRow) sqlValue { return x.before.typ.code }),
		keyed("nexttype", func(_ *query, x *linkRow) sqlValue { return x.after.typ.code }),
		keyed("linktype", func(_ *query, x *linkRow) sqlValue { return linkTypes[x.after.typ.name] }))
	t.lookup["nextdoc"] = func(a *account, text string) []any {
		id, err := strconv.ParseInt(text, 10, 64)
		if r := a.records[transactionFamily][id]; err == nil && r != nil {
			return links(r)
		}
		return nil
	}
	t.lookup["previousdoc"] = func(a *account, text string) []any {
		id, err := strconv.ParseInt(text, 10, 64)
		var out []any
		if r := a.records[transactionFamily][id]; err == nil && r != nil {
			for _, d := range r.derived {
				out = append(out, links(d)...)
			}
		}
		return out
	}
	return t
}
