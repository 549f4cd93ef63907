package doctor

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast/cmd/internal/client"
)

// Judge makes findings of what was seen.
func Judge(s *Seen) Report {
	var f findings
	if s.ClusterErr != nil {
		f.add(Bad, "reach", "", "check --server and --key, and that a node runs there",
			"the cluster could not be asked: %s", plain(s.ClusterErr))
		return f.report()
	}
	f.leader(s)
	f.voters(s)
	f.digest(&s.Cluster)
	f.versions(s)
	for i := range s.Nodes {
		f.node(&s.Nodes[i], s)
	}
	f.backups(s)
	f.exceptions(s)
	f.connections(s)
	return f.report()
}

// plain is the first line of an error: what to do about it is said by the finding.
func plain(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

func (f *findings) leader(s *Seen) {
	c := &s.Cluster
	switch {
	case c.Leader == "" && c.Waiting != "":
		f.add(Bad, "leader", "", "start the nodes that it waits for", "there is no leader: %s", c.Waiting)
		return
	case c.Leader == "":
		f.add(Bad, "leader", "", "start the nodes that are missing and let them reach each other's peer "+
			"ports; nothing can be written until a majority does", "there is no leader")
		return
	}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if n.URL != "" && n.Err == nil && n.Leader != c.Leader {
			f.add(Warn, "leader", n.Member.ID, "look again in some seconds; if it stays so this node is cut "+
				"off from the others: check the network between the peer ports",
				"it sees %s as leader and %s sees %s", orNobody(n.Leader), c.Node, c.Leader)
			return
		}
	}
	f.add(OK, "leader", "", "", "%s leads in term %d", c.Leader, c.Term)
}

func orNobody(node string) string {
	if node == "" {
		return "nobody"
	}
	return node
}

// voters says how many more nodes may be lost.
func (f *findings) voters(s *Seen) {
	all, well := 0, 0
	for _, m := range s.Cluster.Members {
		if m.Voter {
			all++
			if m.Healthy {
				well++
			}
		}
	}
	spare := well - (all/2 + 1)
	switch {
	case all == 0:
		return
	case all == 1:
		f.add(Note, "voters", "", "for sales that must survive a machine run three nodes: "+
			"`holdfast cluster add`", "there is one node: what it has is lost with its disk")
	case spare < 0:
		f.add(Bad, "voters", "", "bring nodes back", "%d of %d voters are well: no majority", well, all)
	case spare == 0:
		f.add(Warn, "voters", "", "bring the others back, or, if the cluster was made this small on "+
			"purpose, grow it to three", "%d of %d voters are well: the loss of one more stops all writes",
			well, all)
	default:
		f.add(OK, "voters", "", "", "%d of %d voters are well: %d more may be lost", well, all, spare)
	}
}

func (f *findings) digest(c *client.Cluster) {
	switch {
	case c.Digest.Diverged:
		f.add(Bad, "digest", "", "stop writing, keep the logs of all nodes, and see which node stopped "+
			"itself; that one comes back by `holdfast cluster recover`",
			"the members' states differ at index %d", c.Digest.Index)
	case c.Digest.Index > 0:
		f.add(OK, "digest", "", "", "all members have the same state at index %d", c.Digest.Index)
	}
}

func (f *findings) versions(s *Seen) {
	by := map[string][]string{}
	for i := range s.Nodes {
		n := &s.Nodes[i]
		if v := n.Metrics.label("holdfast_build_info", "version"); v != "" {
			by[v] = append(by[v], n.Member.ID)
		}
	}
	if len(by) == 1 {
		for v := range by {
			f.add(OK, "version", "", "", "all nodes run %s", v)
		}
		return
	}
	var parts []string
	for _, v := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, strings.Join(by[v], " and ")+" "+v)
	}
	if len(parts) > 0 {
		f.add(Warn, "version", "", "finish the upgrade, one node at a time; until then what is new is off",
			"the nodes run different versions: %s", strings.Join(parts, ", "))
	}
}

// oldBackup is how old the last backup may be: a week of sales is a long list to do again by hand.
const oldBackup = 7 * 24 * time.Hour

