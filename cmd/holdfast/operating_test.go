package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"holdfast/cmd/internal/client"
)

// elsewhere are the sections of the page whose commands other tests run: they need a shop, or are runs
// of many minutes.
var elsewhere = []string{"Connect a shop", "Stop what is sent", "Exceptions", "Prove the whole thing"}

// TestOperatingPage does what docs/OPERATING.md says, in its words and in its order, to one cluster
// under load. A section that is new on the page fails it until it is tried here.
func TestOperatingPage(t *testing.T) {
	t.Parallel()
	p := readPage(t)
	tried := []struct {
		section string
		do      func(*trial)
	}{
		{"Form", (*trial).form},
		{"Grow", (*trial).grow},
		{"Lead elsewhere", (*trial).lead},
		{"Restart, upgrade", (*trial).upgrade},
		{"Replace a node that lost its disk, or is damaged", (*trial).replace},
		{"Back up", (*trial).backUp},
		{"A full disk", (*trial).fullDisk},
		{"An entry that panics", (*trial).skip},
		{"Restore", (*trial).restore},
		{"Who may call", (*trial).callers},
	}
	for section := range p.blocks {
		known := section == "" || slices.Contains(elsewhere, section)
		for _, x := range tried {
			known = known || x.section == section
		}
		assert.True(t, known, "nobody tries %q", section)
	}
	tr := &trial{page: p}
	tr.smallDisk("d1")
	for _, x := range tried {
		began := time.Now()
		x.do(tr)
		t.Logf("%s: %v", x.section, time.Since(began).Round(time.Millisecond))
	}
}

// trial is the page on one cluster.
type trial struct {
	*page
	small bool                              // d1 is a disk of its own
	stop  func() ([]verdict, time.Duration) // ends the load
	taken int                               // reserves that were accepted
}

const (
	trialSKUs  = 10
	trialUnits = 1_000_000
)

// smallDisk makes a folder a file system of its own, where root runs the test.
func (p *trial) smallDisk(name string) {
	dir := filepath.Join(p.dir, name)
	require.NoError(p.t, os.Mkdir(dir, 0o700))
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=128m"); err != nil {
		p.t.Log("no full disk: ", err)
		return
	}
	p.small = true
	p.t.Cleanup(func() { assert.NoError(p.t, unix.Unmount(dir, unix.MNT_DETACH)) })
}

// form runs the three nodes in three terminals, and then looks.
func (p *trial) form() {
	for line := range strings.Lines(p.block("Form", 0)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "holdfast serve ") {
			p.serve(line)
			continue
		}
		assert.Equal(p.t, "holdfast cluster status", line)
		p.until(line)
	}
	p.says("wait for `cluster status` to show three voters before the sale")
	p.members("127.0.0.1:7480", "n1", "n2", "n3")
	for _, n := range p.nodes {
		n.awaitReady()
	}
	p.watched()
	var ask []*client.Client
	for _, addr := range []string{"127.0.0.1:7480", "127.0.0.1:7580", "127.0.0.1:7680"} {
		ask = append(ask, p.client(addr))
	}
	world(p.t, ask[0], trialSKUs, trialUnits)
	p.stop = load(ask, trialSKUs, 2)
}

// watched holds what the page tells to watch against what the nodes say.
func (p *trial) watched() {
	p.says("one line a check: leader, storage, applied, disk, clock, keys")
	code, lines := readyz(p.nodes["n1"])
	assert.Equal(p.t, 200, code, lines)
	for _, check := range []string{"leader", "storage", "applied", "disk", "clock", "keys"} {
		assert.Contains(p.t, lines, "[+]"+check)
	}
	assert.Contains(p.t, p.sh("holdfast cluster status --output json"), "clock_offset_ms")
	resp, err := http.Get("http://" + p.nodes["n1"].http + "/metrics")
	require.NoError(p.t, err)
	defer resp.Body.Close()
	metrics, err := io.ReadAll(resp.Body)
	require.NoError(p.t, err)
	watch, _, _ := strings.Cut(p.text[strings.Index(p.text, "**What to watch**"):], "**Exit statuses")
	names := regexp.MustCompile("`(?:holdfast_ledger|…)_(\\w+)`").FindAllStringSubmatch(watch, -1)
	require.Greater(p.t, len(names), 6)
	for _, name := range names {
		assert.Contains(p.t, string(metrics), "\nholdfast_ledger_"+name[1])
	}
}

// grow adds a fourth node, takes it away, and lets it come back with its folder.
func (p *trial) grow() {
	for range 2 {
		out := ""
		for line := range strings.Lines(p.block("Grow", 0)) {
			switch line = strings.TrimSpace(line); {
			case strings.HasPrefix(line, "holdfast serve "):
				p.serve(line).awaitReady()
			case strings.HasPrefix(line, "holdfast cluster add "):
				p.sh(line)
			default:
				out = p.until(line) // it catches up first
			}
		}
		assert.Contains(p.t, out, "n4")
		p.members("127.0.0.1:7780", "n1", "n2", "n3", "n4")

		p.run("Grow", 1)
		p.members("127.0.0.1:7480", "n1", "n2", "n3")
		p.says("a removed node goes on running, and soon answers 503",
			"Its name can come back with its folder")
		n4 := p.nodes["n4"]
		require.Eventually(p.t, func() bool {
			code, _ := readyz(n4)
			return code == 503
		}, ready, 20*time.Millisecond)
		require.Equal(p.t, exitOK, n4.signal(syscall.SIGTERM), n4.stderr())
	}
}

