package httpapi

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// fakeMembership remembers what it was asked and answers err.
type fakeMembership struct {
	asked []string
	err   error
}

func (f *fakeMembership) note(format string, args ...any) error {
	f.asked = append(f.asked, fmt.Sprintf(format, args...))
	return f.err
}

func (f *fakeMembership) AddMember(_ context.Context, id, raft string) error {
	return f.note("add %s %s", id, raft)
}

func (f *fakeMembership) RemoveMember(_ context.Context, id string) error {
	return f.note("remove %s", id)
}

func (f *fakeMembership) TransferLeadership(_ context.Context, to string) error {
	return f.note("transfer %q", to)
}

func (f *fakeMembership) RecoverMember(_ context.Context, id string) (Recovery, error) {
	return Recovery{ID: id, Incarnation: 3, ClusterID: "c1"}, f.note("recover %s", id)
}

// memberError is a refusal as raftstore gives it.
type memberError struct{ codedError }

func (memberError) At() string { return "raft" }

func TestChangesOfMembers(t *testing.T) {
	t.Parallel()
	members := &fakeMembership{}
	s := serve(t, newFake(), func(c *Config) { c.Membership = members })
	for _, x := range []struct{ method, path, body, asked string }{
		{"POST", "/v1/cluster/members", `{"id":"n4","raft":"127.0.0.1:7481"}`, "add n4 127.0.0.1:7481"},
		{"DELETE", "/v1/cluster/members/n4", "", "remove n4"},
		{"POST", "/v1/cluster/transfer", "", `transfer ""`},
		{"POST", "/v1/cluster/transfer", "{}", `transfer ""`},
		{"POST", "/v1/cluster/transfer", `{"to":"n2"}`, `transfer "n2"`},
		{"POST", "/v1/cluster/members", `{"id":"n3","recover":true}`, "recover n3"},
	} {
		members.asked = nil
		r := s.do(x.method, x.path, x.body)
		require.Equal(t, 200, r.status, r.text)
		require.Equal(t, []string{x.asked}, members.asked)
		require.Equal(t, "n1", r.json(t)["leader"], "the answer is the cluster")
		recovery := any(nil)
		if x.asked == "recover n3" {
			recovery = map[string]any{"id": "n3", "incarnation": 3.0, "cluster_id": "c1"}
		}
		require.Equal(t, recovery, r.json(t)["recovery"])
	}
	members.asked = nil
	s.problem(400, "invalid", "POST", "/v1/cluster/members", `{"raft":"127.0.0.1:1"}`)
	s.problem(400, "invalid", "POST", "/v1/cluster/members", `{"id":"n4","port":1}`)
	s.problem(400, "invalid", "POST", "/v1/cluster/transfer", `{"to":7}`)
	require.Empty(t, members.asked)
	for _, code := range []string{"unknown-member", "member-exists", "last-voter", "majority-at-risk",
		"member-behind", "member-healthy", "invalid", "no-leader", "outcome-unknown"} {
		members.err = memberError{codedError{code: code}}
		m := s.problem(outcomeOf(code).status, code, "DELETE", "/v1/cluster/members/n4", "")
		require.Equal(t, "raft", m["at"])
	}
	members.err = fmt.Errorf("did not happen: %w", &memberError{codedError{code: "no-leader"}})
	m := s.problem(503, "no-leader", "POST", "/v1/cluster/transfer", "")
	require.Contains(t, m["detail"], "It did not happen: ", "an operator is told what the store says")
	without := serve(t, newFake())
	without.problem(404, "not-found", "DELETE", "/v1/cluster/members/n4", "")
}
