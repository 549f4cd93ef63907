package httpapi

import (
	"slices"

	"holdfast/engine"
)

// locationAttributes is what the edge keeps of a location beside what the ledger knows.
type locationAttributes struct {
	Region     string    `json:"region,omitempty"`
	Country    string    `json:"country,omitempty"`
	PostalCode string    `json:"postal_code,omitempty"`
	Pool       *poolBody `json:"pool,omitempty"`
}

// ownMaster is the master of a location whose stock anybody may change here.
const ownMaster = "holdfast"

func putLocation(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	text, err := c.body(true)
	if err != nil {
		return err
	}
	var in locationBody
	if err := locationBodies.decode(text, &in); err != nil {
		return err
	}
	if err := pathSays("id", in.ID, id); err != nil {
		return err
	}
	l, err := in.location(id)
	if err != nil {
		return err
	}
	if _, err := c.submit(&engine.DefineLocation{Location: engine.Name(id), Kind: l.Kind,
		Master: l.Master, Shortfall: l.Shortfall, Attributes: l.Attributes}); err != nil {
		return err
	}
	c.buf = appendLocation(c.buf[:0], l, c.index)
	return c.reply(200)
}

// location makes the definition; defaults are merchant, our own master, and no shortfall policy.
func (in *locationBody) location(id string) (*engine.Location, error) {
	l := &engine.Location{Name: id, Kind: engine.Merchant, Master: in.Master,
		Shortfall: engine.ShortfallNone}
	if in.Kind != "" {
		l.Kind = engine.ParseLocationKind(in.Kind)
	}
	if in.Shortfall != "" {
		l.Shortfall = engine.ParseShortfallPolicy(in.Shortfall)
	}
	switch l.Kind {
	case engine.FBA:
		if in.Pool == nil {
			return nil, invalid("pool", "is required for kind fba")
		}
		if len(in.Pool.Marketplaces) > 0 && in.Pool.Reader != "" &&
			!slices.Contains(in.Pool.Marketplaces, in.Pool.Reader) {
			return nil, invalid("pool.reader", "must be one of pool.marketplaces")
		}
		l.Master = "amazon:" + in.Pool.Connection
		if in.Master != "" && in.Master != l.Master {
			return nil, invalid("master", "must be "+l.Master+" for this pool, or left out")
		}
	default:
		if in.Pool != nil {
			return nil, invalid("pool", "is only for kind fba")
		}
		if l.Master == "" {
			l.Master = ownMaster
		}
	}
	var err error
	l.Attributes, err = attributes(&locationAttributes{Region: in.Region, Country: in.Country,
		PostalCode: in.PostalCode, Pool: in.Pool})
	return l, err
}

func appendLocation(b []byte, l *engine.Location, index uint64) []byte {
	b = append(b, `{"id":`...)
	b = appendText(b, l.Name)
	b = append(b, `,"kind":"`...)
	b = append(b, l.Kind.String()...)
	b = append(b, `","master":`...)
	b = appendText(b, l.Master)
	b = append(b, `,"shortfall":"`...)
	b = append(b, l.Shortfall.String()...)
	b = append(b, '"')
	b = appendAttributes(b, l.Attributes)
	return appendIndexEnd(b, index)
}

func getLocation(c *call) error {
	return getNamed(c, (*engine.Ledger).Location, engine.UnknownLocation, appendLocation)
}

func deleteLocation(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	return c.remove(engine.LocationName, id)
}

func listLocations(c *call) error {
	p, err := c.listed()
	if err != nil {
		return err
	}
	rows, more, err := listRows(c, p, (*engine.Ledger).Locations,
		func(l *engine.Location) uint32 { return l.Number })
	if err != nil {
		return err
	}
	return replyList(c, rows, more, func(l *engine.Location) uint64 { return uint64(l.Number) },
		func(b []byte, l *engine.Location) []byte { return appendLocation(b, l, 0) })
}

// unknown is the answer of a read that found nothing; at names the parameter, or is empty for the
// path.
func (c *call) unknown(r engine.Refusal, at, name string) error {
	p := newProblem(r.String(), "")
	o := *p.outcome
	o.promise = onlyRead
	p.outcome, p.at, p.index = &o, at, c.index
	p.detail = o.title + ": " + joinWords(at, name) + "."
	return p
}

// joinWords puts a word in front of a name, if there is one.
func joinWords(word, name string) string {
	if word == "" {
		return name
	}
	return word + " " + name
}
