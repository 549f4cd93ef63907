package outbox

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// stats are the metrics of the dispatcher. Labels are connections, which people define, and words of
// this package.
type stats struct {
	ends    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	tasks   *prometheus.GaugeVec
	breaker *prometheus.GaugeVec
	rate    *prometheus.GaugeVec
	rereads prometheus.Counter
}

// The words of the label "end": what became of a call.
const (
	endDone    = "done"
	endRetry   = "retry"
	endFailed  = "failed"
	endDropped = "dropped"
	endLater   = "later"
	endStale   = "stale" // somebody else changed the task, or leads
)

// newStats registers the metrics; it fails when the registry has others of the same names.
func newStats(registry *prometheus.Registry) (*stats, error) {
	st := &stats{
		ends: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_outbox_calls_total",
			Help: "Calls to outside systems that ended, by connection and by what became of the task.",
		}, []string{"connection", "end"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "holdfast_outbox_call_duration_seconds",
			Help:    "Time of an executor, by connection.",
			Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"connection"}),
		tasks: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_outbox_tasks",
			Help: "Tasks that have not ended, on the leader, by connection: waiting in all, due, running.",
		}, []string{"connection", "state"}),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_outbox_breaker_open",
			Help: "1 while no call of the connection is made because calls have failed; 0.5 while one is tried.",
		}, []string{"connection"}),
		rate: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_outbox_rate_per_second",
			Help: "Calls a second that the vendor was found to take; 0 while it has set no limit.",
		}, []string{"connection"}),
		rereads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_outbox_rereads_total",
			Help: "Times that all tasks were read, at the beginning of a term or after changes were missed.",
		}),
	}
	var faults []error
	for _, m := range []prometheus.Collector{st.ends, st.seconds, st.tasks, st.breaker, st.rate,
		st.rereads} {
		faults = append(faults, registry.Register(m))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("outbox: register metrics: %w", err)
	}
	return st, nil
}

func (st *stats) show(s LaneState) {
	st.tasks.WithLabelValues(s.Connection, "waiting").Set(float64(s.Waiting))
	st.tasks.WithLabelValues(s.Connection, "due").Set(float64(s.Due))
	st.tasks.WithLabelValues(s.Connection, "running").Set(float64(s.Running))
	open := map[string]float64{OpenWide.String(): 1, HalfOpen.String(): 0.5}[s.Breaker]
	st.breaker.WithLabelValues(s.Connection).Set(open)
	st.rate.WithLabelValues(s.Connection).Set(s.Rate)
}

// reset forgets what only a leader knows.
func (st *stats) reset() {
	st.tasks.Reset()
	st.breaker.Reset()
	st.rate.Reset()
}
