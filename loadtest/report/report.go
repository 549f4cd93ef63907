package report

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"time"

	"holdfast/loadtest/check"
	"holdfast/loadtest/driver"
	"holdfast/loadtest/scenario"
)

// notProven is what a promise shows about which the run gave nothing to compare.
const notProven = "nothing to look at, not proven"

// Line is one thing that the run had to keep.
type Line struct {
	Name string `json:"name"`
	Kept bool   `json:"kept"`
	Got  string `json:"got"`
}

// Report is the outcome of a run.
type Report struct {
	Scenario string         `json:"scenario"`
	Seed     uint64         `json:"seed"`
	Passed   bool           `json:"passed"`
	Offered  float64        `json:"offered_per_second"` // what was sent, over the scenario's time
	Accepted float64        `json:"accepted_per_second"`
	Lines    []Line         `json:"lines"`
	Result   *driver.Result `json:"result"`
	Verdict  *check.Verdict `json:"verdict"`
}

// New judges a run by its thresholds, by what could not be sent and by the checker.
func New(s *scenario.Scenario, r *driver.Result, v *check.Verdict) *Report {
	seconds := max(s.Duration(), r.Took).Seconds()
	p := &Report{Scenario: s.Name, Seed: s.Seed, Result: r, Verdict: v,
		Offered:  float64(r.Sent) / seconds,
		Accepted: float64(r.Count("", "", string(driver.Done))) / seconds}
	for _, t := range s.Thresholds {
		got := p.value(t)
		bound := "at least"
		kept := got >= t.Limit
		if t.Max {
			bound, kept = "at most", got <= t.Limit
		}
		p.Lines = append(p.Lines, Line{fmt.Sprintf("%s%s%s %s %v", t.Metric, of(" of ", t.Op),
			of(" in ", t.Phase), bound, t.Limit), kept, fmt.Sprintf("%.4g", got)})
	}
	p.Lines = append(p.Lines, Line{"every call was sent", r.Unsent == 0,
		fmt.Sprintf("%d of %d not sent", r.Unsent, r.Due)})
	for _, m := range v.Promises {
		p.Lines = append(p.Lines, Line{m.Name, m.Broken == 0,
			fmt.Sprintf("%d looked at, %d broken", m.Looked, m.Broken)})
		if m.Looked == 0 { // no fault of the server, and no proof either
			p.Lines[len(p.Lines)-1].Got = notProven
		}
	}
	p.Passed = true
	for _, l := range p.Lines {
		p.Passed = p.Passed && l.Kept
	}
	return p
}

func of(word, name string) string {
	if name == "" {
		return ""
	}
	return word + name
}

func (p *Report) value(t scenario.Threshold) float64 {
	r := p.Result
	count := func(o driver.Outcome) float64 { return float64(r.Count(t.Phase, t.Op, string(o))) }
	h := r.Latency(t.Phase, t.Op)
	ms := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1_000 }
	lost := float64(r.Count(t.Phase, t.Op, "unsent"))
	sent := max(1, float64(h.TotalCount()))
	switch t.Metric {
	case "p50_ms":
		return ms(50)
	case "p90_ms":
		return ms(90)
	case "p99_ms":
		return ms(99)
	case "p999_ms":
		return ms(99.9)
	case "max_ms":
		return float64(h.Max()) / 1_000
	case "error_ratio":
		return (count(driver.Never) + count(driver.Unknown)) / sent
	case "refused_ratio":
		return count(driver.Refused) / sent
	case "offered_ratio":
		return float64(h.TotalCount()) / max(1, float64(h.TotalCount())+lost)
	}
	return count(driver.Done) / r.Took.Seconds()
}

// Text writes the report for a terminal, the verdict first. It fails as w does.
func (p *Report) Text(w io.Writer) error {
	out := "\n"
	for _, l := range p.Lines {
		mark := "✓"
		switch {
		case !l.Kept:
			mark = "✗"
		case l.Got == notProven:
			mark = "–"
		}
		out += fmt.Sprintf("  %s %s: %s\n", mark, l.Name, l.Got)
	}
	for _, m := range p.Verdict.Promises {
		for _, v := range m.Violations {
			out += fmt.Sprintf("    %s: %s\n", v.Promise, v.What)
		}
	}
	h := p.Result.Latency("", "")
	out += fmt.Sprintf("\n%s, seed %d: offered %.1f calls/s, accepted %.1f/s, p50 %s, p99 %s\n",
		p.Scenario, p.Seed, p.Offered, p.Accepted,
		time.Duration(h.ValueAtQuantile(50))*time.Microsecond,
		time.Duration(h.ValueAtQuantile(99))*time.Microsecond)
	_, err := io.WriteString(w, out)
	return err
}

// JSON writes everything but the single calls. It fails as w does.
func (p *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(p)
}

// JUnit writes each line as a test, for a build server. It fails as w does.
func (p *Report) JUnit(w io.Writer) error {
	type failure struct {
		Message string `xml:"message,attr"`
	}
	type test struct {
		Name    string   `xml:"name,attr"`
		Failure *failure `xml:"failure,omitempty"`
	}
	suite := struct {
		XMLName  xml.Name `xml:"testsuite"`
		Name     string   `xml:"name,attr"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Cases    []test   `xml:"testcase"`
	}{Name: p.Scenario, Tests: len(p.Lines)}
	for _, l := range p.Lines {
		t := test{Name: l.Name}
		if !l.Kept {
			t.Failure = &failure{l.Got}
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, t)
	}
	return xml.NewEncoder(w).Encode(suite)
}
