package raftstore

import (
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/engine"
)

// metrics is the package's one table of metrics. Names carry their unit; no label is unbounded.
type metrics struct {
	commands, entries, expired   prometheus.Counter
	forwarded, refused, unknown  prometheus.Counter
	leaderChanges, reopened      prometheus.Counter
	batchCommands, settle, apply prometheus.Histogram
	checkpoint, logStore         prometheus.Histogram
	checkpointBytes              prometheus.Gauge
	all                          []prometheus.Collector
	registered                   []prometheus.Collector
}

func newMetrics(s *Store) *metrics {
	m := &metrics{}
	m.commands = m.counter("commands_applied_total", "Commands applied on this node.")
	m.entries = m.counter("entries_applied_total", "Entries of commands applied on this node.")
	m.expired = m.counter("holds_expired_total", "Holds that ended at their deadline.")
	m.forwarded = m.counter("commands_forwarded_total", "Commands sent on to the leader.")
	m.refused = m.counter("admission_refused_total", "Calls refused because a queue was full.")
	m.unknown = m.counter("outcome_unknown_total", "Batches whose outcome is not known.")
	m.leaderChanges = m.counter("leader_changes_total", "Times this node began or ceased to lead.")
	m.reopened = m.counter("raft_reopened_total",
		"Times raft was reopened: after an installed checkpoint, or because it stood still.")
	m.batchCommands = m.histogram("batch_commands", "Commands in one batch.",
		prometheus.ExponentialBuckets(1, 4, 7))
	m.settle = m.histogram("commit_seconds", "From the first command of a batch to its answer.",
		prometheus.ExponentialBuckets(0.0002, 2, 16))
	m.apply = m.histogram("apply_seconds", "Applying one entry.",
		prometheus.ExponentialBuckets(0.00001, 2, 16))
	m.logStore = m.histogram("log_store_seconds", "Writing entries to the raft log, with the sync.",
		prometheus.ExponentialBuckets(0.0001, 2, 15))
	m.checkpoint = m.histogram("checkpoint_seconds", "Writing one checkpoint.",
		prometheus.ExponentialBuckets(0.1, 2, 12))
	m.checkpointBytes = prometheus.NewGauge(
		opts("checkpoint_bytes", "Size of the newest checkpoint."))
	m.all = append(m.all, m.checkpointBytes)
	m.gauges(s)
	m.catchUp(s)
	return m
}