func (p *trial) lead() {
	p.run("Lead elsewhere", 0)
	assert.Contains(p.t, p.until("holdfast cluster status --server $H"), "leader n2")
}

// upgrade restarts one node after the other: the binary is the same here.
func (p *trial) upgrade() {
	p.says("One node at a time: stop it (SIGTERM; a leader hands over by itself), put the new binary in " +
		"place, start it, and wait until all are well again before the next")
	wait := p.block("Restart, upgrade", 0)
	for name, addr := range map[string]string{"n1": "127.0.0.1:7480", "n2": "127.0.0.1:7580",
		"n3": "127.0.0.1:7680"} {
		n := p.nodes[name]
		require.Equal(p.t, exitOK, n.signal(syscall.SIGTERM), n.stderr())
		p.serve(p.serveLine("Form", name))
		p.sh(strings.Replace(wait, p.addr("127.0.0.1:7480"), p.addr(addr), 1))
		p.nodes[name].awaitReady()
	}
	p.says("Clients see nothing but a retry or two")
	verdicts, slowest := p.stop()
	for i, v := range verdicts {
		require.Equal(p.t, 201, v.Status, "reserve %d: %+v", i, v)
	}
	p.taken = len(verdicts)
	p.t.Logf("%d reserves meanwhile, the slowest took %v", len(verdicts), slowest)
}

// replace damages the log of a node, and brings the node back.
func (p *trial) replace() {
	const section = "Replace a node that lost its disk, or is damaged"
	p.nodes["n3"].kill()
	segments, err := filepath.Glob(filepath.Join(p.dir, "d3", "log", "*.wal"))
	require.NoError(p.t, err)
	require.NotEmpty(p.t, segments)
	slices.Sort(segments)
	raw, err := os.ReadFile(segments[0])
	require.NoError(p.t, err)
	for i := 4096; i < 8192; i++ {
		raw[i] ^= 0xff
	}
	require.NoError(p.t, os.WriteFile(segments[0], raw, 0o600))
	damaged := p.serve(p.serveLine("Form", "n3"))
	assert.Equal(p.t, exitData, damaged.wait())
	assert.Contains(p.t, damaged.stderr(), "holdfast cluster recover")
	p.says("A node that cannot trust its files stops with status 6 and says which file")
	assert.Contains(p.t, damaged.stderr(), filepath.Join("d3", "log"))
	status, out := p.try(strings.TrimSpace(p.block(section, 1)))
	assert.Equal(p.t, exitData, status, out)

	p.run(section, 0)
	p.members("127.0.0.1:7480", "n1", "n2", "n3")
	p.says("What was in the folder is in `d3/lost-1`")
	assert.DirExists(p.t, filepath.Join(p.dir, "d3", "lost-1", "log"))
	assert.Contains(p.t, p.run(section, 1), "in use by")
}

func (p *trial) backUp() {
	p.run("Back up", 0)
	p.says("`--events=false` leaves the history of events out", "`holdfast backup -` streams to standard output",
		"`--encrypt-to age1…` (or `--key-file`, `--passphrase-file`) encrypts it")
	p.sh("holdfast backup - --server $H --events=false > streamed && holdfast verify streamed")
	p.sh("echo secret words > words && holdfast backup sealed --server $H --passphrase-file words && " +
		"holdfast verify sealed --passphrase-file words")
	status, out := p.try("holdfast verify sealed")
	assert.NotEqual(p.t, exitOK, status, out)
}

// fullDisk fills the disk of n1, and gives the space back.
func (p *trial) fullDisk() {
	if !p.small {
		return
	}
	p.says("below `disk.min` it is not ready")
	data, n1 := filepath.Join(p.dir, "d1"), p.nodes["n1"]
	giveBack := fillDisk(p.t, data, 2<<20)
	p.becomes("n1", 503)
	_, lines := readyz(n1)
	assert.Contains(p.t, lines, "[-]disk failed")
	require.Eventually(p.t, func() bool { // the lead goes where there is room
		return status(p.t, p.client("127.0.0.1:7480"), reserveCall("on-a-full-disk")) == 201
	}, ready, 50*time.Millisecond)
	p.taken++
	assert.FileExists(p.t, filepath.Join(data, "BALLAST"))
	p.run("A full disk", 0)
	assert.NoFileExists(p.t, filepath.Join(data, "BALLAST"))
	giveBack()
	p.becomes("n1", 200)
}

