package doctor

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// metricsOf makes the metrics of a node that is well, with further lines in place of those of the same
// name.
func metricsOf(t *testing.T, more ...string) Metrics {
	t.Helper()
	lines := []string{
		`holdfast_build_info{version="v1"} 1`, `holdfast_data_filesystem_info{kind="ext4"} 1`,
		`holdfast_last_backup_timestamp_seconds 1.7803e+09`, `process_start_time_seconds 1.78e+09`,
		`holdfast_ledger_disk_free_bytes 1e+11`, `holdfast_ledger_disk_needed_bytes 1e+09`,
		`holdfast_ledger_disk_level 0`, `process_max_fds 65536`, `process_open_fds 40`,
		`holdfast_http_panics_total 0`, `holdfast_ledger_incomplete 0`,
		`holdfast_ledger_stalled_members 0`, `holdfast_ledger_replay_horizon_seconds 86400`,
		`holdfast_ledger_records 10`, `holdfast_ledger_records_max 1000`,
	}
	for _, m := range more {
		name := m[:strings.IndexAny(m, " {")]
		for i, l := range lines {
			if strings.HasPrefix(l, name+" ") || strings.HasPrefix(l, name+"{") {
				lines[i] = ""
			}
		}
		lines = append(lines, m)
	}
	m, err := ReadMetrics(strings.NewReader(strings.Join(lines, "\n") + "\n"))
	require.NoError(t, err)
	return m
}

// stored are the metrics of writes of the log: so many within 1 ms, so many more within a second.
func stored(fast, slow string) string {
	return "# TYPE holdfast_ledger_log_store_seconds histogram\n" +
		`holdfast_ledger_log_store_seconds_bucket{le="0.001"} ` + fast + "\n" +
		`holdfast_ledger_log_store_seconds_bucket{le="1"} ` + slow + "\n" +
		`holdfast_ledger_log_store_seconds_bucket{le="+Inf"} ` + slow + "\n" +
		"holdfast_ledger_log_store_seconds_sum 1\nholdfast_ledger_log_store_seconds_count " + slow
}

// wellSeen is a cluster of three of which nothing is to be said.
func wellSeen(t *testing.T) *Seen {
	s := &Seen{At: now, Cluster: client.Cluster{Node: "n1", Leader: "n2", Term: 4}}
	for _, id := range []string{"n1", "n2", "n3"} {
		m := client.Member{ID: id, HTTP: "192.0.2.1:7480", Raft: "192.0.2.1:7481", Voter: true, Healthy: true}
		s.Cluster.Members = append(s.Cluster.Members, m)
		s.Nodes = append(s.Nodes, Node{Member: m, URL: "http://" + m.HTTP, Leader: "n2",
			Ready: []Ready{{Name: "leader", OK: true}}, Metrics: metricsOf(t)})
	}
	return s
}

func TestAClusterThatIsWellNeedsNothing(t *testing.T) {
	t.Parallel()
	r := Judge(wellSeen(t))
	require.Equal(t, OK, r.Worst, "%+v", r.Findings)
	require.False(t, r.Wrong())
	require.Greater(t, len(r.Findings), 10)
}