// gauges are read when they are asked for.
func (m *metrics) gauges(s *Store) {
	m.gauge("leads", "1 while this node leads.", func() float64 {
		if s.lead.Load() != nil {
			return 1
		}
		return 0
	})
	m.gauge("has_leader", "1 while this node knows a leader.", func() float64 {
		if s.leaderName() != "" {
			return 1
		}
		return 0
	})
	m.gauge("term", "Raft's term.", func() float64 { return float64(s.raft().CurrentTerm()) })
	m.gauge("applied_index", "Index of the newest entry in the ledger.",
		func() float64 { return float64(s.machine.applied.Load()) })
	m.gauge("agreed_behind_entries", "Entries that are agreed and not applied here.",
		func() float64 { return float64(s.behind()) })
	m.gauge("queue_bytes", "Commands queued or on their way.",
		func() float64 { return float64(s.batcher.queued()) })
	m.gauge("reads_in_flight", "Reads being answered.",
		func() float64 { return float64(s.reads.Load()) })
	m.gauge("log_bytes", "Bytes of all kept entries.",
		func() float64 { return float64(s.parts.log.Size()) })
	m.gauge("log_since_checkpoint_bytes", "Log applied since the last checkpoint.",
		func() float64 { return float64(s.machine.logBytes.Load()) })
	m.gauge("leader_silent_seconds", "Time since this node heard of the leader.",
		func() float64 { return s.contact().Seconds() })
	m.gauge("clock_offset_seconds", "How far this node's clock is ahead of the voters' median.",
		func() float64 { return time.Duration(s.clock.own.Load()).Seconds() })
	m.gauge("ledger_clock_offset_seconds",
		"How far the ledger's time is ahead of the voters' median, while this node leads.",
		func() float64 { return time.Duration(s.clock.ledger.Load()).Seconds() })
	m.gauge("disk_free_bytes", "Free space of the data folder's disk.", func() float64 {
		return s.disk.value(func(d *diskState) int64 { return d.Free })
	})
	m.gauge("disk_needed_bytes", "Free space below which the disk counts as full.", func() float64 {
		return s.disk.value(func(d *diskState) int64 { return d.Needed })
	})
	m.gauge("disk_level", "0 is fine, 1 is low, 2 is full.", func() float64 {
		return s.disk.value(func(d *diskState) int64 { return int64(d.Level) })
	})
	m.gauge("digest_diverged", "1 when two members differ.", func() float64 {
		if s.Status().Digest.Diverged {
			return 1
		}
		return 0
	})
	m.ledger(s, "replay_horizon_seconds", "For how long an answer is remembered.",
		func(l *engine.Ledger) float64 { return float64(l.Horizon()) / 1000 })
	m.ledger(s, "apply_version", "What apply does: the version that every member can follow.",
		func(l *engine.Ledger) float64 { return float64(l.Limits().ApplyVersion) })
	m.ledger(s, "event_sequence", "Sequence of the newest event.",
		func(l *engine.Ledger) float64 { return float64(l.LastEvent()) })
	m.ledger(s, "skus", "SKUs defined.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().SKUs) })
	m.ledger(s, "locations", "Locations defined.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().Locations) })
	m.ledger(s, "channels", "Channels defined.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().Channels) })
	m.ledger(s, "stock_rows", "SKUs at locations.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().StockRows) })
	m.ledger(s, "reservations", "Reservations in memory.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().Reservations) })
	m.ledger(s, "live_holds", "Holds with units.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().LiveHolds) })
	m.ledger(s, "remembered_results", "Answers remembered for replays.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().Results) })
	m.describeBodies(s)
}

// describeBodies adds what is known of records, and of reservations that have left memory.
func (m *metrics) describeBodies(s *Store) {
	m.ledger(s, "retired_reservations", "Reservations that have left memory and whose ids are known.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().Retired) })
	m.ledger(s, "records", "Records in memory.",
		func(l *engine.Ledger) float64 { return float64(l.Counts().Records) })
	m.ledger(s, "records_max", "Records that may be in memory.",
		func(l *engine.Ledger) float64 { return float64(l.Limits().RecordsMax) })
	m.ledger(s, "archived_records", "Records that have left memory and whose bodies stayed, since ever.",
		func(l *engine.Ledger) float64 { return float64(l.Archived()) })
	m.gauge("bodies_dirty_bytes", "Bodies that are in memory only.",
		func() float64 { return float64(s.machine.bodies.State().DirtyBytes) })
	m.gauge("bodies_missing", "1 while bodies must still come from another node.", func() float64 {
		if s.bodiesComplete() {
			return 0
		}
		return 1
	})
}

// catchUp is what is read of nodes that are behind.
func (m *metrics) catchUp(s *Store) {
	m.gauge("stalled_members", "On the leader: members that are behind and take nothing in.",
		func() float64 { return float64(s.stalled.Load()) })
	m.gauge("incomplete", "1 while something is still to be fetched after an install.",
		func() float64 {
			if s.complete() {
				return 0
			}
			return 1
		})
}

// settled counts an answered batch. The caller holds batcher.mu.
func (m *metrics) settled(b *batch, now time.Time) {
	if b.count > 0 {
		m.batchCommands.Observe(float64(b.count))
	}
	if b.err == nil {
		m.settle.Observe(now.Sub(b.opened).Seconds())
	} else if _, ok := b.err.(*UnknownError); ok {
		m.unknown.Inc()
	}
}

func opts(name, help string) prometheus.GaugeOpts {
	return prometheus.GaugeOpts{Namespace: "holdfast", Subsystem: "ledger", Name: name, Help: help}
}

func (m *metrics) counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts(opts(name, help)))
	m.all = append(m.all, c)
	return c
}

func (m *metrics) histogram(name, help string, buckets []float64) prometheus.Histogram {
	o := opts(name, help)
	h := prometheus.NewHistogram(prometheus.HistogramOpts{
		Namespace: o.Namespace, Subsystem: o.Subsystem, Name: name, Help: help, Buckets: buckets,
	})
	m.all = append(m.all, h)
	return h
}

func (m *metrics) gauge(name, help string, read func() float64) {
	m.all = append(m.all, prometheus.NewGaugeFunc(opts(name, help), read))
}

func (m *metrics) ledger(s *Store, name, help string, read func(*engine.Ledger) float64) {
	m.gauge(name, help, func() (value float64) {
		s.machine.view(func(l *engine.Ledger) bool {
			value = read(l)
			return false
		})
		return value
	})
}

// register hands the table to r, which may be nil. It fails with r's errors, joined.
func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	var errs []error
	for _, c := range m.all {
		if err := r.Register(c); err != nil {
			errs = append(errs, fmt.Errorf("register metrics: %w", err))
			continue
		}
		m.registered = append(m.registered, c)
	}
	return errors.Join(errs...)
}

// unregister takes back what register handed out.
func (m *metrics) unregister(r prometheus.Registerer) {
	for _, c := range m.registered {
		r.Unregister(c)
	}
	m.registered = nil
}
