package doctor

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are the metrics of one node that a doctor looks at.
type Metrics struct {
	values map[string]float64           // of a metric without labels
	labels map[string]map[string]string // of the first series of a metric with labels
	hists  map[string]histogram
}

// histogram is one without labels: how many were at most so long.
type histogram struct {
	bounds []float64
	counts []uint64 // cumulative, one for each bound
	total  uint64
}

// mostMetrics bounds what is read of one node.
const mostMetrics = 16 << 20

// ReadMetrics reads Prometheus' text format. It fails when it is not that.
func ReadMetrics(in io.Reader) (Metrics, error) {
	m := Metrics{values: map[string]float64{}, labels: map[string]map[string]string{},
		hists: map[string]histogram{}}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(in, mostMetrics))
	if err != nil {
		return m, fmt.Errorf("read metrics: %w", err)
	}
	for name, f := range families {
		if !strings.HasPrefix(name, "holdfast_") && !strings.HasPrefix(name, "process_") {
			continue
		}
		series := f.GetMetric()
		if len(series) == 0 {
			continue
		}
		one := series[0]
		if pairs := one.GetLabel(); len(pairs) > 0 {
			m.labels[name] = map[string]string{}
			for _, p := range pairs {
				m.labels[name][p.GetName()] = p.GetValue()
			}
			continue
		}
		if h := one.GetHistogram(); h != nil {
			hist := histogram{total: h.GetSampleCount()}
			for _, b := range h.GetBucket() {
				hist.bounds = append(hist.bounds, b.GetUpperBound())
				hist.counts = append(hist.counts, b.GetCumulativeCount())
			}
			m.hists[name] = hist
			continue
		}
		m.values[name] = one.GetGauge().GetValue() + one.GetCounter().GetValue() +
			one.GetUntyped().GetValue()
	}
	return m, nil
}

// value is a metric without labels; ok is false when there is none.
func (m *Metrics) value(name string) (v float64, ok bool) {
	v, ok = m.values[name]
	return v, ok
}

// label is a label of an info metric, or "".
func (m *Metrics) label(name, label string) string { return m.labels[name][label] }

// quantile is the bound below which a part of the samples were; ok is false with fewer than least.
func (m *Metrics) quantile(name string, part float64, least uint64) (seconds float64, ok bool) {
	h, found := m.hists[name]
	if !found || h.total < least {
		return 0, false
	}
	want := uint64(math.Ceil(part * float64(h.total)))
	for i, n := range h.counts {
		if n >= want {
			return h.bounds[i], true
		}
	}
	return math.Inf(1), true
}
