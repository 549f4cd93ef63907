package doctor

import (
	"fmt"
	"slices"
	"time"
)

// node judges one member.
func (f *findings) node(n *Node, s *Seen) {
	id := n.Member.ID
	f.clock(n)
	if lag := n.Member.Lag; lag > lagging {
		f.add(Warn, "lag", id, "wait; if it does not fall, see its disk and network, and its log",
			"it is %d entries behind", lag)
	}
	if n.URL == "" {
		f.add(Bad, "reach", id, "start it, or take it out with `holdfast cluster remove "+id+"`",
			"nobody has heard of it since %s began", s.Cluster.Node)
		return
	}
	if n.Err != nil {
		do := "see that it runs (its log, its exit status), and that this machine reaches that address"
		if n.Member.Healthy {
			do = "the other nodes do reach it: run doctor on its machine, or let it listen where you are"
		}
		f.add(Bad, "reach", id, do, "it does not answer at %s: %s", n.URL, plain(n.Err))
		return
	}
	f.ready(n)
	if n.MetricsErr != nil {
		f.add(Warn, "metrics", id, "give a key with the role read",
			"its metrics cannot be read: %s", plain(n.MetricsErr))
		return
	}
	f.disk(n)
	f.sync(n)
	f.openFiles(n)
	f.fileSystem(n)
	f.certificate(n, s.At)
	f.counters(n)
}

const (
	// lagging is what a node may be behind for a moment: what /readyz allows, many times over.
	lagging = 10_000
	// clockAlarm is where a node itself raises an alarm; clockDrift is what NTP never leaves.
	clockAlarm = 2 * time.Second
	clockDrift = 250 * time.Millisecond
)

func (f *findings) clock(n *Node) {
	off := time.Duration(n.Member.ClockOffset) * time.Millisecond
	const do = "mend its clock (NTP); nothing has to be restarted"
	switch size := max(off, -off); {
	case size > clockAlarm:
		f.add(Bad, "clock", n.Member.ID, do, "its clock is %s off the others", off)
	case size > clockDrift:
		f.add(Warn, "clock", n.Member.ID, do, "its clock is %s off the others", off)
	}
}

// readyDo says what to do about a failed line of /readyz.
var readyDo = map[string]string{
	"leader": "see the finding about the leader",
	"storage": "the node stops by itself: see its log, and its exit status; 6 means " +
		"`holdfast cluster recover`",
	"applied": "wait; it catches up",
	"clock":   "mend its clock (NTP)",
	"disk":    "free space; the file BALLAST in its data folder is there to be given up",
}

func (f *findings) ready(n *Node) {
	bad := false
	for _, r := range n.Ready {
		if r.OK {
			continue
		}
		bad = true
		do := readyDo[r.Name]
		if do == "" {
			do = "see its log"
		}
		f.add(Bad, "ready", n.Member.ID, do, "it is not ready: %s: %s", r.Name, r.Detail)
	}
	if !bad {
		f.add(OK, "ready", n.Member.ID, "", "it is ready")
	}
}

func (f *findings) disk(n *Node) {
	free, ok := n.Metrics.value("holdfast_ledger_disk_free_bytes")
	if !ok {
		return
	}
	needed, _ := n.Metrics.value("holdfast_ledger_disk_needed_bytes")
	says := fmt.Sprintf("%s are free, %s are needed", bytesText(free), bytesText(needed))
	const do = "free space or give it a larger disk; below what is needed reserves are refused (507)"
	switch level, _ := n.Metrics.value("holdfast_ledger_disk_level"); {
	case level >= 2:
		f.add(Bad, "disk", n.Member.ID, do, "its disk is full: %s", says)
	case level >= 1:
		f.add(Warn, "disk", n.Member.ID, do, "its disk is low: %s", says)
	default:
		f.add(OK, "disk", n.Member.ID, "", "%s", says)
	}
}

func bytesText(n float64) string {
	const unit = 1 << 10
	for _, u := range []struct {
		size float64
		name string
	}{{unit * unit * unit, "GiB"}, {unit * unit, "MiB"}, {unit, "KiB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.1f %s", n/u.size, u.name)
		}
	}
	return fmt.Sprintf("%.0f B", n)
}

const (
	// slowSync and hangingSync are for the slowest of a hundred writes of the log. A disk of its own takes
	// some ms; at 2 s the node stops itself.
	slowSync    = 0.1
	hangingSync = 0.5
	// leastSyncs is from when on a slowest hundredth says anything.
	leastSyncs = 200
)

func (f *findings) sync(n *Node) {
	const name = "holdfast_ledger_log_store_seconds"
	slowest, ok := n.Metrics.quantile(name, 0.99, leastSyncs)
	if !ok {
		return
	}
	usual, _ := n.Metrics.quantile(name, 0.5, leastSyncs)
	const do = "put its data folder on a disk of its own; every write waits for the disks of a majority"
	says := fmt.Sprintf("half of its writes to the log take under %s, 1 in 100 over %s",
		seconds(usual), seconds(slowest))
	if slowest > 1e9 {
		says = "1 in 100 of its writes to the log take longer than is measured"
	}
	switch {
	case slowest > hangingSync:
		f.add(Bad, "sync", n.Member.ID, do, "%s", says)
	case slowest > slowSync:
		f.add(Warn, "sync", n.Member.ID, do, "%s", says)
	default:
		f.add(OK, "sync", n.Member.ID, "", "%s", says)
	}
}

