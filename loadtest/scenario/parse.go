package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// The bounds of a scenario: what a machine can be asked for without a slip of a digit ending it.
const (
	maxRate        = 10_000_000.0
	maxConnections = 65_536
	maxFileBytes   = 1 << 20
)

var named = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9-]{0,39}$`)

// Parse reads a scenario. It fails with every fault of the file joined, each as "file:line: field:
// what", and returns no scenario then.
func Parse(file string, text []byte) (*Scenario, error) {
	if len(text) > maxFileBytes {
		return nil, fmt.Errorf("%s: larger than %d bytes", file, maxFileBytes)
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s: not YAML: %w", file, err)
	}
	if len(doc.Content) == 0 {
		return nil, fmt.Errorf("%s: empty", file)
	}
	var faults []error
	r := reader{file: file, node: doc.Content[0], faults: &faults}
	r.known()
	s := parse(r)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return s, nil
}

func parse(r reader) *Scenario {
	s := &Scenario{
		Name:        r.text("name", "scenario"),
		Description: r.text("description", ""),
		Seed:        uint64(r.whole("seed", 1, 0, 1<<62)),
		Connections: int(r.whole("connections", 64, 1, maxConnections)),
		Waiting:     int(r.whole("waiting", 10_000, 0, 10_000_000)),
		Timeout:     r.duration("timeout", 10*time.Second, time.Millisecond),
		Leader:      r.yes("follow_leader"),
		Mix: r.shares("mix", func(op string) bool { return slices.Contains(Ops, op) },
			"no such operation"),
		Channels: r.shares("channels", named.MatchString, "letters, digits and hyphens only"),
		SKUs:     skus(r.sub("skus")),
		Order:    order(r.sub("order")),
	}
	if !named.MatchString(s.Name) {
		r.fault(r.at("name"), "name", "%q: letters, digits and hyphens only, at most 40", s.Name)
	}
	if len(s.Mix) == 0 {
		s.Mix = []Share{{"reserve", 1}}
	}
	if len(s.Channels) == 0 {
		s.Channels = []Share{{"web", 1}}
	}
	sh := r.sub("shares")
	s.Shares = Shares{sh.number("duplicates", 0, 0, 1), sh.number("abandoned", 0, 0, 1),
		sh.number("cancellations", 0, 0, 1)}
	re := r.sub("retry")
	s.Retry = Retry{int(re.whole("times", 0, 0, 100)),
		re.duration("backoff", 100*time.Millisecond, 0)}
	h := r.sub("hold")
	s.Hold = Hold{h.duration("ttl", 15*time.Minute, time.Second),
		h.duration("abandoned", 2*time.Second, time.Second), h.duration("grace", 5*time.Second, 0)}
	phases(r, s)
	faults(r, s)
	thresholds(r, s)
	return s
}

func skus(r reader) SKUs {
	s := SKUs{
		Count:      int(r.whole("count", 1_000, 1, 1_000_000)),
		Stock:      r.whole("stock", 100_000, 0, 1_000_000_000),
		Popularity: r.word("popularity", "uniform", "zipf"),
		Exponent:   r.number("exponent", 1.1, 1.000001, 10),
	}
	share := 0.0
	name := func(h reader) string {
		n := h.text("name", "")
		if !named.MatchString(n) {
			h.fault(h.at("name"), "name", "%q: letters, digits and hyphens only, at most 40", n)
		}
		return n
	}
	for _, h := range r.list("hot") {
		hot := HotSKU{name(h), h.number("share", 0.1, 0, 1),
			h.whole("stock", s.Stock, 0, 1_000_000_000)}
		share += hot.Share
		s.Hot = append(s.Hot, hot)
	}
	if r.at("drop") != nil {
		d := r.sub("drop")
		s.Drop = &Drop{name(d), d.duration("at", 0, 0), d.number("share", 0.9, 0, 1),
			d.whole("stock", 1_000, 0, 1_000_000_000)}
		share += s.Drop.Share
	}
	if share > 1 {
		r.fault(nil, "hot", "the shares of the hot SKUs and the drop add up to %v, above 1", share)
	}
	return s
}

func order(r reader) Order {
	o := Order{
		Lines: r.shares("lines", func(n string) bool {
			v, err := strconv.Atoi(n)
			return err == nil && v >= 1 && v <= 100
		}, "a number of lines is 1 to 100"),
		Qty:   r.whole("qty", 1, 1, 1_000_000),
		Batch: int(r.whole("batch", 50, 1, 10_000)),
		Mode:  r.word("mode", "strict", "dip", "accept"),
	}
	if len(o.Lines) == 0 {
		o.Lines = []Share{{"1", 1}}
	}
	return o
}

func phases(r reader, s *Scenario) {
	for i, p := range r.list("phases") {
		ph := Phase{
			Name:     p.text("name", fmt.Sprintf("phase-%d", i+1)),
			Kind:     p.word("kind", "steady", "ramp", "spike", "soak"),
			Model:    p.word("model", "open", "closed"),
			Arrivals: p.word("arrivals", "poisson", "fixed"),
			Duration: p.duration("duration", 0, time.Millisecond),
			Users:    int(p.whole("users", 0, 1, maxConnections)),
			Think:    p.duration("think", 0, 0),
		}
		rate := p.number("rate", 0, 0, maxRate)
		ph.From, ph.To = rate, rate
		if ph.Kind == "ramp" || ph.Kind == "spike" {
			ph.From, ph.To = p.number("from", 0, 0, maxRate), p.number("to", 0, 0, maxRate)
			if p.at("rate") != nil {
				p.fault(p.at("rate"), "rate", "a %s has from and to", ph.Kind)
			}
		}
		switch {
		case p.at("duration") == nil:
			p.fault(nil, "duration", "is needed")
		case ph.Model == "closed" && ph.Users == 0:
			p.fault(nil, "users", "a closed model needs them")
		case ph.Model == "open" && ph.From == 0 && ph.To == 0:
			p.fault(nil, "rate", "an open model needs a rate above 0 (a ramp: from and to)")
		}
		s.Phases = append(s.Phases, ph)
	}
	if len(s.Phases) == 0 {
		r.fault(r.at("phases"), "phases", "at least one is needed")
	}
}

func faults(r reader, s *Scenario) {
	for _, f := range r.list("faults") {
		s.Faults = append(s.Faults, Fault{
			At:     f.duration("at", 0, 0),
			Kind:   f.word("kind", "kill", "pause", "restart", "throttle", "fail"),
			Target: f.text("target", "leader"),
			For:    f.duration("for", time.Second, 0),
		})
	}
}

func thresholds(r reader, s *Scenario) {
	for _, t := range r.list("thresholds") {
		th := Threshold{Metric: t.word("metric", Metrics...), Op: t.text("op", ""),
			Phase: t.text("phase", ""), Max: t.at("max") != nil}
		if t.at("metric") == nil {
			t.fault(nil, "metric", "is needed")
		}
		if th.Max == (t.at("min") != nil) {
			t.fault(nil, "", "needs either max or min")
		}
		if th.Max {
			th.Limit = t.number("max", 0, 0, 1e12)
		} else {
			th.Limit = t.number("min", 0, 0, 1e12)
		}
		if th.Op != "" && !slices.Contains(Ops, th.Op) {
			t.fault(t.at("op"), "op", "%q is no operation", th.Op)
		}
		if th.Phase != "" && !slices.ContainsFunc(s.Phases, func(p Phase) bool {
			return p.Name == th.Phase
		}) {
			t.fault(t.at("phase"), "phase", "%q is no phase of this file", th.Phase)
		}
		s.Thresholds = append(s.Thresholds, th)
	}
}
