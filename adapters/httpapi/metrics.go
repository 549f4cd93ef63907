package httpapi

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// stats are this package's metrics. Labels are the routes of the table and five status classes, so
// their number is fixed.
type stats struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	inFlight prometheus.Gauge
	panics   prometheus.Counter
	streams  *prometheus.GaugeVec
	lines    prometheus.Counter
	none     *routeStats // what reached no route
}

// routeStats are the series of one route, found once.
type routeStats struct {
	classes [6]prometheus.Counter // by status / 100
	seconds prometheus.Observer
}

// buckets reach from a hit in memory to the longest wait for the ledger.
var buckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1,
	2.5, 5, 10}

// newStats registers the metrics; it fails when the registry has others of the same names.
func newStats(registry *prometheus.Registry, routes []*route) (*stats, error) {
	st := &stats{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_http_requests_total",
			Help: "Requests answered, by route and status class.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "holdfast_http_request_duration_seconds",
			Help:    "Time from the headers to the end of the handler, by route.",
			Buckets: buckets,
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "holdfast_http_requests_in_flight",
			Help: "Requests whose handler runs now; streams are counted apart.",
		}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_http_panics_total",
			Help: "Handlers that met a fault of ours and answered 500; any is a bug.",
		}),
		streams: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "holdfast_http_streams_open",
			Help: "Open streams, by kind.",
		}, []string{"kind"}),
		lines: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_http_stream_lines_total",
			Help: "Operations that came in by NDJSON streams.",
		}),
	}
	var faults []error
	for _, m := range []prometheus.Collector{st.requests, st.seconds, st.inFlight, st.panics,
		st.streams, st.lines} {
		faults = append(faults, registry.Register(m))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("httpapi: register metrics: %w", err)
	}
	for _, r := range routes {
		r.stats = st.of(r.method + " " + r.pattern)
	}
	st.none = st.of("none")
	return st, nil
}

func (st *stats) of(label string) *routeStats {
	rs := &routeStats{seconds: st.seconds.WithLabelValues(label)}
	for class := 2; class <= 5; class++ {
		rs.classes[class] = st.requests.WithLabelValues(label, string('0'+rune(class))+"xx")
	}
	return rs
}

func (st *stats) observe(r *route, status int, took time.Duration) {
	rs := st.none
	if r != nil {
		rs = r.stats
	}
	if class := status / 100; class >= 2 && class <= 5 {
		rs.classes[class].Inc()
	}
	if took > 0 {
		rs.seconds.Observe(took.Seconds())
	}
}
