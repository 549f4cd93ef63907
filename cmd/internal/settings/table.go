package settings

import (
	"strings"

	"github.com/spf13/pflag"
)

// Kind says how the text of a setting is checked and read.
type Kind uint8

// The kinds of setting.
const (
	Text       Kind = iota + 1 // any text; empty only where the default is
	Name                       // 1 to 64 letters, digits, dashes and underscores
	Address                    // host:port
	Loopback                   // host:port on loopback, or empty for off
	Path                       // a file or a folder
	Peers                      // name=host:port,…; empty for none
	Choice                     // one of Setting.Choices
	Size                       // bytes such as 512MiB or 2GiB, or auto
	Duration                   // such as 10s or 1m30s, above 0
	URL                        // http:// or https:// with a host
	File                       // a file, or empty for none
	Entries                    // INDEX:CHECKSUM,…; empty for none; its flag may be given more than once
	SecretID                   // file:/path, env:NAME or the secret itself; empty for none
	Addresses                  // host:port,…; empty for none
	Hook                       // http:// or https:// with a host; empty for none
	MailServer                 // host:port; empty for none
	Mailbox                    // one mail address, without a name; empty for none
	Mailboxes                  // mail addresses with commas between them; empty for none
	Times                      // a whole number, 1 to 1,000
	Folder                     // an absolute path, or auto
	Prefixes                   // blocks of addresses with commas between them; empty for none
)

// Setting is one row of the table.
type Setting struct {
	Key     string // path in the YAML file, words joined by dots
	Short   string // one-letter flag, or empty
	Kind    Kind
	Default string
	Choices []string // of a Choice
	For     string   // "serve" or "client": who reads it
	Help    string   // one sentence without a full stop
}

// Flag is the long flag without its dashes: "log.level" is set by --log-level.
func (s Setting) Flag() string { return strings.ReplaceAll(s.Key, ".", "-") }

// Env is the environment variable: "log.level" is set by HOLDFAST_LOG_LEVEL.
func (s Setting) Env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(s.Key, ".", "_"))
}

const envPrefix = "HOLDFAST_"

