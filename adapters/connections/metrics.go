package connections

import (
	"github.com/prometheus/client_golang/prometheus"
)

// The metrics of a Board: of the connections that this node runs, and of no other node.
var (
	upDesc = prometheus.NewDesc("holdfast_connection_up",
		"1 while the loops of a connection run, 0 while they fail or its start is not done.",
		[]string{"connection"}, nil)
	watermarkDesc = prometheus.NewDesc("holdfast_connection_watermark_age_seconds",
		"How long ago the moment is before which every sale of a connection is known.",
		[]string{"connection"}, nil)
	successDesc = prometheus.NewDesc("holdfast_connection_last_success_age_seconds",
		"How long ago the other side has answered.", []string{"connection"}, nil)
	wouldDesc = prometheus.NewDesc("holdfast_connection_observed_calls_total",
		"Calls that observing has kept back.", []string{"connection"}, nil)
)

// Describe is of prometheus.Collector.
func (b *Board) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{upDesc, watermarkDesc, successDesc, wouldDesc} {
		ch <- d
	}
}

// Collect is of prometheus.Collector.
func (b *Board) Collect(ch chan<- prometheus.Metric) {
	now := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, h := range b.all {
		if h.State == StatePaused {
			continue // silent on purpose: no alert
		}
		up := 0.0
		if h.State == StateRunning {
			up = 1
		}
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, id)
		}
		gauge(upDesc, up)
		if !h.Watermark.IsZero() {
			gauge(watermarkDesc, now.Sub(h.Watermark).Seconds())
		}
		if !h.LastSuccessAt.IsZero() {
			gauge(successDesc, now.Sub(h.LastSuccessAt).Seconds())
		}
		ch <- prometheus.MustNewConstMetric(wouldDesc, prometheus.CounterValue, float64(h.WouldSend), id)
	}
}
