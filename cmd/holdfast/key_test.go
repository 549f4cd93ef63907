package main

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/doctor"
)

// doctorFindsNothing runs doctor on a cluster that is well; what the machine of the test is like does
// not count.
func doctorFindsNothing(t *testing.T, c *cluster, key string) {
	t.Helper()
	out, stderr, _ := command(t, nil, "doctor", "-o", "json", "--server", c.ask[1].Server(), "--key", key)
	var report doctor.Report
	require.NoError(t, json.Unmarshal(out, &report), stderr)
	well := map[string]int{}
	for _, f := range report.Findings {
		if f.Level == doctor.OK {
			well[f.Check]++
			continue
		}
		require.Contains(t, []string{"filesystem", "files", "disk", "sync", "backup"}, f.Check, f.Says)
	}
	require.Equal(t, 3, well["ready"])
	require.Equal(t, 1, well["voters"])
	require.Equal(t, 1, well["leader"])
	require.Equal(t, 1, well["version"])
}

// TestAKeyCountsOnEveryNode makes keys on one node of three, uses them on all, through a restart of one,
// and revokes one of them.
func TestAKeyCountsOnEveryNode(t *testing.T) {
	if testing.Short() {
		t.Skip("three processes")
	}
	t.Parallel()
	c := startCluster(t)
	c.voters(1, "n1", "n2", "n3") // doctor would say of one that is not heard yet that it is not well
	var made apiKey
	create := func(as, role string) string {
		out, stderr, status := command(t, nil, "key", "create", "one", "--role", role, "-o", "json",
			"--server", c.ask[0].Server(), "--key", as)
		require.Zero(t, status, stderr)
		made = apiKey{}
		require.NoError(t, json.Unmarshal(out, &made))
		return made.Key
	}
	admin := create("", "admin")
	reader := create(admin, "read")
	revoked := made.ID
	ask := func(node int, key string) error {
		cl := client.New(client.Config{Server: c.ask[node].Server(), Key: key})
		defer cl.Close()
		_, err := cl.Do(t.Context(), client.Call{Path: "/v1/skus"}, nil)
		return err
	}
	refused := func(node int, key string) bool {
		var p *client.Problem
		return errors.As(ask(node, key), &p) && p.Code == "unauthenticated"
	}
	require.NoError(t, ask(0, reader), "where it was made it counts at once")
	for i := range c.nodes {
		require.Eventually(t, func() bool { return ask(i, reader) == nil }, ready, time.Millisecond)
		require.Eventually(t, func() bool { return refused(i, "") }, ready, time.Millisecond)
		require.True(t, refused(i, reader[:len(reader)-4]+"aaaa"))
	}

	doctorFindsNothing(t, c, admin)
	c.nodes[2].kill()
	var out []byte
	require.Eventually(t, func() (done bool) { // it may have been the leader
		var status int
		out, _, status = command(t, nil, "key", "revoke", revoked, "--server", c.ask[1].Server(),
			"--key", admin, "-o", "json")
		require.Contains(t, []int{exitOK, exitUnreachable}, status)
		return status == exitOK
	}, ready, 50*time.Millisecond)
	require.NoError(t, json.Unmarshal(out, &made))
	require.Equal(t, "revoked", made.State)
	require.True(t, refused(1, reader), "where it was revoked it stops at once")
	require.Eventually(t, func() bool { return refused(0, reader) }, ready, time.Millisecond)
	c.restart(2)
	require.Eventually(t, func() bool { return refused(2, reader) && ask(2, admin) == nil }, ready,
		time.Millisecond, "also on a node that was away")
	for _, p := range c.nodes {
		require.False(t, strings.Contains(p.stderr(), admin[16:]), "no log has a secret")
	}
}
