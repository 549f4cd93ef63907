package shopify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"time"

	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/records"
)

type (
	orderInput struct {
		Lines       []lineInput     `json:"lineItems"`
		Currency    string          `json:"currency,omitempty"`
		ProcessedAt time.Time       `json:"processedAt"`
		SourceID    string          `json:"sourceIdentifier"`
		Tags        []string        `json:"tags,omitempty"`
		Attributes  []attribute     `json:"customAttributes"`
		Metafields  []metafield     `json:"metafields"`
		ShipTo      json.RawMessage `json:"shippingAddress,omitempty"`
		Email       string          `json:"email,omitempty"`
		Money       []saleInput     `json:"transactions,omitempty"`
		TaxLines    json.RawMessage `json:"taxLines,omitempty"`
		TaxIncluded bool            `json:"taxesIncluded,omitempty"`
		Shipping    []shippingInput `json:"shippingLines,omitempty"`
		Test        bool            `json:"test,omitempty"`
	}
	lineInput struct {
		Variant  gid             `json:"variantId"`
		Quantity int64           `json:"quantity"`
		Price    *moneyInput     `json:"priceSet,omitempty"`
		Ships    bool            `json:"requiresShipping"`
		SKU      string          `json:"sku,omitempty"`
		Title    string          `json:"title,omitempty"`
		TaxLines json.RawMessage `json:"taxLines,omitempty"`
	}
	attribute struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	metafield struct {
		Namespace string `json:"namespace"`
		Key       string `json:"key"`
		Type      string `json:"type"`
		Value     string `json:"value"`
	}
	moneyInput struct {
		Shop amountInput `json:"shopMoney"`
	}
	amountInput struct {
		Amount   string `json:"amount"`
		Currency string `json:"currencyCode"`
	}
	saleInput struct {
		Amount      moneyInput `json:"amountSet"`
		Gateway     string     `json:"gateway"`
		Kind        string     `json:"kind"`
		Status      string     `json:"status"`
		ProcessedAt time.Time  `json:"processedAt"`
	}
	orderOptions struct {
		Behaviour string `json:"inventoryBehaviour"`
	}
	createVars struct {
		Order   orderInput   `json:"order"`
		Options orderOptions `json:"options"`
	}
)

// What making an order does to the shop's numbers: units that the merchant sends are taken out
// there; those that Amazon sends were never in.
const (
	claims = "DECREMENT_IGNORING_POLICY"
	bypass = "BYPASS"
)

// orderPayload is what whoever queued the task adds to the order: what is not kept in it.
type orderPayload struct {
	Gateway  string          `json:"gateway"`
	ShipTo   json.RawMessage `json:"shipping_address"`
	Email    string          `json:"email"`
	TaxLines json.RawMessage `json:"tax_lines"`
}

// order makes the document of an order that was born elsewhere. Shopify does not deduplicate it: so
// it is looked for before it may be made a second time, by the metafield whose value is one of a
// kind, and by its source.
//
// Dying before the call leaves nothing; after it, the next try finds the document. Dying before the
// task ends, the ids are attached and the effects are not: the next try adds them.
func (j *job) order(ctx context.Context) (outbox.Finish, error) {
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	if j.home(o) {
		return outbox.Finish{}, &outbox.Needless{Why: "the order was born in this shop"}
	}
	if err := j.wanted(o); err != nil {
		return outbox.Finish{}, err
	}
	id, name := j.known(o), ""
	if id == "" && (j.t.Unknown || j.t.Tries > 1) {
		if id, name, err = j.findMade(ctx, o); err != nil {
			return outbox.Finish{}, err
		}
	}
	if id == "" {
		if id, name, err = j.create(ctx, o); err != nil {
			return outbox.Finish{}, err
		}
	}
	a := orders.Attachment{Externals: []orders.External{{System: j.id, Kind: "order", ID: id.tail()}}}
	if name != "" {
		a.Externals = append(a.Externals, orders.External{System: j.id, Kind: "name", ID: name})
	}
	if err := j.attach(ctx, o, a); err != nil {
		return outbox.Finish{}, err
	}
	doc := made{ID: id.tail()}
	if behaviour(o) == claims {
		at, err := j.readPlaces(ctx, id)
		if err != nil {
			return outbox.Finish{}, err
		}
		doc.Claims = claimed(at)
	} else if err := j.guard(ctx, o, id); err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{Result: map[string]string{"order": id.tail(), "name": name},
		Also: func(ctx context.Context, tx *records.Tx) error {
			_, version, err := j.readMade(ctx)
			if err != nil {
				return err
			}
			tx.Replace(records.Record{Table: records.Documents, Key: j.madeKey(),
				Body: tx.Encode(doc)}, version)
			j.moved(tx, doc.Claims)
			return nil
		}}, nil
}

