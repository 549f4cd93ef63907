package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"holdfast/adapters/fieldmap"
)

// Fields keeps the maps of fields, and the tables that they look up in: fieldmap.Book. It is safe for
// concurrent use, and its errors are understood as those of Ledger; *fieldmap.FieldFault, joined, names
// what is wrong in a map.
type Fields interface {
	Map(ctx context.Context, connection, document string) (m fieldmap.Map, version uint64, err error)
	Revision(ctx context.Context, connection, document string, revision int) (m fieldmap.Map, ok bool,
		err error)
	Save(ctx context.Context, m fieldmap.Map, version uint64) (uint64, error)
	Try(ctx context.Context, m fieldmap.Map, order []byte) (fieldmap.Values, error)
	Tables(ctx context.Context) (t fieldmap.Tables, version uint64, err error)
	SaveTables(ctx context.Context, t fieldmap.Tables, version uint64) (uint64, error)
}

// fieldsBody is a map as it is sent; the members that GET adds are taken and not looked at.
type fieldsBody struct {
	Fields     []fieldmap.Field `json:"fields"`
	Connection json.RawMessage  `json:"connection"`
	Document   json.RawMessage  `json:"document"`
	Revision   json.RawMessage  `json:"revision"`
	Version    json.RawMessage  `json:"version"`
	Index      json.RawMessage  `json:"index"`
}

// fieldsTryBody is an order, or the id of one, and the fields to try; without fields the saved ones.
type fieldsTryBody struct {
	Fields  []fieldmap.Field `json:"fields"`
	Order   json.RawMessage  `json:"order"`
	OrderID string           `json:"order_id"`
}

// tablesBody are the tables as they are sent.
type tablesBody struct {
	ShipServices []fieldmap.Pair    `json:"ship_services"`
	Carriers     []fieldmap.Carrier `json:"carriers"`
	Tenders      []fieldmap.Pair    `json:"tenders"`
	Version      json.RawMessage    `json:"version"`
	Index        json.RawMessage    `json:"index"`
}

type fieldsView struct {
	fieldmap.Map
	Version uint64 `json:"version,omitempty"` // not of an earlier revision
	Index   uint64 `json:"index"`
}

type tablesView struct {
	ShipServices []fieldmap.Pair    `json:"ship_services"`
	Carriers     []fieldmap.Carrier `json:"carriers"`
	Tenders      []fieldmap.Pair    `json:"tenders"`
	Version      uint64             `json:"version"`
	Index        uint64             `json:"index"`
}

// fieldsTried is what a dry run gives: the filled fields, and what could not be filled.
type fieldsTried struct {
	fieldmap.Values
	Faults []fieldFault `json:"faults"`
	Index  uint64       `json:"index"`
}

type fieldFault struct {
	Code   string `json:"code"` // invalid, or unknown-name: a table lacks it
	At     string `json:"at,omitempty"`
	Detail string `json:"detail"`
}

const fieldsPattern = "/v1/connections/{id}/fields/{document}"

func fieldRoutes() []*route {
	try := get(fieldsPattern+"/try", postFieldsTry)
	try.method, try.body, try.limit = "POST", reserveBytes, "order-bytes"
	return []*route{
		get(fieldsPattern, getFields, "revision"),
		write("PUT", fieldsPattern, putFields, recordBytes, "record-bytes"),
		try,
		get("/v1/tables", getTables),
		write("PUT", "/v1/tables", putTables, recordBytes, "record-bytes"),
	}
}

// fields returns the port, or the error of a server that has none.
func (c *call) fields() (Fields, error) {
	if c.s.cfg.Fields == nil {
		return nil, newProblem(codeNotFound, "This server keeps no maps of fields.")
	}
	return c.s.cfg.Fields, nil
}

// fieldsOf names the map of a call: its connection must be there.
func (c *call) fieldsOf() (port Fields, m fieldmap.Map, err error) {
	if port, err = c.fields(); err != nil {
		return nil, m, err
	}
	if m.Connection, err = c.id(); err != nil {
		return nil, m, err
	}
	if m.Document, err = c.param(1, "document", idRule); err != nil {
		return nil, m, err
	}
	if err = c.fresh(); err != nil {
		return nil, m, err
	}
	all, err := c.connections()
	if err == nil {
		_, err = all.Read(c.s.base, m.Connection)
	}
	if err != nil {
		return nil, m, faulty(err, false)
	}
	return port, m, nil
}

func getFields(c *call) error {
	port, m, err := c.fieldsOf()
	if err != nil {
		return err
	}
	revision, err := c.queryInt("revision", 0, 1, 1<<31-1)
	if err != nil {
		return err
	}
	if revision == 0 {
		saved, version, err := port.Map(c.s.base, m.Connection, m.Document)
		if err != nil {
			return problemOf(err, false)
		}
		if version != 0 {
			m = saved
		}
		return c.sendFields(m, version)
	}
	m, ok, err := port.Revision(c.s.base, m.Connection, m.Document, int(revision))
	if err != nil {
		return problemOf(err, false)
	}
	if !ok {
		return newProblem(codeNotFound, "That revision is not kept; the newest "+
			strconv.Itoa(fieldmap.Keep)+" are.")
	}
	return c.sendFields(m, 0)
}

