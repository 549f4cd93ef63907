package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"holdfast/loadtest/check"
	"holdfast/loadtest/driver"
	"holdfast/loadtest/report"
	"holdfast/loadtest/scenario"
)

func (a *app) loadCommand() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the scenarios that come with the command",
		Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error {
			for _, name := range scenario.Shipped() {
				s, err := scenario.Load(name)
				if err != nil {
					return err
				}
				fmt.Fprintf(a.stdout, "%-22s %s\n", name, s.Description)
			}
			return nil
		}}
	return group("load", "Test the load that a server carries", a.loadRunCommand(), list)
}

func (a *app) loadRunCommand() *cobra.Command {
	var targets []string
	var dir string
	var limit time.Duration
	c := &cobra.Command{Use: "run SCENARIO", Short: "Run a scenario and check every promise",
		Args: one("scenario")}
	c.Flags().StringSliceVar(&targets, "target", []string{"http://127.0.0.1:7480"}, "URLs of nodes")
	c.Flags().StringVar(&dir, "report", "", "folder for report.json and junit.xml")
	c.Flags().DurationVar(&limit, "duration", 0, "shorten the scenario to this")
	c.RunE = func(c *cobra.Command, args []string) error {
		s, err := scenario.Load(args[0])
		if err != nil {
			return usagef("%w", err)
		}
		s.Shorten(limit)
		token := a.env("HOLDFAST_KEY")
		d, err := driver.New(driver.Config{Scenario: s, Targets: targets, Token: token,
			Run: "lt" + strconv.FormatInt(time.Now().UnixNano(), 36), Progress: a.loadLine})
		if err != nil {
			return usagef("%w", err)
		}
		r, err := d.Run(c.Context())
		if err != nil {
			return err
		}
		v, err := check.Run(c.Context(), check.Config{Scenario: s, Result: r, Targets: targets,
			Token: token})
		if err != nil {
			return err
		}
		return a.loadReport(report.New(s, r, v), dir)
	}
	return c
}

func (a *app) loadLine(l driver.Live) {
	fmt.Fprintf(a.stderr, "%6s %s: %.0f/s p50 %s p99 %s errors %d not sent %d oldest %s\n",
		l.At.Truncate(time.Second), l.Phase, l.Rate, l.P50, l.P99, l.Errors, l.Unsent,
		l.OldestUnsent.Truncate(time.Millisecond))
}

func (a *app) loadReport(p *report.Report, dir string) error {
	if err := p.Text(a.stdout); err != nil {
		return err
	}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for name, write := range map[string]func(io.Writer) error{"report.json": p.JSON,
			"junit.xml": p.JUnit} {
			f, err := os.Create(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			if err := errors.Join(write(f), f.Close()); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
		}
	}
	if !p.Passed {
		return &statusError{code: exitBreached, err: errors.New("the run did not keep its bounds")}
	}
	return nil
}
