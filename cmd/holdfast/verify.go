package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/node"
	"holdfast/cmd/internal/settings"
)

const verifyHelp = `Proves a data folder without starting a node: every file that counts is read to its end and held
against its checksum, each checkpoint is loaded and its digest and invariants are added up, and the
log, the votes, the events and the bodies of what has left memory are held against them. Nothing on
the disk is changed.

Without FOLDER it is that of the setting data. A node may be running on it: then what it writes
meanwhile is left out, and so are the bodies.

With a FILE, or - for standard input, it proves a backup: every byte is held against its checksums, the
ledger in it is loaded, its digest is added up and its invariants are checked, and what has left memory
is held against it.

Ends with status 0 when all is good, with 6 when something is damaged, and with 1 when it
cannot be read.`

func (a *app) verifyCommand() *cobra.Command {
	pick := func(s settings.Setting) bool { return s.Key == "data" || settings.Output(s) }
	var keys backupKeys
	c := &cobra.Command{
		Use:   "verify [FOLDER|FILE|-]",
		Short: "Prove a data folder, offline or while a node runs on it, or a backup",
		Long:  verifyHelp,
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return a.verify(c, args, &keys)
		},
	}
	settings.Register(c.Flags(), pick)
	keys.register(c.Flags(), false)
	return c
}

func (a *app) verify(c *cobra.Command, args []string, keys *backupKeys) error {
	v, err := a.settings(c)
	if err != nil {
		return err
	}
	dir := v.Node().Data
	if len(args) == 1 {
		dir = args[0]
	}
	if isBackup(args) {
		return a.verifyBackup(a.printer(v.Client().Output), dir, keys)
	}
	report, err := node.Verify(c.Context(), dir)
	if err != nil {
		return err
	}
	if err := printFolder(a.printer(v.Client().Output), report); err != nil || report.Good {
		return err
	}
	do := "a node still starts on it; bring it back from the other nodes while they are well"
	if !report.Starts {
		do = "no node starts on it; keep it for examination, and bring the node back from the other " +
			"nodes with `holdfast cluster recover`, or from a backup"
	}
	return &statusError{code: exitData, err: fmt.Errorf("%s is damaged; what to do: %s", dir, do)}
}

func printFolder(out printer, r node.FolderReport) error {
	if out.form == "json" {
		return out.json(r)
	}
	var rows [][]any
	for _, p := range r.Parts {
		state := "✓"
		if !p.Good {
			state = "✗"
		}
		rows = append(rows, []any{state, p.Name, p.Bytes, p.Detail})
	}
	if out.form == "csv" {
		return out.rows([]string{"good", "part", "bytes", "detail"}, rows)
	}
	out.line("%s", r.Folder)
	if r.InUse != "" {
		out.line("in use by %s", r.InUse)
	}
	for _, row := range rows {
		out.line("%s %-10s %14d bytes  %s", row[0], row[1], row[2], row[3])
	}
	return nil
}