// TestWhatIsWrongIsSaid breaks one thing at a time: exactly that is found, with what to do.
func TestWhatIsWrongIsSaid(t *testing.T) {
	t.Parallel()
	age := int64(600_000)
	metric := func(more ...string) func(*Seen) {
		return func(s *Seen) { s.Nodes[2].Metrics = metricsOf(t, more...) }
	}
	connection := func(c client.Connection) func(*Seen) {
		return func(s *Seen) { s.Connections = []client.Connection{c} }
	}
	health := client.Connection{ID: "shop", Mode: "on", Effective: "on"}
	failing, late := health, health
	failing.Health = &client.ConnectionHealth{State: "failing"}
	late.Health = &client.ConnectionHealth{State: "running", WatermarkAge: &age}
	for name, row := range map[string]struct {
		harm  func(*Seen)
		level Level
		check string
		says  string
	}{
		"nobody leads": {func(s *Seen) { s.Cluster.Leader, s.Cluster.Waiting = "", "for n3" }, Bad, "leader",
			"for n3"},
		"two leaders":  {func(s *Seen) { s.Nodes[2].Leader = "n3" }, Warn, "leader", "sees n3"},
		"sees nobody":  {func(s *Seen) { s.Nodes[2].Leader = "" }, Warn, "leader", "sees nobody"},
		"one away":     {func(s *Seen) { s.Cluster.Members[2].Healthy = false }, Warn, "voters", "2 of 3"},
		"diverged":     {func(s *Seen) { s.Cluster.Digest.Diverged = true }, Bad, "digest", "differ"},
		"versions":     {metric(`holdfast_build_info{version="v2"} 1`), Warn, "version", "n1 and n2 v1, n3 v2"},
		"clock":        {func(s *Seen) { s.Nodes[2].Member.ClockOffset = -3000 }, Bad, "clock", "-3s"},
		"clock drifts": {func(s *Seen) { s.Nodes[2].Member.ClockOffset = 300 }, Warn, "clock", "300ms"},
		"lag":          {func(s *Seen) { s.Nodes[2].Member.Lag = 20_000 }, Warn, "lag", "20000"},
		"unheard":      {func(s *Seen) { s.Nodes[2].URL = "" }, Bad, "reach", "nobody has heard"},
		"unreachable":  {func(s *Seen) { s.Nodes[2].Err = errors.New("refused\nhint") }, Bad, "reach", "refused"},
		"not ready": {func(s *Seen) { s.Nodes[2].Ready = []Ready{{Name: "storage", Detail: "io"}} }, Bad,
			"ready", "storage: io"},
		"no metrics": {func(s *Seen) { s.Nodes[2].MetricsErr = errors.New("forbidden") }, Warn, "metrics",
			"forbidden"},
		"disk full":      {metric("holdfast_ledger_disk_level 2"), Bad, "disk", "93.1 GiB are free"},
		"disk low":       {metric("holdfast_ledger_disk_level 1"), Warn, "disk", "953.7 MiB are needed"},
		"slow disk":      {metric(stored("985", "1000")), Bad, "sync", "1 in 100 over 1s"},
		"many files":     {metric("process_open_fds 60000"), Bad, "files", "60000 of 65536"},
		"few files":      {metric("process_max_fds 1024"), Warn, "files", "1024"},
		"network disk":   {metric(`holdfast_data_filesystem_info{kind="nfs"} 1`), Bad, "filesystem", "nfs"},
		"memory disk":    {metric(`holdfast_data_filesystem_info{kind="tmpfs"} 1`), Bad, "filesystem", "tmpfs"},
		"container disk": {metric(`holdfast_data_filesystem_info{kind="overlay"} 1`), Warn, "filesystem", "layer"},
		"certificate": {metric("holdfast_peer_certificate_end_timestamp_seconds 1.7811e+09"), Warn,
			"certificate", "in 9 days"},
		"old certificate": {metric("holdfast_peer_certificate_end_timestamp_seconds 1.7e+09"), Bad,
			"certificate", "ended at 2023"},
		"no certificate": {metric("holdfast_peer_certificate_end_timestamp_seconds 0"), Warn, "certificate",
			"cannot be read"},
		"panics":  {metric("holdfast_http_panics_total 2"), Warn, "counters", "2 requests"},
		"horizon": {metric("holdfast_ledger_replay_horizon_seconds 3600"), Warn, "horizon", "1h0m0s"},
		"records": {metric("holdfast_ledger_records 950"), Warn, "records", "950 of 1000"},
		"old backup": {func(s *Seen) {
			for i := range s.Nodes {
				s.Nodes[i].Metrics = metricsOf(t, "holdfast_last_backup_timestamp_seconds 1.7795e+09")
			}
		}, Warn, "backup", "9 days old"},
		"no backup": {func(s *Seen) {
			for i := range s.Nodes {
				s.Nodes[i].Metrics = metricsOf(t, "holdfast_last_backup_timestamp_seconds 0",
					"process_start_time_seconds 1.779e+09")
			}
		}, Warn, "backup", "no backup was taken"},
		"exceptions": {func(s *Seen) {
			s.Exceptions = []client.Exception{{Class: "data", FirstAt: now.Add(-time.Hour)}, {Class: "auth"}}
		}, Warn, "exceptions", "2 open (1 auth, 1 data)"},
		"unasked": {func(s *Seen) { s.ExceptionsErr = errors.New("timeout") }, Warn, "exceptions", "timeout"},
		"paused":  {connection(client.Connection{ID: "shop", Mode: "paused"}), Warn, "connections", "paused"},
		"blocked": {connection(client.Connection{ID: "shop", Mode: "on", Effective: "observe",
			Why: "drift"}), Warn, "connections", "is observe: drift"},
		"failing": {connection(failing), Bad, "connections", "failing"},
		"late":    {connection(late), Warn, "connections", "10m0s ago"},
	} {
		s := wellSeen(t)
		row.harm(s)
		r := Judge(s)
		require.Equal(t, row.level, r.Worst, "%s: %+v", name, r.Findings)
		require.True(t, r.Wrong(), name)
		var wrong []Finding
		for _, f := range r.Findings {
			if f.Level != OK && f.Level != Note {
				wrong = append(wrong, f)
			}
		}
		require.Len(t, wrong, 1, "%s: %+v", name, wrong)
		require.Equal(t, row.check, wrong[0].Check, name)
		require.Contains(t, wrong[0].Says, row.says, name)
		require.NotEmpty(t, wrong[0].Do, name)
		require.NotContains(t, wrong[0].Says, "hint")
	}
}

