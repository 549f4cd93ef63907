package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/doctor"
	"holdfast/cmd/internal/settings"
)

const doctorHelp = `Asks every node, and only reads: who leads, who can be reached, versions, clocks, lag,
digests, disks and how fast they write, file systems, open files, certificates, the last backup, open
exceptions, connections. What is wrong is said with what to do about it, the worst first.

Give it the URL of any node, and a key with the role read where there are keys. Status 0: nothing has to
be done. 1: something has, be it only a warning. 4: the cluster could not be asked.`

func (a *app) doctorCommand() *cobra.Command {
	var all bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look at the whole cluster and say what is wrong and what to do",
		Long:  doctorHelp,
		Args:  cobra.NoArgs,
	}
	c.Flags().BoolVar(&all, "all", false, "show also what is well")
	settings.Register(c.Flags(), settings.Client)
	c.RunE = func(c *cobra.Command, _ []string) error {
		v, err := a.settings(c)
		if err != nil {
			return err
		}
		cv := v.Client()
		key, err := cv.Key.Reveal()
		if err != nil {
			return usagef("key: %w", err)
		}
		seen := doctor.Look(c.Context(), cv.Server, func(url string) *client.Client {
			return client.New(client.Config{Server: url, Key: key, Timeout: cv.Timeout})
		}, time.Now)
		if seen.ClusterErr != nil && errors.Is(c.Context().Err(), context.Canceled) {
			return seen.ClusterErr
		}
		return showReport(a.printer(cv.Output), doctor.Judge(seen), seen, all)
	}
	return c
}

func showReport(out printer, r doctor.Report, seen *doctor.Seen, all bool) error {
	if out.form == "json" {
		if err := out.json(r); err != nil {
			return err
		}
	} else if err := printReport(out, &r, all); err != nil {
		return err
	}
	var away *client.UnreachableError
	switch {
	case errors.As(seen.ClusterErr, &away):
		return &statusError{code: exitUnreachable, err: seen.ClusterErr}
	case seen.ClusterErr != nil:
		return seen.ClusterErr
	case r.Wrong():
		return &statusError{code: exitFailure, err: errors.New("something has to be done"), silent: true}
	}
	return nil
}

func printReport(out printer, r *doctor.Report, all bool) error {
	well := 0
	var rows [][]any
	for _, f := range r.Findings {
		if f.Level == doctor.OK {
			well++
		}
		if f.Level == doctor.OK && !all {
			continue
		}
		node := f.Node
		if node == "" {
			node = "cluster"
		}
		bad := f.Level == doctor.Bad || f.Level == doctor.Warn
		if out.form == "csv" {
			rows = append(rows, []any{f.Level, f.Check, node, f.Says, f.Do})
			continue
		}
		rows = append(rows, []any{mark{string(f.Level), bad}, f.Check, node, wrapped(f.Says, f.Do)})
	}
	head := []string{"level", "check", "node", "what is so, and what to do"}
	if out.form == "csv" {
		head = []string{"level", "check", "node", "says", "do"}
	}
	if len(rows) > 0 || out.form == "csv" {
		if err := out.rows(head, rows); err != nil {
			return err
		}
	}
	out.line("%d checks are well%s", well, map[bool]string{true: "", false: "; --all shows them"}[all])
	return nil
}

// lines is a cell of several lines; each was made printable.
type lines string

// wrapped breaks a finding into lines that a terminal shows whole.
func wrapped(says, do string) lines {
	const width = 76
	text := breakLines(printable(says), width)
	if do != "" {
		text += "\n→ " + strings.ReplaceAll(breakLines(printable(do), width-2), "\n", "\n  ")
	}
	return lines(text)
}

func breakLines(text string, width int) string {
	var b strings.Builder
	at := 0
	for word := range strings.FieldsSeq(text) {
		if n := len([]rune(word)); at > 0 && at+1+n > width {
			b.WriteByte('\n')
			at = 0
		} else if at > 0 {
			b.WriteByte(' ')
			at++
		}
		fmt.Fprint(&b, word)
		at += len([]rune(word))
	}
	return b.String()
}
