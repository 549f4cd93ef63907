package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/settings"
)

// run parses the arguments, runs the command that they name and returns its exit status.
func (a *app) run(ctx context.Context) int {
	root := a.root()
	root.SetArgs(a.args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if a.ran && ctx.Err() != nil && !client.IsUnknown(err) {
		err = &statusError{code: exitInterrupted, err: errors.New("stopped by a signal")}
	}
	a.tell(err)
	if !a.ran {
		fmt.Fprintln(a.stderr, "  what to do: `holdfast help` lists the commands, --help explains one")
		return exitUsage
	}
	return statusOf(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "holdfast",
		Short: "Holds stock, fast: a replicated ledger of every SKU at every location",
		Long: "Holdfast keeps a replicated, in-memory ledger of stock and of what was promised " +
			"on it.\n\nTry it:     holdfast demo\nRun a node: holdfast serve\n" +
			"Ask it:     holdfast cluster status",
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			a.ran = true
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.PersistentFlags().String("config", "",
		"YAML file with settings (environment HOLDFAST_CONFIG)")
	root.AddCommand(a.serveCommand(), a.demoCommand(), a.clusterCommand(), a.stockCommand(),
		a.reservationCommand(), a.eventCommand(), a.configCommand(), a.backupCommand(),
		a.restoreCommand(), a.verifyCommand(), a.simulateCommand(), a.versionCommand(),
		exitTopic(), a.connectionCommand(), a.flowCommand(), a.traceCommand(),
		a.exceptionCommand(), a.mappingCommand(), a.scopeCommand(), a.publishCommand(),
		a.webhookCommand(), a.fieldsCommand(), a.tablesCommand(), a.keyCommand(), a.doctorCommand(),
		a.loadCommand())
	return root
}

// group makes a command that only holds others. Called without one of them it is a fault of usage.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: func(c *cobra.Command, args []string) error {
		var names []string
		for _, s := range c.Commands() {
			names = append(names, s.Name())
		}
		if len(args) == 0 {
			return fmt.Errorf("%s needs one of: %s", c.CommandPath(), strings.Join(names, ", "))
		}
		return fmt.Errorf("%s has no command %q, only: %s", c.CommandPath(), args[0],
			strings.Join(names, ", "))
	}}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.AddCommand(subs...)
	return c
}

// one takes exactly one argument, and says which when it is not there.
func one(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return fmt.Errorf("%s needs one %s, not %d arguments", c.CommandPath(), what, len(args))
		}
		return nil
	}
}

// exitTopic is a page of help: it has nothing to run.
func exitTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("Every command ends with one of these statuses:\n\n")
	for _, s := range exitStatuses {
		fmt.Fprintf(&b, "  %3d  %s\n", s.code, s.what)
	}
	return &cobra.Command{Use: "exit-codes", Short: "Exit statuses of all commands", Long: b.String()}
}

// settings reads the settings of a command from its flags, the environment and the file.
func (a *app) settings(c *cobra.Command) (*settings.Values, error) {
	path, err := c.Flags().GetString("config")
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = a.env("HOLDFAST_CONFIG")
	}
	v, err := settings.Load(settings.Sources{Flags: c.Flags(), Environ: a.environ, File: path})
	if err != nil {
		return nil, usagef("%w", err)
	}
	return v, nil
}

// session is one run of a command that asks a server.
type session struct {
	*app
	client *client.Client
	out    printer
}

// asks gives a command the flags of a client and runs it with a session.
func (a *app) asks(c *cobra.Command,
	do func(ctx context.Context, s session, args []string) error) *cobra.Command {
	settings.Register(c.Flags(), settings.Client)
	c.RunE = func(c *cobra.Command, args []string) error {
		v, err := a.settings(c)
		if err != nil {
			return err
		}
		cv := v.Client()
		key, err := cv.Key.Reveal()
		if err != nil {
			return usagef("key: %w", err)
		}
		cl := client.New(client.Config{Server: cv.Server, Key: key, Timeout: cv.Timeout})
		defer cl.Close()
		return do(c.Context(), session{app: a, client: cl, out: a.printer(cv.Output)}, args)
	}
	return c
}
