package settings

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"holdfast/raftstore"
)

// NodeValues are the settings of `serve`, typed.
type NodeValues struct {
	Node        string
	HTTP        string
	Raft        string
	Data        string
	Peers       []Peer // empty is a cluster of one
	Join        []string
	PeerCert    string // with PeerKey and PeerPins; all empty is a plain port
	PeerKey     string
	PeerPins    string
	Checkpoint  int64  // bytes of log between two checkpoints
	Segment     int64  // bytes of a file of the raft log
	Admin       string // empty is off
	Open        bool   // loopback needs no API key
	SkipEntries []raftstore.SkipEntry
	LogLevel    string
	LogFormat   string
	StopTimeout time.Duration
	Disk        Disk
	Alerts      Alerts
	Secrets     Secrets
	Private     []netip.Prefix // addresses that webhooks are sent to although they are not public
	Speed       int            // divides the intervals that wait for outside systems
}

// Disk is what the disk of the data folder must have, in bytes; below 0 is automatic.
type Disk struct{ Warn, Min, Ballast int64 }

// ClientValues are the settings of the commands that ask a server, typed.
type ClientValues struct {
	Server  string
	Key     Secret
	Output  string
	Timeout time.Duration
}

// All lists every setting in the table's order. The text of a secret is ***.
func (v *Values) All() []Value {
	all := make([]Value, 0, len(table))
	for _, s := range table {
		val := v.byKey[s.Key]
		if s.Kind == SecretID {
			val.Text = Secret{ref: val.Text}.String()
		}
		all = append(all, val)
	}
	return all
}

// Node gives out the settings of a node.
func (v *Values) Node() NodeValues {
	peers, _ := parsePeers(v.text("peers"))
	entries, _ := parseEntries(v.text("skip.entry"))
	join, _ := parseAddresses(v.text("join"))
	return NodeValues{
		Node: v.text("node"), HTTP: v.text("http"), Raft: v.text("raft"), Data: v.text("data"),
		Peers: peers, Join: join, PeerCert: v.text("peer.tls.cert"), PeerKey: v.text("peer.tls.key"),
		PeerPins: v.text("peer.tls.pins"), Admin: v.text("admin"),
		SkipEntries: entries, Open: v.text("open.loopback") == "true",
		Checkpoint: v.size("checkpoint.bytes"), Segment: v.size("wal.segment"),
		LogLevel: v.text("log.level"), LogFormat: v.text("log.format"),
		StopTimeout: v.duration("stop.timeout"),
		Disk: Disk{Warn: v.size("disk.warn"), Min: v.size("disk.min"),
			Ballast: v.size("disk.ballast")},
		Alerts: v.alerts(), Private: v.private(), Speed: v.number("sync.speed"),
		Secrets: v.secrets(),
	}
}

// Secrets says where connections may have theirs.
type Secrets struct {
	Anywhere bool
	Folder   string // below which the files are, when not Anywhere; empty: there are none
}

// secrets reads its setting. Whoever reaches a port on loopback is on this machine; through any other,
// somebody could have the node send away any file that it may read.
func (v *Values) secrets() Secrets {
	if folder := v.text("secrets"); folder != auto {
		return Secrets{Folder: folder}
	}
	return Secrets{Anywhere: checkLoopback(v.text("http")) == nil}
}

// Client gives out the settings of a client.
func (v *Values) Client() ClientValues {
	return ClientValues{
		Server:  strings.TrimRight(withScheme(v.text("server")), "/"),
		Key:     Secret{ref: v.text("key"), environ: v.look},
		Output:  v.text("output"),
		Timeout: v.duration("timeout"),
	}
}

func (v *Values) text(key string) string { return v.byKey[key].Text }

func (v *Values) size(key string) int64 {
	n, err := parseSize(v.text(key))
	if err != nil {
		panic(fmt.Sprintf("setting %s was not checked: %v", key, err))
	}
	return n
}

func (v *Values) number(key string) int {
	n, err := strconv.Atoi(v.text(key))
	if err != nil {
		panic(fmt.Sprintf("setting %s was not checked: %v", key, err))
	}
	return n
}

func (v *Values) duration(key string) time.Duration {
	d, err := time.ParseDuration(v.text(key))
	if err != nil {
		panic(fmt.Sprintf("setting %s was not checked: %v", key, err))
	}
	return d
}
