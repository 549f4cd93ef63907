package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/settings"
)

// version is set by a release build with -ldflags "-X main.version=…".
var version = ""

// build is what is known of how this binary was made.
type build struct {
	Version  string            `json:"version"`
	Commit   string            `json:"commit,omitempty"`
	Modified bool              `json:"modified"`
	Time     string            `json:"time,omitempty"`
	Go       string            `json:"go"`
	Platform string            `json:"platform"`
	Modules  map[string]string `json:"modules,omitempty"`
}

// told are the modules whose version matters when someone reports a fault.
var told = []string{"github.com/hashicorp/raft", "github.com/hashicorp/raft-wal",
	"github.com/dgraph-io/badger/v4", "github.com/valyala/fasthttp", "github.com/bytedance/sonic"}

func buildInfo() build {
	b := build{Version: version, Go: runtime.Version(),
		Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: map[string]string{}}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "dev"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		for _, path := range told {
			if m.Path == path {
				b.Modules[path] = m.Version
			}
		}
	}
	return b
}

func (a *app) versionCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "version",
		Short: "Show what this binary was built from",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := a.settings(c)
			if err != nil {
				return err
			}
			return printVersion(a.printer(v.Client().Output), buildInfo())
		},
	}
	settings.Register(c.Flags(), settings.Output)
	return c
}

func printVersion(out printer, b build) error {
	if out.form == "json" {
		return out.json(b)
	}
	rows := [][]any{{"version", b.Version}, {"commit", b.Commit}, {"modified", b.Modified},
		{"time", b.Time}, {"go", b.Go}, {"platform", b.Platform}}
	for _, path := range told {
		if v := b.Modules[path]; v != "" {
			rows = append(rows, []any{path, v})
		}
	}
	if out.form == "csv" {
		return out.csv([]string{"what", "value"}, rows)
	}
	out.line("holdfast %s", b.Version)
	return out.rows([]string{"what", "value"}, rows[1:])
}