func seconds(s float64) time.Duration {
	return time.Duration(s * float64(time.Second)).Round(100 * time.Microsecond)
}

// fewFiles is below what a node takes: 16,384 connections, and some hundred files.
const fewFiles = 17_000

func (f *findings) openFiles(n *Node) {
	limit, ok := n.Metrics.value("process_max_fds")
	if !ok {
		return
	}
	open, _ := n.Metrics.value("process_open_fds")
	const do = "raise the limit of open files to 65,536 (LimitNOFILE of a service, ulimit -n) and start " +
		"it again"
	switch {
	case open > limit*0.8:
		f.add(Bad, "files", n.Member.ID, do, "%.0f of %.0f files are open", open, limit)
	case limit < fewFiles:
		f.add(Warn, "files", n.Member.ID, do, "it may open %.0f files, which is fewer than connections "+
			"that it would take", limit)
	default:
		f.add(OK, "files", n.Member.ID, "", "%.0f of %.0f files are open", open, limit)
	}
}

func (f *findings) fileSystem(n *Node) {
	kind := n.Metrics.label("holdfast_data_filesystem_info", "kind")
	const do = "stop it, and give it a data folder on a local disk with ext4 or XFS: as a new folder, by " +
		"`holdfast cluster recover`"
	switch {
	case kind == "":
	case slices.Contains([]string{"nfs", "smb", "9p", "fuse"}, kind):
		f.add(Bad, "filesystem", n.Member.ID, do, "its data is on %s, which may say that a write is on "+
			"the disk when it is not", kind)
	case slices.Contains([]string{"tmpfs", "ramfs"}, kind):
		f.add(Bad, "filesystem", n.Member.ID, do, "its data is on %s: it is gone when the machine stops",
			kind)
	case kind == "overlay":
		f.add(Warn, "filesystem", n.Member.ID, "mount a volume for its data folder",
			"its data is in the layer of a container, and goes with it")
	default:
		f.add(OK, "filesystem", n.Member.ID, "", "its data is on %s", kind)
	}
}

// soonEnds is from when on a certificate's end is worth a warning.
const soonEnds = 30 * 24 * time.Hour

func (f *findings) certificate(n *Node, now time.Time) {
	end, ok := n.Metrics.value("holdfast_peer_certificate_end_timestamp_seconds")
	if !ok {
		return
	}
	const do = "add the pin of a new one beside the old one everywhere, swap the files, then take the old " +
		"pin out; nodes read them again by themselves"
	at := time.Unix(int64(end), 0).UTC()
	switch left := at.Sub(now); {
	case end == 0:
		f.add(Warn, "certificate", n.Member.ID, "see peer.tls.cert and the rights of that file",
			"its certificate for the other nodes cannot be read")
	case left <= 0:
		f.add(Bad, "certificate", n.Member.ID, do, "its certificate ended at %s", at.Format(time.RFC3339))
	case left < soonEnds:
		f.add(Warn, "certificate", n.Member.ID, do, "its certificate ends in %d days",
			int(left.Hours()/24))
	default:
		f.add(OK, "certificate", n.Member.ID, "", "its certificate ends at %s", at.Format(time.DateOnly))
	}
}

// counters are metrics that are 0 on a node that is well.
func (f *findings) counters(n *Node) {
	for _, c := range []struct {
		name     string
		level    Level
		says, do string
	}{
		{"holdfast_http_panics_total", Warn, "%.0f requests met a fault of ours",
			"look for \"panic in a handler\" in its log and report it"},
		{"holdfast_ledger_incomplete", Warn, "it still fetches history from another node",
			"wait; it ends by itself"},
		{"holdfast_ledger_stalled_members", Warn, "%.0f members are behind and take nothing in",
			"see their logs, their disks and the network"},
	} {
		if v, ok := n.Metrics.value(c.name); ok && v > 0 {
			says := c.says
			if slices.Contains([]byte(says), '%') {
				says = fmt.Sprintf(says, v)
			}
			f.add(c.level, "counters", n.Member.ID, c.do, "%s", says)
		}
	}
	if h, ok := n.Metrics.value("holdfast_ledger_replay_horizon_seconds"); ok && h > 0 &&
		h < (24*time.Hour).Seconds() {
		f.add(Warn, "horizon", n.Member.ID, "raise results_max, or see who sends so many writes with keys",
			"answers are remembered for %s instead of 24h: a client that repeats later has its effect twice",
			seconds(h).Round(time.Minute))
	}
	records, _ := n.Metrics.value("holdfast_ledger_records")
	if most, ok := n.Metrics.value("holdfast_ledger_records_max"); ok && most > 0 && records > 0.9*most {
		f.add(Warn, "records", n.Member.ID, "raise records_max, or find what does not end "+
			"(`holdfast exception list`)", "%.0f of %.0f records are in use", records, most)
	}
}
