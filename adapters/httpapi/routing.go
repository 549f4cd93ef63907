package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strconv"

	"holdfast/adapters/routing"
	"holdfast/engine"
)

// Routing keeps the rules that decide from where an order is served. It is safe for concurrent use.
// Its errors are as those of Connections; Code "version-conflict" says that nothing was saved.
type Routing interface {
	// Read returns the list and its version; 0: none was ever saved.
	Read(ctx context.Context) (routing.List, uint64, error)
	// Save puts a list in the place of the one of version old.
	Save(ctx context.Context, list routing.List, old uint64) (version uint64, err error)
	// Try decides a hypothetical order.
	Try(ctx context.Context, o routing.Order) (d routing.Decision, index uint64, err error)
}

// routingView is the list with its version, as it is shown.
type routingView struct {
	Rules   []routing.Rule `json:"rules"`
	Version uint64         `json:"version"`
	Index   uint64         `json:"index"`
}

// tryBody is a hypothetical order; ship_to and total are as an order has them.
type tryBody struct {
	Channel     string          `json:"channel"`
	FulfilledBy string          `json:"fulfilled_by"`
	Tags        []string        `json:"tags"`
	Country     string          `json:"country"`
	Region      string          `json:"region"`
	PostalCode  string          `json:"postal_code"`
	ShipTo      tryPlace        `json:"ship_to"`
	Value       routing.Decimal `json:"value"`
	Total       routing.Decimal `json:"total"`
	Currency    string          `json:"currency"`
	Lines       []routing.Line  `json:"lines"`
}

type tryPlace struct {
	Country    string `json:"country"`
	Region     string `json:"region"`
	PostalCode string `json:"postal_code"`
}

func routingRoutes() []*route {
	try := get("/v1/routing/try", postTry)
	try.method, try.body, try.limit = "POST", recordBytes, "record-bytes"
	return []*route{
		get("/v1/routing", getRouting),
		write("PUT", "/v1/routing", putRouting, recordBytes, "record-bytes"),
		try,
	}
}

func (c *call) routing() (Routing, error) {
	if c.s.cfg.Routing == nil {
		return nil, newProblem(codeNotFound, "This server routes no orders.")
	}
	return c.s.cfg.Routing, nil
}

func getRouting(c *call) error {
	port, err := c.routing()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	list, version, err := port.Read(c.s.base)
	if err != nil {
		return faulty(err, false)
	}
	return c.sendRouting(list, version)
}

func (c *call) sendRouting(list routing.List, version uint64) error {
	c.ctx.Response.Header.Set("ETag", strconv.Quote(strconv.FormatUint(version, 10)))
	rules := list.Rules
	if rules == nil {
		rules = []routing.Rule{}
	}
	return c.replyJSON(200, routingView{rules, version, c.index})
}

func putRouting(c *call) error {
	port, err := c.routing()
	if err != nil {
		return err
	}
	expect, err := c.ifMatch()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	list, err := parseRouting(text)
	if err != nil {
		return err
	}
	var old uint64
	if expect != nil {
		old = *expect
	} else if _, old, err = port.Read(c.s.base); err != nil {
		return faulty(err, false)
	}
	version, err := port.Save(c.s.base, list, old)
	if err != nil {
		return faulty(err, true)
	}
	c.index = version
	return c.sendRouting(list, version)
}

// parseRouting reads a list. The members that GET adds are taken and not looked at.
func parseRouting(text string) (routing.List, error) {
	var in struct {
		Rules   json.RawMessage `json:"rules"`
		Version json.RawMessage `json:"version"`
		Index   json.RawMessage `json:"index"`
	}
	if err := decodeDocument(text, &in); err != nil {
		return routing.List{}, err
	}
	if in.Rules == nil {
		return routing.List{}, invalid("rules", "is required")
	}
	list, err := routing.Parse(slices.Concat([]byte(`{"rules":`), in.Rules, []byte(`}`)))
	if err != nil {
		return list, faulty(err, false)
	}
	return list, nil
}

func postTry(c *call) error {
	port, err := c.routing()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in tryBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	order, err := in.order()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	d, _, err := port.Try(c.s.base, order)
	if err != nil {
		return faulty(err, false)
	}
	return c.replyJSON(200, struct {
		routing.Decision
		Index uint64 `json:"index"`
	}{d, c.index})
}

// order checks a hypothetical order: what a rule could not read matches nothing, which a person who
// tries must be told.
func (in *tryBody) order() (routing.Order, error) {
	o := routing.Order{Channel: in.Channel, FulfilledBy: in.FulfilledBy, Tags: in.Tags,
		Country: cmp.Or(in.Country, in.ShipTo.Country), Region: cmp.Or(in.Region, in.ShipTo.Region),
		PostalCode: cmp.Or(in.PostalCode, in.ShipTo.PostalCode),
		Value:      cmp.Or(in.Value, in.Total), Currency: in.Currency, Lines: in.Lines}
	switch {
	case o.Value != "" && !o.Value.Valid():
		return o, invalid("value", "must be an amount such as 49.90")
	case len(o.Lines) > engine.MaxLines:
		return o, tooLarge("lines", limitLines, engine.MaxLines)
	case o.FulfilledBy != "" && o.FulfilledBy != "merchant" && o.FulfilledBy != "amazon":
		return o, invalid("fulfilled_by", "must be merchant or amazon")
	}
	for i := range o.Lines {
		at := "lines[" + strconv.Itoa(i) + "]"
		if must := skuRule(o.Lines[i].SKU); must != "" {
			return o, invalid(at+".sku", must)
		}
		if q := o.Lines[i].Qty; q < 1 || q > engine.MaxQty {
			return o, invalid(at+".qty", wholeNumber(1, engine.MaxQty))
		}
	}
	return o, nil
}
