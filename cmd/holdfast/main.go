package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/mattn/go-isatty"
)

func main() { os.Exit(run()) }

// run is main with a status in place of an exit, so that tests can be this command.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{
		args: os.Args[1:], stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		environ:     os.Environ(),
		outTerminal: isatty.IsTerminal(os.Stdout.Fd()),
		errTerminal: isatty.IsTerminal(os.Stderr.Fd()),
		unsignal:    stop,
	}
	return a.run(ctx)
}

// app is one run of the command with everything that it touches outside.
type app struct {
	args           []string
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string // NAME=value
	outTerminal    bool
	errTerminal    bool
	unsignal       func() // lets the next signal end the process at once

	ran bool // the command itself began: from here on an error is not one of usage
}

// env returns a variable of the environment, or "".
func (a *app) env(name string) string {
	for _, e := range a.environ {
		if len(e) > len(name) && e[len(name)] == '=' && e[:len(name)] == name {
			return e[len(name)+1:]
		}
	}
	return ""
}

// color reports whether output on a terminal may be coloured: https://no-color.org.
func (a *app) color(terminal bool) bool {
	return terminal && a.env("NO_COLOR") == "" && a.env("TERM") != "dumb"
}
