package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/settings"
	"holdfast/raftstore"
)

const restoreHelp = `Makes the data folder of a new cluster from a backup, which is read from FILE, or from standard input
for -. The folder --data must be empty. Everything in the backup is proven on the way.

The new cluster has the stock, the reservations, the answers that were remembered, the ledger's time
and, if they are in the backup, the events, all as they were at the backup's index. It has another id
and one member, --node. Start that one as it was named here, and add the others to it, with empty
folders of their own:

  holdfast restore shop.backup --node n1 --data d1 --raft 10.0.0.1:7481
  holdfast serve --node n1 --data d1 --raft 10.0.0.1:7481

A backup is never restored over a node, nor into a cluster that exists: a node that lost its disk gets
all that it needs from the others. Whoever restores decides that what was answered after the backup's
index did not happen.`

func (a *app) restoreCommand() *cobra.Command {
	var keys backupKeys
	c := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Make a new cluster from a backup",
		Long:  restoreHelp,
		Args:  one("FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			return a.restore(c, args[0], &keys)
		},
	}
	settings.Register(c.Flags(), func(s settings.Setting) bool {
		return slices.Contains([]string{"node", "data", "raft", "peers"}, s.Key) || settings.Output(s)
	})
	keys.register(c.Flags(), false)
	return c
}

func (a *app) restore(c *cobra.Command, file string, keys *backupKeys) error {
	v, err := a.settings(c)
	if err != nil {
		return err
	}
	nv, out := v.Node(), a.printer(v.Client().Output)
	var report raftstore.BackupReport
	err = a.fromBackup(file, keys, func(name string, r io.Reader) (err error) {
		report, err = raftstore.Restore(name, r, raftstore.RestoreConfig{Dir: nv.Data, Node: nv.Node,
			Raft: nv.Raft})
		return err
	})
	if err != nil {
		return err
	}
	if err := printBackup(out, report); err != nil {
		return err
	}
	out.line("restored into %s; start it with: holdfast serve --node %s --data %s --raft %s",
		nv.Data, nv.Node, nv.Data, nv.Raft)
	return nil
}

// isBackup reports whether the argument of verify is a backup: standard input, or a file and no folder.
func isBackup(args []string) bool {
	if len(args) == 0 {
		return false
	}
	info, err := os.Stat(args[0])
	return args[0] == "-" || err == nil && info.Mode().IsRegular()
}

// verifyBackup proves a backup. The error of one that is damaged, or whose ledger breaks rules, has the
// status for data.
func (a *app) verifyBackup(out printer, file string, keys *backupKeys) error {
	var report raftstore.BackupReport
	err := a.fromBackup(file, keys, func(name string, r io.Reader) (err error) {
		report, err = raftstore.VerifyBackup(name, r)
		return err
	})
	if err != nil {
		return err
	}
	if err := printBackup(out, report); err != nil {
		return err
	}
	if n := len(report.Violations); n > 0 {
		return &statusError{code: exitData, err: fmt.Errorf("%s is whole, but its ledger breaks %d rules, "+
			"first %s: %s", file, n, report.Violations[0].Invariant, report.Violations[0].Detail)}
	}
	return nil
}

// fromBackup opens a backup, decrypted, for use.
func (a *app) fromBackup(file string, keys *backupKeys, use func(string, io.Reader) error) error {
	name, in := "standard input", a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("backup: %w", err)
		}
		defer f.Close()
		name, in = file, f
	}
	plain, err := keys.decrypt(name, in)
	if err != nil {
		return err
	}
	err = use(name, plain)
	var corrupt *raftstore.CorruptError
	var broken *raftstore.BrokenLedgerError
	if errors.As(err, &corrupt) || errors.As(err, &broken) {
		return &statusError{code: exitData, err: err}
	}
	return err
}

// printBackup says what is in a backup.
func printBackup(out printer, r raftstore.BackupReport) error {
	h := r.Head
	facts := []struct {
		name  string
		value any
	}{
		{"index", h.Index}, {"term", h.Term}, {"digest", digestText(h)},
		{"cluster_id", h.ClusterID}, {"node", h.Node}, {"holdfast", h.Holdfast},
		{"created", h.Created.Format(time.RFC3339)},
		{"ledger_time", time.UnixMilli(r.Now).UTC().Format(time.RFC3339Nano)},
		{"skus", r.Counts.SKUs}, {"locations", r.Counts.Locations}, {"channels", r.Counts.Channels},
		{"stock_rows", r.Counts.StockRows}, {"reservations", r.Counts.Reservations},
		{"closed_reservations", r.Retired}, {"audit_rows", r.Audit},
		{"records", r.Records}, {"archived_records", r.Archived},
		{"live_holds", r.Counts.LiveHolds}, {"remembered_answers", r.Counts.Results},
		{"last_event", r.LastEvent}, {"first_event", h.Events.First}, {"events", r.Events},
		{"apply_version", r.Limits.ApplyVersion}, {"violations", len(r.Violations)},
		{"bytes", r.Bytes},
	}
	if out.form == "json" {
		all := map[string]any{}
		for _, f := range facts {
			all[f.name] = f.value
		}
		all["violations"] = violationTexts(r)
		return out.json(all)
	}
	var rows [][]any
	for _, f := range facts {
		rows = append(rows, []any{f.name, f.value})
	}
	return out.rows([]string{"backup", ""}, rows)
}

func violationTexts(r raftstore.BackupReport) []string {
	all := []string{}
	for _, v := range r.Violations {
		all = append(all, v.Invariant+": "+v.Detail)
	}
	return all
}