// table holds every setting in the order in which the reference page shows them.
var table = []Setting{
	{Key: "node", Kind: Name, Default: "n1", For: "serve",
		Help: "name of this node, unique in the cluster and kept for ever"},
	{Key: "http", Kind: Address, Default: "127.0.0.1:7480", For: "serve",
		Help: "address of the HTTP interface; port 0 takes a free one"},
	{Key: "raft", Kind: Address, Default: "127.0.0.1:7481", For: "serve",
		Help: "address of the port for the other nodes; with --peers the default is this node's entry"},
	{Key: "data", Kind: Path, Default: "./holdfast-data", For: "serve",
		Help: "folder of this node's data, made when it is not there; never share or copy it"},
	{Key: "peers", Kind: Peers, Default: "", For: "serve",
		Help: "all nodes of the cluster with their raft addresses, n1=host:port,n2=…, this one " +
			"included; empty is a cluster of one"},
	{Key: "join", Kind: Addresses, Default: "", For: "serve",
		Help: "raft addresses of some members, host:port,…: a node with an empty folder waits there " +
			"until `holdfast cluster add` has made it a member, and never forms a cluster"},
	{Key: "peer.tls.cert", Kind: File, Default: "", For: "serve",
		Help: "this node's certificate for the other nodes, PEM (`holdfast cluster certificate` makes " +
			"one); with peer.tls.key and peer.tls.pins the port for the other nodes speaks TLS 1.3 " +
			"only; all three are read again when they change"},
	{Key: "peer.tls.key", Kind: File, Default: "", For: "serve",
		Help: "the private key of that certificate, PEM"},
	{Key: "peer.tls.pins", Kind: File, Default: "", For: "serve",
		Help: "which keys belong to which node: lines `n1 sha256:HEX`, one or two per node, this one " +
			"included; the same file on every node"},
	{Key: "peer.insecure", Kind: Choice, Default: "false", For: "serve",
		Choices: []string{"false", "true"},
		Help: "allow a port for the other nodes that is neither on loopback nor secured by peer.tls: " +
			"whoever reaches it can read and change everything"},
	{Key: "checkpoint.bytes", Kind: Size, Default: "256MiB", For: "serve",
		Help: "least log between two checkpoints; a restart replays at most about twice as much"},
	{Key: "wal.segment", Kind: Size, Default: "256MiB", For: "serve",
		Help: "size of a file of the raft log, allocated whole, 64KiB to 2GiB; less for small disks"},
	{Key: "admin", Kind: Loopback, Default: "", For: "serve",
		Help: "loopback address of a listener with profiles (/debug/pprof); empty is off"},
	{Key: "open.loopback", Kind: Choice, Default: "false", For: "serve",
		Choices: []string{"false", "true"},
		Help: "serve loopback without an API key although there are keys; for as long as it takes to " +
			"make a new one when all are lost"},
	{Key: "skip.entry", Kind: Entries, Default: "", For: "serve",
		Help: "agreed entries that have no effect, INDEX:CHECKSUM as the log of a node that stopped at " +
			"one has it; the same on every node, or they differ from there on"},
	{Key: "log.level", Kind: Choice, Default: "info", For: "serve",
		Choices: []string{"debug", "info", "warn", "error"},
		Help:    "least level that is written to standard error"},
	{Key: "log.format", Kind: Choice, Default: "auto", For: "serve",
		Choices: []string{"auto", "text", "json"},
		Help:    "auto writes text to a terminal and JSON elsewhere"},
	{Key: "stop.timeout", Kind: Duration, Default: "10s", For: "serve",
		Help: "how long a stop waits for requests in flight before it cuts them off"},
	{Key: "disk.warn", Kind: Size, Default: "auto", For: "serve",
		Help: "free space of the data folder's disk below which the node warns and trims log and " +
			"events; auto is twice disk.min"},
	{Key: "disk.min", Kind: Size, Default: "auto", For: "serve",
		Help: "free space below which the node is not ready and a leader refuses reserves; auto is " +
			"two files of the log (256MiB, less on a small disk), a checkpoint, what merging the bodies of " +
			"records takes (256MiB at most) and 64MiB; 0 is never"},
	{Key: "disk.ballast", Kind: Size, Default: "auto", For: "serve",
		Help: "size of the file BALLAST in the data folder, which may be deleted when the disk is " +
			"full; auto is a hundredth of the disk, at most 256MiB; 0 is none"},
	{Key: "alerts.webhook.url", Kind: Hook, Default: "", For: "serve",
		Help: "where the leader posts exceptions as they open, as JSON; empty is nowhere"},
	{Key: "alerts.webhook.secret", Kind: SecretID, Default: "", For: "serve",
		Help: "signs those posts: Holdfast-Signature is sha256= and the HMAC of the body; file:/path " +
			"or env:NAME, there on every node"},
	{Key: "alerts.mail.server", Kind: MailServer, Default: "", For: "serve",
		Help: "host:port of the SMTP server that takes mails about exceptions, with STARTTLS where it " +
			"has it; empty is no mail"},
	{Key: "alerts.mail.from", Kind: Mailbox, Default: "", For: "serve",
		Help: "address from which those mails come"},
	{Key: "alerts.mail.to", Kind: Mailboxes, Default: "", For: "serve",
		Help: "addresses to which they go, with commas between them, or a list in the file"},
	{Key: "alerts.mail.user", Kind: Text, Default: "", For: "serve",
		Help: "user at the SMTP server; empty is no authentication"},
	{Key: "alerts.mail.password", Kind: SecretID, Default: "", For: "serve",
		Help: "that user's password, file:/path or env:NAME; sent over TLS or to this machine only"},
	{Key: "secrets", Kind: Folder, Default: "auto", For: "serve",
		Help: "folder below which the files are that connections may name as secrets; variables must " +
			"then begin with HOLDFAST_; auto is any file and variable while http is on loopback, and no " +
			"file else"},
	{Key: "webhooks.private", Kind: Prefixes, Default: "", For: "serve",
		Help: "blocks of addresses such as 10.1.0.0/16 to which webhooks are sent although they are not " +
			"public, with commas between them, or a list in the file; the same on every node"},
	{Key: "sync.speed", Kind: Times, Default: "1", For: "serve",
		Help: "divides the intervals that wait for outside systems; only beside a simulator"},
	{Key: "server", Kind: URL, Default: "http://127.0.0.1:7480", For: "client",
		Help: "URL of any node"},
	{Key: "key", Kind: SecretID, Default: "", For: "client",
		Help: "API key: file:/path, env:NAME or the key itself (a file may not hold the key itself)"},
	{Key: "output", Short: "o", Kind: Choice, Default: "table", For: "client",
		Choices: []string{"table", "json", "csv"}, Help: "form of what is printed"},
	{Key: "timeout", Kind: Duration, Default: "15s", For: "client",
		Help: "how long one request may take"},
}

// Table returns every setting, in the order of the reference page. The caller may keep it.
func Table() []Setting { return append([]Setting(nil), table...) }

// Register adds the flags of the settings that pick chooses.
func Register(fs *pflag.FlagSet, pick func(Setting) bool) {
	for _, s := range table {
		if !pick(s) {
			continue
		}
		help := strings.ReplaceAll(s.Help, "`", "\"") // the library takes backquotes for a placeholder
		if len(s.Choices) > 0 {
			help += " (" + strings.Join(s.Choices, ", ") + ")"
		}
		if s.Kind == Entries {
			fs.StringSliceP(s.Flag(), s.Short, nil, help)
			continue
		}
		fs.StringP(s.Flag(), s.Short, s.Default, help)
	}
}

// Serve picks the settings of a node.
func Serve(s Setting) bool { return s.For == "serve" }

// Client picks the settings of the commands that ask a server.
func Client(s Setting) bool { return s.For == "client" }

// All picks every setting.
func All(Setting) bool { return true }

// Output picks the form of output alone, for commands that ask no server.
func Output(s Setting) bool { return s.Key == "output" }

func find(key string) (Setting, bool) {
	for _, s := range table {
		if s.Key == key {
			return s, true
		}
	}
	return Setting{}, false
}
