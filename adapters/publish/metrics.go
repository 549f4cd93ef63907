package publish

import "github.com/prometheus/client_golang/prometheus"

// metrics are this package's. Labels are connections, which are few, and words of this package.
type metrics struct {
	watermark *prometheus.GaugeVec
	pushes    *prometheus.CounterVec
	waiting   *prometheus.GaugeVec
	lag       *prometheus.HistogramVec
	drift     *prometheus.CounterVec
}

func newMetrics(r *prometheus.Registry) *metrics {
	m := &metrics{
		watermark: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_publish_watermark_age_seconds",
			Help: "How long ago the moment is up to which every sale of a connection is in the ledger.",
		}, []string{"connection"}),
		pushes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_publish_pushes_total",
			Help: "Changes of slots that were sent, by what became of them.",
		}, []string{"connection", "outcome"}),
		waiting: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_publish_slots_waiting",
			Help: "Slots that have something to be sent or read.",
		}, []string{"connection"}),
		lag: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "holdfast_publish_lag_seconds",
			Help:    "From when a slot was found to differ until its push was acknowledged.",
			Buckets: []float64{.1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900},
		}, []string{"connection"}),
		drift: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_publish_drift_total",
			Help: "Differences at slots that no sale and no push of ours explains, by cause.",
		}, []string{"connection", "cause"}),
	}
	r.MustRegister(m.watermark, m.pushes, m.waiting, m.lag, m.drift)
	return m
}