func behaviour(o *orders.Order) string {
	if o.FulfilledBy == "amazon" {
		return bypass
	}
	return claims
}

// claimed is what an order has taken out of the numbers of the places that it leaves from.
func claimed(at *placesTree) (all []effect) {
	for i := range at.Groups.Nodes {
		g := &at.Groups.Nodes[i]
		if g.Status == "CANCELLED" {
			continue
		}
		for _, l := range g.Lines.Nodes {
			all = append(all, effect{l.Item.number(), g.At.Location.tail(), -l.Total})
		}
	}
	return all
}

type createdReply struct {
	Root struct {
		Order *struct {
			ID   gid    `json:"id"`
			Name string `json:"name"`
		} `json:"order"`
		Errors []userError `json:"userErrors"`
	} `json:"orderCreate"`
}

func (j *job) create(ctx context.Context, o *orders.Order) (gid, string, error) {
	in, err := j.input(o)
	if err != nil {
		return "", "", err
	}
	var out createdReply
	vars := createVars{in, orderOptions{behaviour(o)}}
	if err := j.client.do(ctx, opCreateOrder, vars, &out); err != nil {
		return "", "", err
	}
	if err := firstError(opCreateOrder, out.Root.Errors); err != nil {
		// A value of the metafield that is taken means that the document is there.
		id, name, lookErr := j.findMade(ctx, o)
		if lookErr == nil && id != "" {
			return id, name, nil
		}
		return "", "", err
	}
	if out.Root.Order == nil {
		return "", "", answerFault(opCreateOrder, errors.New("no order and no error"))
	}
	return out.Root.Order.ID, out.Root.Order.Name, nil
}

// input is the document. Its attribute and its source make it known by every webhook of it, before
// the reply to the call is here.
func (j *job) input(o *orders.Order) (in orderInput, err error) {
	var more orderPayload
	if err := j.payload(&more); err != nil {
		return in, err
	}
	in = orderInput{Currency: o.Currency, ProcessedAt: o.CreatedAt.UTC(), SourceID: o.Home.ID,
		Tags: o.Tags, Attributes: []attribute{{markAttribute, o.ID}},
		Metafields: []metafield{{markNamespace, markKey, "id", o.ID}},
		ShipTo:     more.ShipTo, Email: more.Email, TaxLines: more.TaxLines}
	if len(in.ShipTo) == 0 && o.ShipTo.Country != "" {
		in.ShipTo, _ = json.Marshal(map[string]string{"countryCode": o.ShipTo.Country,
			"provinceCode": o.ShipTo.Region, "zip": o.ShipTo.PostalCode}) // texts always encode
	}
	if behaviour(o) == bypass {
		in.Tags = append(slices.Clone(o.Tags), fbaTag)
	}
	for i := range o.Lines {
		l := &o.Lines[i]
		if l.Qty <= 0 {
			continue
		}
		row, ok := j.rowOf(o, l)
		if !ok {
			return in, j.unmapped(o, l)
		}
		line := lineInput{Variant: gidOf(kindVariant, row.VariantID), Quantity: l.Qty,
			Ships: true, SKU: row.SKU, Title: l.Title}
		if l.Price != "" && o.Currency != "" {
			line.Price = &moneyInput{amountInput{l.Price, o.Currency}}
		}
		line.lineMoney(o, l.Ref)
		in.Lines = append(in.Lines, line)
	}
	in.money(o)
	if len(in.Lines) == 0 {
		return in, refused(codeState, "the order %s has no line that is to be sold", o.ID)
	}
	if o.Total != "" && o.Currency != "" {
		gateway := more.Gateway
		if gateway == "" {
			gateway = "Amazon"
		}
		in.Money = []saleInput{{Amount: moneyInput{amountInput{o.Total, o.Currency}}, Gateway: gateway,
			Kind: "SALE", Status: "SUCCESS", ProcessedAt: o.CreatedAt.UTC()}}
	}
	return in, nil
}