func TestASingleNodeIsANote(t *testing.T) {
	t.Parallel()
	s := wellSeen(t)
	s.Cluster.Members, s.Nodes = s.Cluster.Members[:1], s.Nodes[:1]
	r := Judge(s)
	require.Equal(t, Note, r.Worst, "%+v", r.Findings)
	require.False(t, r.Wrong())
	s.ConnectionsErr = &client.Problem{Code: "not-found"}
	require.False(t, func() bool { r := Judge(s); return r.Wrong() }(), "a server without the sync core")
}

// TestLookAsksEveryMember looks at three nodes of which one is gone and one does not answer well.
func TestLookAsksEveryMember(t *testing.T) {
	t.Parallel()
	var first, second *httptest.Server
	answers := func(node string, ready int) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("GET /v1/cluster", func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") != "Bearer k" {
				w.WriteHeader(401)
				return
			}
			_, _ = w.Write([]byte(`{"node":"` + node + `","leader":"n1","members":[` +
				`{"id":"n1","http":"127.0.0.1:1","voter":true,"healthy":true},` +
				`{"id":"n2","http":"0.0.0.0:` + second.URL[strings.LastIndex(second.URL, ":")+1:] +
				`","raft":"127.0.0.1:9","voter":true,"healthy":true,"clock_offset_ms":5},` +
				`{"id":"n3","http":"127.0.0.1:1","voter":true,"healthy":false},` +
				`{"id":"n4","http":"","voter":true,"healthy":false}]}`))
		})
		mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(ready)
			_, _ = w.Write([]byte("[+]leader ok: n1\n[-]disk failed: 3 MiB are free: too few\n"))
		})
		mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte("holdfast_http_panics_total 1\nother{a=\"b\"} 2\n"))
		})
		mux.HandleFunc("GET /v1/exceptions", func(w http.ResponseWriter, r *http.Request) {
			require.Equal(t, "open", r.URL.Query().Get("state"))
			_, _ = w.Write([]byte(`{"items":[{"id":"e","class":"data"}],"next":"c"}`))
		})
		mux.HandleFunc("GET /v1/connections", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"items":[{"id":"shop","mode":"on","effective":"on"}]}`))
		})
		return mux
	}
	second = httptest.NewServer(answers("n2", 503))
	defer second.Close()
	first = httptest.NewServer(answers("n1", 200))
	defer first.Close()
	s := Look(context.Background(), first.URL, func(url string) *client.Client {
		return client.New(client.Config{Server: url, Key: "k"})
	}, func() time.Time { return now })
	require.NoError(t, s.ClusterErr)
	require.Len(t, s.Nodes, 4)
	for _, n := range s.Nodes[:2] {
		require.NoError(t, n.Err)
		require.Equal(t, []Ready{{Name: "leader", Detail: "n1", OK: true},
			{Name: "disk", Detail: "3 MiB are free: too few"}}, n.Ready)
		v, ok := n.Metrics.value("holdfast_http_panics_total")
		require.True(t, ok)
		require.Equal(t, 1.0, v)
	}
	require.Equal(t, int64(5), s.Nodes[1].Member.ClockOffset)
	require.Error(t, s.Nodes[2].Err)
	require.Empty(t, s.Nodes[3].URL)
	require.Len(t, s.Exceptions, 1)
	require.True(t, s.MoreExceptions)
	require.Len(t, s.Connections, 1)

	locked := Look(context.Background(), first.URL, func(url string) *client.Client {
		return client.New(client.Config{Server: url})
	}, time.Now)
	require.Error(t, locked.ClusterErr)
	require.Equal(t, Bad, Judge(locked).Worst)
}