// skip has all nodes meet an entry on which apply panics, and passes over it.
func (p *trial) skip() {
	p.until("holdfast cluster status --server $H")
	c := &cluster{t: p.t}
	for _, addr := range []string{"127.0.0.1:7480", "127.0.0.1:7580", "127.0.0.1:7680"} {
		c.ask = append(c.ask, p.client(addr))
	}
	c.settled()
	names := []string{"n1", "n2", "n3"}
	for _, name := range names {
		p.nodes[name].kill()
	}
	var at []uint64
	for _, folder := range []string{"d1", "d2", "d3"} {
		at = append(at, plantPoison(p.t, filepath.Join(p.dir, folder)))
	}
	require.Equal(p.t, []uint64{at[0], at[0], at[0]}, at, "it is agreed")
	p.says("Until there is a build that can, start every node with `--skip-entry INDEX:CHECKSUM`")
	lines := map[string]string{"n1": p.serveLine("Form", "n1"), "n2": p.serveLine("Form", "n2"),
		"n3": p.serveLine("Replace a node that lost its disk, or is damaged", "n3")}
	for _, name := range names {
		p.serve(lines[name])
	}
	told := map[string]bool{}
	for _, name := range names {
		require.Equal(p.t, exitData, p.nodes[name].wait(), p.nodes[name].stderr())
		said := regexp.MustCompile(`--skip-entry (\d+:[0-9a-f]{16})`).
			FindStringSubmatch(p.nodes[name].stderr())
		require.NotEmpty(p.t, said, p.nodes[name].stderr())
		told[said[1]] = true
	}
	require.Len(p.t, told, 1, "all say the same")
	for entry := range told {
		for _, name := range names {
			p.serve(lines[name] + " --skip-entry " + entry)
		}
	}
	p.members("127.0.0.1:7480", "n1", "n2", "n3")
	for _, name := range names {
		p.nodes[name].awaitReady()
		p.becomes(name, 200)
	}
	for i, ask := range c.ask {
		assert.Len(p.t, reservations(p.t, ask), p.taken, "node %d", i+1)
		clean(p.t, ask)
	}
}

// becomes waits until /readyz of a node answers with a status.
func (p *trial) becomes(name string, want int) {
	p.t.Helper()
	require.EventuallyWithT(p.t, func(t *assert.CollectT) {
		code, lines := readyz(p.nodes[name])
		assert.Equal(t, want, code, lines)
	}, ready, 20*time.Millisecond, name)
}

// restore makes another cluster of the backup, and adds a node to it.
func (p *trial) restore() {
	p.says("stop the old cluster first", "Add the others to it as under \"Grow\"")
	for _, n := range p.nodes {
		n.kill()
	}
	p.run("Restore", 0)
	ask := p.client("127.0.0.1:7980")
	there := reservations(p.t, ask)
	assert.GreaterOrEqual(p.t, p.taken, len(there))
	assert.GreaterOrEqual(p.t, len(there), p.taken-1, "the backup was taken when nobody reserved any more")
	clean(p.t, ask)

	r1, r2 := p.addr("127.0.0.1:7981"), strings.NewReplacer(
		p.addr("127.0.0.1:7481"), p.addr("127.0.0.1:7981"),
		"n4", "r2", "d4", "r2", "$H", "http://"+p.addr("127.0.0.1:7980"))
	for line := range strings.Lines(p.block("Grow", 0)) {
		switch line = r2.Replace(strings.TrimSpace(line)); {
		case strings.HasPrefix(line, "holdfast serve "):
			require.Contains(p.t, line, "--join "+r1)
			p.serve(line).awaitReady()
		case strings.HasPrefix(line, "holdfast cluster add "):
			p.sh(line)
		default:
			p.until(line)
		}
	}
	p.members("127.0.0.1:7980", "r1", "r2")
}

// callers makes the first keys of the restored cluster, rotates one, and loses them all.
func (p *trial) callers() {
	server := "export HOLDFAST_SERVER=http://" + p.addr("127.0.0.1:7980") + "\n"
	keys := p.sh(server + "set -e\n" + p.block("Who may call", 0))
	assert.Regexp(p.t, `operator +│ admin`, keys)
	assert.Regexp(p.t, `erp +│ write +│ live +│ 500`, keys)
	status, out := p.try(server + "holdfast cluster status")
	assert.Equal(p.t, exitRefused, status, out)
	assert.Contains(p.t, out, "unauthenticated")

	p.says("The last admin's key cannot be revoked")
	with := server + "export HOLDFAST_KEY=file:operator.key\n"
	id := func(name string) string {
		return strings.TrimSpace(p.sh(with + "holdfast key list -o csv | grep ," + name + ", | cut -d, -f1"))
	}
	status, out = p.try(with + "holdfast key revoke " + id("operator"))
	assert.Equal(p.t, exitRefused, status, out)
	p.sh(with + "holdfast key revoke " + id("erp"))

	p.says("stop one node, start it with `--open-loopback true`, make a key on its machine")
	p.nodes["r1"].kill()
	p.serve(p.serveLine("Restore", "r1") + " --open-loopback true").awaitReady()
	p.becomes("r1", 200)
	assert.Contains(p.t, p.sh(server+"holdfast key create second --role admin"), "hf_")
}