// rowOf is the variant of a line. A line that needs no stock of ours, because Amazon sends it, has
// no SKU of ours; what its home calls it is mapped all the same.
func (j *job) rowOf(o *orders.Order, l *orders.Line) (mapping.Row, bool) {
	sku := l.SKU
	if sku == "" {
		row, _ := j.mapped(o, l)
		sku = row.SKU
	}
	return j.row(sku)
}

// unmapped says what is missing in the mapping for a line: the SKU of what its home sells, or a variant of
// the SKU here.
func (j *job) unmapped(o *orders.Order, l *orders.Line) error {
	row, _ := j.mapped(o, l)
	sku := cmp.Or(l.SKU, row.SKU)
	if sku == "" {
		return refused(mapping.UnmappedCode, "%s of %s is mapped to no SKU: map it, then retry",
			strconv.Quote(cmp.Or(l.Item.SellerSKU, l.Theirs, l.Ref)), o.Home.System)
	}
	return refused(mapping.UnmappedCode, "%s has no variant in shop %s: map one, then retry", strconv.Quote(sku), j.id)
}

// mapped is the row of what a line's home calls it.
func (j *job) mapped(o *orders.Order, l *orders.Line) (mapping.Row, bool) {
	if l.Item.SellerSKU == "" || j.all.cfg.Mapping == nil {
		return mapping.Row{}, false
	}
	return j.all.cfg.Mapping.BySellerSKU(o.Home.System, l.Item.Marketplace, l.Item.SellerSKU)
}

// row is the variant of a SKU in this shop.
func (j *job) row(sku string) (mapping.Row, bool) {
	if sku == "" || j.all.cfg.Mapping == nil {
		return mapping.Row{}, false
	}
	for _, row := range j.all.cfg.Mapping.Of(sku) {
		if row.Connection == j.id && row.VariantID != 0 {
			return row, true
		}
	}
	return mapping.Row{}, false
}

type sourceTree struct {
	ID         gid                           `json:"id"`
	Name       string                        `json:"name"`
	SourceID   string                        `json:"sourceIdentifier"`
	Attributes []struct{ Key, Value string } `json:"customAttributes"`
}

// findMade looks for the document of an order: by its id, which is exact at once, then by its
// source, which a search index may know a little later. Empty: neither knows it.
func (j *job) findMade(ctx context.Context, o *orders.Order) (gid, string, error) {
	var byID struct {
		Order *sourceTree `json:"orderByIdentifier"`
	}
	err := j.client.do(ctx, opOrderByID, map[string]string{"namespace": markNamespace, "key": markKey,
		"value": o.ID}, &byID)
	if err != nil && codeOf(err) != codeGone && codeOf(err) != codeRequest {
		return "", "", err // without a definition of the metafield the look is refused, not answered
	}
	if err == nil && byID.Order != nil {
		return byID.Order.ID, byID.Order.Name, nil
	}
	var bySource struct {
		Orders struct {
			Nodes []sourceTree `json:"nodes"`
		} `json:"orders"`
	}
	err = j.client.do(ctx, opOrderBySource, map[string]string{
		"query": "source_identifier:" + quoted(o.Home.ID)}, &bySource)
	if err != nil {
		return "", "", err
	}
	for _, n := range bySource.Orders.Nodes {
		for _, a := range n.Attributes {
			if n.SourceID == o.Home.ID && a.Key == markAttribute && a.Value == o.ID {
				return n.ID, n.Name, nil
			}
		}
	}
	return "", "", nil
}

