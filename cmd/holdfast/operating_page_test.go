package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/loopback"
)

// page is docs/OPERATING.md, whose commands are run as they stand there, in a folder of their own. Only
// the ports are others, since tests share a machine, and where nodes write less is said in the
// environment.
type page struct {
	t      *testing.T
	dir    string
	env    []string
	text   string
	intro  string              // the first block: what all others use
	blocks map[string][]string // the blocks of each section, in order
	addrs  map[string]string   // an address on the page → the one that is used
	nodes  map[string]*process // by name; also those that ended
}

// pagePort is an address of a node on the page.
var pagePort = regexp.MustCompile(`127\.0\.0\.1:7[4-9]8[01]`)

// readPage reads the page and gives it a folder.
func readPage(t *testing.T) *page {
	t.Helper()
	raw, err := os.ReadFile("../../docs/OPERATING.md")
	require.NoError(t, err)
	p := &page{t: t, dir: t.TempDir(), blocks: map[string][]string{}, addrs: map[string]string{},
		nodes: map[string]*process{}}
	free, err := loopback.Free(12)
	require.NoError(t, err)
	p.text = pagePort.ReplaceAllStringFunc(string(raw), func(addr string) string {
		if p.addrs[addr] == "" {
			p.addrs[addr] = free[len(p.addrs)]
		}
		return p.addrs[addr]
	})
	section := ""
	for i, part := range strings.Split(p.text, "```") {
		if i%2 == 1 {
			if block, ok := strings.CutPrefix(part, "sh\n"); ok {
				p.blocks[section] = append(p.blocks[section], block)
			}
			continue
		}
		for line := range strings.Lines(part) {
			if name, ok := strings.CutPrefix(line, "## "); ok {
				section = strings.TrimSpace(name)
			}
		}
	}
	require.Len(t, p.blocks[""], 1, "the page begins with P and H")
	p.intro = p.blocks[""][0]
	p.command()
	return p
}

// command puts a holdfast into the path, which is this binary.
func (p *page) command() {
	p.t.Helper()
	self, err := filepath.Abs(os.Args[0])
	require.NoError(p.t, err)
	bin := p.t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\"\n", self)
	require.NoError(p.t, os.WriteFile(filepath.Join(bin, "holdfast"), []byte(script), 0o700))
	p.env = append(os.Environ(), asCommand+"=1", "PATH="+bin+":"+os.Getenv("PATH"),
		"HOLDFAST_SERVER=http://"+p.addr("127.0.0.1:7480"), // which is the default on the page's ports
		"HOLDFAST_WAL_SEGMENT=4MiB", "HOLDFAST_DISK_BALLAST=1MiB", "HOLDFAST_LOG_LEVEL=warn")
}

// addr is where an address of the page is in this run.
func (p *page) addr(onPage string) string {
	require.NotEmpty(p.t, p.addrs[onPage], "%s is not on the page", onPage)
	return p.addrs[onPage]
}

// client asks the node whose HTTP address the page gives.
func (p *page) client(onPage string) *client.Client {
	c := client.New(client.Config{Server: "http://" + p.addr(onPage), Conns: 8})
	p.t.Cleanup(c.Close)
	return c
}

// block is the i-th block of a section.
func (p *page) block(section string, i int) string {
	p.t.Helper()
	require.Greater(p.t, len(p.blocks[section]), i, "the page has no block %d under %q", i, section)
	return p.blocks[section][i]
}

// run runs a block of the page, line by line: a node stays running behind it, what else there is must
// end well. A loop that stands on one line is one line.
func (p *page) run(section string, i int) (out string) {
	p.t.Helper()
	for line := range strings.Lines(p.block(section, i)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "holdfast serve ") {
			p.serve(line).awaitReady()
			continue
		}
		out += p.sh(line)
	}
	return out
}

// try runs one line and returns its status and what it wrote.
func (p *page) try(line string) (status int, out string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), ready)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", p.intro+line)
	c.Dir, c.Env = p.dir, p.env
	var both bytes.Buffer
	c.Stdout, c.Stderr = &both, &both
	c.WaitDelay = time.Second // for what the line started
	_ = c.Run()               // its status says it
	return c.ProcessState.ExitCode(), both.String()
}

// sh runs one line that must end well.
func (p *page) sh(line string) string {
	p.t.Helper()
	status, out := p.try(line)
	require.Equal(p.t, exitOK, status, "%s\n%s", line, out)
	return out
}

// until runs a line until it ends well: what takes its time in a cluster.
func (p *page) until(line string) (out string) {
	p.t.Helper()
	status := -1
	require.Eventually(p.t, func() bool {
		status, out = p.try(line)
		return status == exitOK
	}, ready, 100*time.Millisecond, "%s\n%s", line, &out)
	return out
}

var nodeOfLine = regexp.MustCompile(`--node (\w+)`)

// serve starts the node of a line, as in a terminal of its own.
func (p *page) serve(line string) *process {
	p.t.Helper()
	name := nodeOfLine.FindStringSubmatch(line)
	require.NotNil(p.t, name, line)
	c := exec.Command("sh", "-c", p.intro+"exec "+line)
	c.Dir, c.Env = p.dir, p.env
	p.nodes[name[1]] = launchAs(p.t, c, []string{line})
	return p.nodes[name[1]]
}

// serveLine is the line with which a section starts a node.
func (p *page) serveLine(section, node string) string {
	p.t.Helper()
	for _, block := range p.blocks[section] {
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "holdfast serve --node "+node+" ") {
				return strings.TrimSpace(line)
			}
		}
	}
	require.Fail(p.t, "the page does not start it", "%s under %q", node, section)
	return ""
}

// says wants the page to have words, so that what a test does by itself is what the page tells to do.
func (p *page) says(words ...string) {
	p.t.Helper()
	plain := strings.Join(strings.Fields(p.text), " ")
	for _, w := range words {
		assert.Contains(p.t, plain, w)
	}
}

// members waits until the node at an address sees exactly these voters, all well.
func (p *page) members(onPage string, names ...string) {
	p.t.Helper()
	c := &cluster{t: p.t, ask: []*client.Client{p.client(onPage)}}
	c.voters(0, names...)
}
