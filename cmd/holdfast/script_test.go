package main

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast/cmd/internal/client"
)

// asCommand in the environment makes the test binary be the command, for tests of processes.
const asCommand = "HOLDFAST_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"holdfast": main})
}

// TestScripts runs the commands as a person would. Commands are added: `fake DIR` serves the files
// of DIR (see newFakeServer), `node` starts a node of one; both set $HOLDFAST_SERVER. `send METHOD
// PATH BODY` is a call of an application. `status N command…` runs a command and wants N as its
// exit status.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"fake": func(ts *testscript.TestScript, _ bool, args []string) {
				server := newFakeServer(ts.MkAbs(args[0]))
				ts.Defer(server.Close)
				ts.Setenv("HOLDFAST_SERVER", server.URL)
			},
			"node": func(ts *testscript.TestScript, _ bool, _ []string) {
				p := startProcess(t, "--http", "127.0.0.1:0", "--raft", "127.0.0.1:0",
					"--data", ts.MkAbs("data"))
				ts.Defer(p.kill)
				ts.Setenv("HOLDFAST_SERVER", "http://"+p.http)
			},
			"send": func(ts *testscript.TestScript, _ bool, args []string) {
				c := client.New(client.Config{Server: ts.Getenv("HOLDFAST_SERVER")})
				defer c.Close()
				_, err := c.Do(t.Context(), client.Call{Method: args[0], Path: args[1],
					Body: []byte(args[2]), Key: args[1] + args[2]}, nil)
				ts.Check(err)
			},
			"status": func(ts *testscript.TestScript, _ bool, args []string) {
				want, err := strconv.Atoi(args[0])
				ts.Check(err)
				err = ts.Exec(args[1], args[2:]...)
				got := 0
				var exit *exec.ExitError
				if errors.As(err, &exit) {
					got = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if got != want {
					ts.Fatalf("exit status %d, want %d", got, want)
				}
			},
		},
	})
}