// quoted is a value in a search query. Its quotes and backslashes are escaped, because whoever
// names an order elsewhere must not be able to widen the search.
func quoted(s string) string {
	b := []byte{'\''}
	for i := range len(s) {
		if s[i] == '\'' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return string(append(b, '\''))
}

type cancelVars struct {
	ID      gid    `json:"id"`
	Reason  string `json:"reason"`
	Restock bool   `json:"restock"`
	Note    string `json:"note,omitempty"`
}

var cancelReasons = map[string]string{"customer": "CUSTOMER", "declined": "DECLINED",
	"fraud": "FRAUD", "inventory": "INVENTORY", "staff": "STAFF", "CUSTOMER": "CUSTOMER",
	"DECLINED": "DECLINED", "FRAUD": "FRAUD", "INVENTORY": "INVENTORY", "STAFF": "STAFF"}

// cancel cancels the order in the shop. It is a job over there that is waited for: only when the
// order says that it is cancelled, it is. Units that a document of ours had taken out are there
// again then; of an order that was born here the shop's own news says so.
func (j *job) cancel(ctx context.Context) (outbox.Finish, error) {
	var p struct {
		Reason  string `json:"reason"`
		Restock bool   `json:"restock"`
	}
	if err := j.payload(&p); err != nil {
		return outbox.Finish{}, err
	}
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	id, err := j.there(o)
	if err != nil {
		return outbox.Finish{}, err
	}
	at, err := j.readPlaces(ctx, id)
	if err != nil {
		return outbox.Finish{}, err
	}
	restock := p.Restock && (j.home(o) || behaviour(o) == claims)
	if at.Cancelled == nil {
		reason := cancelReasons[p.Reason]
		if reason == "" {
			reason = "OTHER"
		}
		if err := j.callOff(ctx, cancelVars{id, reason, restock, "holdfast " + o.ID}); err != nil {
			return outbox.Finish{}, err
		}
		if at, err = j.untilCancelled(ctx, id); err != nil {
			return outbox.Finish{}, err
		}
	}
	return outbox.Finish{Result: map[string]string{"order": id.tail()},
		Also: func(ctx context.Context, tx *records.Tx) error {
			doc, version, err := j.readMade(ctx)
			if err != nil || version == 0 || !restock || j.home(o) {
				return err
			}
			back := unclaimed(doc.Claims, at)
			doc.Claims = nil
			tx.Replace(records.Record{Table: records.Documents, Key: j.madeKey(),
				Body: tx.Encode(doc)}, version)
			j.moved(tx, back)
			return nil
		}}, nil
}

func (j *job) callOff(ctx context.Context, vars cancelVars) error {
	var out struct {
		Root struct {
			Errors []userError `json:"orderCancelUserErrors"`
		} `json:"orderCancel"`
	}
	if err := j.client.do(ctx, opCancelOrder, vars, &out); err != nil {
		return err
	}
	return firstError(opCancelOrder, out.Root.Errors)
}

const (
	cancelLooks = 6
	cancelPause = time.Second
)

// untilCancelled waits for the job of a cancellation. When it takes longer than a claim allows, the
// task comes again and looks first.
func (j *job) untilCancelled(ctx context.Context, id gid) (*placesTree, error) {
	for range cancelLooks {
		at, err := j.readPlaces(ctx, id)
		if err != nil {
			return nil, err
		}
		if at.Cancelled != nil {
			return at, nil
		}
		wait := j.every(cancelPause)
		if !fits(ctx, j.all.cfg.Now(), 2*wait) || j.client.cfg.Pause(ctx, wait) != nil {
			break
		}
	}
	f := later(j.every(5*time.Second), "order %s is being cancelled", id.tail())
	f.unknown = true
	return nil, f
}

// unclaimed is what a cancellation with restock puts back: what was taken and has not left.
func unclaimed(taken []effect, at *placesTree) []effect {
	left := make(map[int64]int64) // of each item
	line := make(map[string]int64)
	for i := range at.Groups.Nodes {
		for _, l := range at.Groups.Nodes[i].Lines.Nodes {
			line[l.Line.ID.tail()] = l.Item.number()
		}
	}
	for i := range at.Packages {
		if offStatus[lower(at.Packages[i].Status)] {
			continue
		}
		for _, n := range at.Packages[i].Lines.Nodes {
			left[line[n.Line.ID.tail()]] += n.Quantity
		}
	}
	var back []effect
	for _, e := range taken {
		gone := min(left[e.Item], -e.Delta)
		left[e.Item] -= gone
		back = append(back, effect{e.Item, e.Place, -e.Delta - gone})
	}
	return back
}

// close archives an order where the shop does not do it by itself.
func (j *job) close(ctx context.Context) (outbox.Finish, error) {
	o, err := j.load(ctx)
	if err != nil {
		return outbox.Finish{}, err
	}
	id, err := j.there(o)
	if err != nil {
		return outbox.Finish{}, err
	}
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"orderClose"`
	}
	if err := j.client.do(ctx, opCloseOrder, idVars{id}, &out); err != nil {
		return outbox.Finish{}, err
	}
	return outbox.Finish{}, firstError(opCloseOrder, out.Root.Errors)
}