// backups looks for the newest one that any node remembers: they forget it when they start.
func (f *findings) backups(s *Seen) {
	var newest, began float64
	for i := range s.Nodes {
		m := &s.Nodes[i].Metrics
		at, _ := m.value("holdfast_last_backup_timestamp_seconds")
		newest = max(newest, at)
		if b, ok := m.value("process_start_time_seconds"); ok && (began == 0 || b < began) {
			began = b
		}
	}
	const do = "`holdfast backup FILE`, by a timer, to another machine; `holdfast verify FILE` proves it"
	since := func(unix float64) time.Duration {
		return s.At.Sub(time.UnixMilli(int64(unix * 1000))).Round(time.Minute)
	}
	switch {
	case began == 0:
	case newest > 0 && since(newest) > oldBackup:
		f.add(Warn, "backup", "", do, "the last backup is %s old", days(since(newest)))
	case newest > 0:
		f.add(OK, "backup", "", "", "the last backup is %s old", days(since(newest)))
	case since(began) > oldBackup:
		f.add(Warn, "backup", "", do, "no backup was taken since the nodes began %s ago", days(since(began)))
	default:
		f.add(Note, "backup", "", do, "no backup is known; nodes forget theirs when they start")
	}
}

// days is a duration as people say it.
func days(d time.Duration) string {
	if d < 48*time.Hour {
		return d.String()
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

func (f *findings) exceptions(s *Seen) {
	if s.ExceptionsErr != nil {
		f.unasked("exceptions", s.ExceptionsErr)
		return
	}
	by := map[string]int{}
	oldest := s.At
	for _, e := range s.Exceptions {
		by[e.Class]++
		if e.FirstAt.Before(oldest) {
			oldest = e.FirstAt
		}
	}
	if len(by) == 0 {
		f.add(OK, "exceptions", "", "", "no exception is open")
		return
	}
	var parts []string
	for _, class := range slices.Sorted(maps.Keys(by)) {
		parts = append(parts, fmt.Sprintf("%d %s", by[class], class))
	}
	count := fmt.Sprint(len(s.Exceptions))
	if s.MoreExceptions {
		count = "more than " + count
	}
	f.add(Warn, "exceptions", "", "`holdfast exception list` names them and what can be done about each",
		"%s open (%s), the oldest since %s", count, strings.Join(parts, ", "),
		oldest.UTC().Format(time.RFC3339))
}

// unasked notes what could not be looked at. A server without the sync core has nothing to look at.
func (f *findings) unasked(check string, err error) {
	var p *client.Problem
	if errors.As(err, &p) && p.Code == "not-found" {
		return
	}
	f.add(Warn, check, "", "see the other findings first, then look again",
		"it could not be looked at: %s", plain(err))
}

// oldWatermark is when a connection's sales are no longer seen in time: sweeps take a minute or two.
const oldWatermark = 5 * time.Minute

func (f *findings) connections(s *Seen) {
	if s.ConnectionsErr != nil {
		f.unasked("connections", s.ConnectionsErr)
		return
	}
	well := 0
	for i := range s.Connections {
		if f.connection(&s.Connections[i]) {
			well++
		}
	}
	if well > 0 {
		f.add(OK, "connections", "", "", "%d of %d connections are well", well, len(s.Connections))
	}
}

// connection judges one, and reports whether it is well.
func (f *findings) connection(c *client.Connection) bool {
	show := "`holdfast connection show " + c.ID + "`"
	switch {
	case c.Mode == "paused":
		f.add(Warn, "connections", "", "`holdfast connection on "+c.ID+"` when it may go on",
			"%s is paused: nothing is sent or read", c.ID)
	case c.Effective != c.Mode:
		f.add(Warn, "connections", "", show+" lists what stands in its way",
			"%s shall be %s and is %s: %s", c.ID, c.Mode, c.Effective, c.Why)
	case c.Health != nil && c.Health.State == "failing":
		why := ""
		if n := len(c.Health.Errors); n > 0 {
			why = ": " + c.Health.Errors[n-1].Error
		}
		f.add(Bad, "connections", "", show+"; see to its account, its secret and the network",
			"%s is failing%s", c.ID, why)
	case c.Health != nil && c.Health.WatermarkAge != nil &&
		time.Duration(*c.Health.WatermarkAge)*time.Millisecond > oldWatermark:
		age := time.Duration(*c.Health.WatermarkAge) * time.Millisecond
		f.add(Warn, "connections", "", show+" says how far each feed is behind",
			"%s: its sales are known only up to %s ago", c.ID, age.Round(time.Second))
	default:
		return true
	}
	return false
}
