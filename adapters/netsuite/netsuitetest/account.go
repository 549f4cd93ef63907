package netsuitetest

import (
	"sync"
	"time"
)

// account is everything that the simulated NetSuite keeps.
type account struct {
	cfg     Config
	now     func() time.Time
	journal *journal
	custom  map[string]*field // custom fields, by their names in lower case

	mu         sync.Mutex // guards what follows
	assumed    Assumptions
	zone       *time.Location
	records    map[string]map[int64]*record // by family and internal id
	byType     map[string][]*record         // by type, in the order of creation
	byExternal map[externalKey]*record
	buckets    map[place]*bucket
	order      []*bucket // in the order in which they were made
	next       map[string]int64
	numbers    map[string]int64 // of documents, by type
}

type externalKey struct{ family, id string }

// firstID of transactions is above all ids of lists, so that one is not taken for another.
const firstID = 40_000

func newAccount(cfg Config, j *journal, now func() time.Time) *account {
	a := &account{cfg: cfg, now: now, journal: j, custom: map[string]*field{},
		records: map[string]map[int64]*record{}, byType: map[string][]*record{},
		byExternal: map[externalKey]*record{}, buckets: map[place]*bucket{},
		next: map[string]int64{}, numbers: map[string]int64{}}
	a.next[transactionFamily] = firstID + int64(cfg.Seed%1000)*10
	for _, name := range cfg.CustomFields {
		a.custom[lower(name)] = &field{name: name}
	}
	a.assume(*cfg.Assumptions)
	a.populate()
	return a
}

// assume puts assumptions into force; the zone was checked before.
func (a *account) assume(x Assumptions) {
	a.assumed = x
	if zone, err := time.LoadLocation(x.TimeZone); err == nil {
		a.zone = zone
	}
}

// nextID gives out the next internal id of a family. Those of transactions rise by no fixed step,
// because other people and systems make records too.
func (a *account) nextID(family string) int64 {
	step := int64(1)
	if family == transactionFamily {
		step += a.next[family] * 2654435761 % 7
	}
	a.next[family] += step
	return a.next[family]
}

// externalKeyOf is where a record of that type would stand with that external id.
func (a *account) externalKeyOf(t *recordType, id string) externalKey {
	family := t.family
	if family == transactionFamily && !a.assumed.TransactionsShareExternalIDs {
		family = t.name
	}
	return externalKey{family, id}
}

// insert adds a record that was not there.
func (a *account) insert(r *record) {
	if r.id == 0 {
		r.id = a.nextID(r.typ.family)
	}
	if a.records[r.typ.family] == nil {
		a.records[r.typ.family] = map[int64]*record{}
	}
	a.records[r.typ.family][r.id] = r
	a.byType[r.typ.name] = append(a.byType[r.typ.name], r)
	if r.external != "" {
		a.byExternal[a.externalKeyOf(r.typ, r.external)] = r
	}
}

// get finds a record of a family or, where target names one, of a type.
func (a *account) get(target string, id int64) *record {
	if t := recordTypes[lower(target)]; t != nil {
		if r := a.records[t.family][id]; r != nil && r.typ == t {
			return r
		}
		return nil
	}
	return a.records[target][id]
}

// item, customer and location of a reference; nil without one.
func (a *account) item(v values) *record { return a.records["item"][v.ref("item")] }

// list adds a record of a list as the account is set up.
func (a *account) list(typ, external string, v values) *record {
	r := &record{typ: recordTypes[lower(typ)], external: external, values: v, by: "staff",
		created: a.now(), modified: a.now()}
	a.insert(r)
	return r
}

// populate makes the lists and the opening stock of the configuration.
func (a *account) populate() {
	for i, symbol := range a.cfg.Currencies {
		a.list("currency", "", values{"name": symbol, "symbol": a.cfg.Currencies[i]})
	}
	for _, name := range a.cfg.Subsidiaries {
		a.list("subsidiary", "", values{"name": name, "currency": ref(1)})
	}
	for i, name := range []string{"Inventory Adjustments", "Cost of Goods Sold", "Undeposited Funds"} {
		a.list("account", "", values{"acctName": name, "acctNumber": whole(int64(5000 + i)).String()})
	}
	subsidiary := func(name string) ref {
		for _, r := range a.byType["subsidiary"] {
			if r.text("name") == name {
				return ref(r.id)
			}
		}
		return 1
	}
	for _, l := range a.cfg.Locations {
		a.list("location", l.ExternalID, values{"name": l.Name, "isInactive": l.Inactive,
			"subsidiary": subsidiary(l.Subsidiary), "makeInventoryAvailable": true})
	}
	for _, c := range a.cfg.Customers {
		a.list("customer", c.ExternalID, values{"entityId": c.Name, "companyName": c.Name,
			"subsidiary": subsidiary(c.Subsidiary), "currency": ref(1)})
	}
	a.makePeriods()
	a.makeItems()
}

// makePeriods makes a period for each month of three years around now.
func (a *account) makePeriods() {
	now := a.now()
	month := time.Date(now.Year()-1, 1, 1, 0, 0, 0, 0, time.UTC)
	for range 36 {
		end := month.AddDate(0, 1, -1)
		closed := end.Format(time.DateOnly) <= a.cfg.ClosedThrough
		a.list("accountingPeriod", "", values{"periodName": month.Format("Jan 2006"),
			"startDate": month.Format(time.DateOnly), "endDate": end.Format(time.DateOnly),
			"closed": closed, "allLocked": closed})
		month = month.AddDate(0, 1, 0)
	}
}

func (a *account) makeItems() {
	bySKU := map[string]*record{}
	act := &action{cause: "staff"}
	for _, i := range a.cfg.Items {
		if i.Type == "" {
			i.Type = ItemInventory
		}
		price, ok := parseDec(i.Price)
		if !ok {
			price = whole(10)
		}
		r := a.list(itemTypes[i.Type], i.ExternalID, values{"itemId": i.SKU, "displayName": i.Name,
			"isInactive": i.Inactive, "itemType": i.Type, "basePrice": price})
		if i.UPC != "" {
			r.values["upcCode"] = i.UPC
		}
		bySKU[i.SKU] = r
		if r.stocked() {
			for _, l := range a.byType["location"] {
				n, _ := parseDec(i.Stock[l.text("name")])
				b := a.bucket(r.id, l.id)
				a.touch(act, b)
				b.onHand = n
			}
		}
	}
	for _, i := range a.cfg.Items {
		for _, m := range i.Members {
			bySKU[i.SKU].append("member", &line{values: values{"item": ref(bySKU[m.SKU].id),
				"quantity": whole(m.Qty)}})
		}
	}
	a.finish(act)
}

// stocked says whether the item itself has stock.
func (r *record) stocked() bool { return r.is("inventoryItem", "assemblyItem") }

// ships says whether the item leaves the house, so that an order of it is fulfilled.
func (r *record) ships() bool { return r.stocked() || r.is("kitItem", "nonInventorySaleItem") }

// partsOf is what one unit of an item takes from stock.
func (a *account) partsOf(item *record) []part {
	switch {
	case item.stocked():
		return []part{{item, one}}
	case item.is("kitItem"):
		var out []part
		for _, m := range item.lines["member"] {
			if of := a.item(m.values); of.stocked() {
				out = append(out, part{of, m.num("quantity")})
			}
		}
		return out
	}
	return nil
}