// sendFields shows a map; one that was never saved is empty, with version 0.
func (c *call) sendFields(m fieldmap.Map, version uint64) error {
	if version != 0 {
		c.setVersion(version)
	}
	if m.Fields == nil {
		m.Fields = []fieldmap.Field{}
	}
	return c.replyJSON(200, fieldsView{m, version, c.index})
}

func putFields(c *call) error {
	port, m, err := c.fieldsOf()
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
	var in fieldsBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	if in.Fields == nil {
		return invalid("fields", "is required")
	}
	m.Fields = in.Fields
	saved, version, err := port.Map(c.s.base, m.Connection, m.Document)
	if err != nil {
		return problemOf(err, false)
	}
	if expect != nil {
		version = *expect
	}
	if version, err = port.Save(c.s.base, m, version); err != nil {
		return fieldProblem(err)
	}
	c.index, m.Revision = version, saved.Revision+1
	return c.sendFields(m, version)
}

// fieldProblem is the answer to a map that cannot be saved, with all its faults.
func fieldProblem(err error) error {
	faults := faultsOf(err)
	if len(faults) == 0 {
		return problemOf(err, true)
	}
	p := invalid(faults[0].At, "")
	var all []string
	for _, f := range faults {
		all = append(all, f.Detail)
	}
	p.detail = strings.Join(all, "; ")
	return p
}

// faultsOf lists what of an error is of fields; none when it is another error altogether.
func faultsOf(err error) []fieldFault {
	var all []fieldFault
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		for _, one := range joined.Unwrap() {
			all = append(all, faultsOf(one)...)
		}
		return all
	}
	var fault *fieldmap.FieldFault
	var name *fieldmap.UnknownNameError
	switch {
	case errors.As(err, &name):
		return []fieldFault{{Code: name.Code(), Detail: name.Error()}}
	case errors.As(err, &fault):
		return []fieldFault{{Code: codeInvalid, At: fault.Field, Detail: fault.Error()}}
	}
	return nil
}

// postFieldsTry fills the fields from one order, and writes nothing.
func postFieldsTry(c *call) error {
	port, m, err := c.fieldsOf()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in fieldsTryBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	if (in.Order == nil) == (in.OrderID == "") {
		return invalid("order", "or order_id must be there, and not both")
	}
	if m.Fields = in.Fields; in.Fields == nil {
		if m, _, err = port.Map(c.s.base, m.Connection, m.Document); err != nil {
			return problemOf(err, false)
		}
	}
	if in.OrderID != "" {
		if in.Order, err = c.orderJSON(in.OrderID); err != nil {
			return err
		}
	}
	ctx, cancel := c.bound()
	defer cancel()
	values, err := port.Try(ctx, m, in.Order)
	tried := fieldsTried{Values: values, Faults: faultsOf(err), Index: c.index}
	if err != nil && len(tried.Faults) == 0 {
		return problemOf(err, false)
	}
	if values.Order == nil { // the map itself is at fault
		return fieldProblem(err)
	}
	if tried.Faults == nil {
		tried.Faults = []fieldFault{}
	}
	return c.replyJSON(200, tried)
}

// orderJSON is an order as GET /v1/orders/{id} shows it.
func (c *call) orderJSON(id string) (json.RawMessage, error) {
	if c.s.cfg.Orders == nil {
		return nil, newProblem(codeNotFound, "This server keeps no orders.")
	}
	ctx, cancel := c.bound()
	defer cancel()
	o, err := c.s.cfg.Orders.Get(ctx, id)
	if err != nil {
		return nil, problemOf(err, false)
	}
	return appendOrder(nil, &o)
}

func getTables(c *call) error {
	port, err := c.fields()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	t, version, err := port.Tables(c.s.base)
	if err != nil {
		return problemOf(err, false)
	}
	return c.sendTables(t, version)
}

func (c *call) sendTables(t fieldmap.Tables, version uint64) error {
	c.setVersion(version)
	v := tablesView{t.ShipServices, t.Carriers, t.Tenders, version, c.index}
	if v.ShipServices == nil {
		v.ShipServices = []fieldmap.Pair{}
	}
	if v.Carriers == nil {
		v.Carriers = []fieldmap.Carrier{}
	}
	if v.Tenders == nil {
		v.Tenders = []fieldmap.Pair{}
	}
	return c.replyJSON(200, v)
}

func putTables(c *call) error {
	port, err := c.fields()
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
	var in tablesBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	var version uint64
	if expect != nil {
		version = *expect
	} else if _, version, err = port.Tables(c.s.base); err != nil {
		return problemOf(err, false)
	}
	t := fieldmap.Tables{ShipServices: in.ShipServices, Carriers: in.Carriers, Tenders: in.Tenders}
	if version, err = port.SaveTables(c.s.base, t, version); err != nil {
		return fieldProblem(err)
	}
	c.index = version
	return c.sendTables(t, version)
}
