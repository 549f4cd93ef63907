package engine

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/zeebo/xxh3"
)

// The table of nodes: which of them ever took part, and under which incarnation last. It is small
// and grows only with names, so it is a map; it has no part in what commands on stock do.

// Enrolment is what is known of a node that was ever a member.
type Enrolment struct {
	Node        string
	Incarnation int64    // the highest, from 1
	Folder      [16]byte // of the data folder that has it; zero until one has claimed it
}

// nodeRow is a row of the table.
type nodeRow struct{ Enrolment }

// Enrolment returns what is known of a node; ok is false when it was never enrolled.
func (l *Ledger) Enrolment(node string) (e Enrolment, ok bool) {
	row := l.nodes[node]
	if row == nil {
		return Enrolment{}, false
	}
	return row.Enrolment, true
}

// Enrolments returns every node that was ever enrolled, by name. The caller owns the list.
func (l *Ledger) Enrolments() []Enrolment {
	all := make([]Enrolment, 0, len(l.nodes))
	for _, row := range l.nodes {
		all = append(all, row.Enrolment)
	}
	slices.SortFunc(all, func(a, b Enrolment) int { return strings.Compare(a.Node, b.Node) })
	return all
}

// enrol raises a node's incarnation, or gives the one that it has its folder.
func (l *Ledger) enrol(c *Enrol, v *verdict) {
	row := l.nodes[c.Node]
	switch {
	case row == nil && len(l.nodes) >= MaxNodes:
		v.refuse(LimitReached, field{leaf: "node"})
	case row == nil || c.Incarnation > row.Incarnation:
		l.setNode(&nodeRow{Enrolment{strings.Clone(c.Node), c.Incarnation, c.Folder}})
	case c.Incarnation < row.Incarnation:
		v.refuse(IncarnationUsed, field{leaf: "incarnation"})
	case c.Folder == row.Folder:
	case row.Folder == [16]byte{}:
		l.setNode(&nodeRow{Enrolment{row.Node, c.Incarnation, c.Folder}})
	default:
		v.refuse(IncarnationUsed, field{leaf: "folder"})
	}
}

// setNode puts a row into the table in place of the one with its name.
func (l *Ledger) setNode(row *nodeRow) {
	if old := l.nodes[row.Node]; old != nil {
		l.digest.remove(old.hash())
	}
	l.nodes[row.Node] = row
	l.digest.add(row.hash())
}

// ForgetCluster makes the ledger that of a new cluster: it has no cluster's id, and no node ever took
// part in it. For a restore, before anything was applied; everything else stays as it is.
func (l *Ledger) ForgetCluster() {
	l.limits.ClusterID = [16]byte{}
	for name, row := range l.nodes {
		l.digest.remove(row.hash())
		delete(l.nodes, name)
	}
}

func (r *nodeRow) hash() uint64 {
	h := mixWide(xxh3.HashString(r.Node), uint64(r.Incarnation))
	h = mixWide(h, binary.LittleEndian.Uint64(r.Folder[:]))
	h = mixWide(h, binary.LittleEndian.Uint64(r.Folder[8:]))
	return mixWide(h, 'N')
}

// good reports whether a row of a checkpoint could have been written by a sweep.
func (e Enrolment) good() bool {
	return nodeName(e.Node) && e.Incarnation >= 1 && e.Incarnation <= MaxIncarnation
}

func enrolmentWire(x *coder, e *Enrolment) {
	c := Enrol{Node: e.Node, Incarnation: e.Incarnation, Folder: e.Folder}
	c.wire(x)
	*e = Enrolment(c)
}

// nodeName reports whether text can be a node's name: dots are kept for incarnations.
func nodeName(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return len(text) >= 1 && len(text) <= MaxNodeBytes
}
