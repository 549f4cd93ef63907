package raftstore

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// selling reserves one unit after another at whoever leads, until stop: what was answered must be
// there in the end.
func (c *cluster) selling(nodes ...*node) (stop func() (sold int64)) {
	ctx, cancel := context.WithCancel(c.t.Context())
	var done sync.WaitGroup
	var sold int64
	done.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			id := fmt.Sprintf("load-%d", i)
			for { // to its end, so that every unit is counted
				n := nodes[i%len(nodes)]
				r, err := n.Submit(c.t.Context(), engine.Op{Command: reserve(id, "A", 1, time.Hour)})
				if err == nil && r.Refusal == engine.Accepted {
					sold++
					break
				}
				time.Sleep(50 * time.Millisecond) // the same again: its id is its key
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
	return func() int64 {
		cancel()
		done.Wait()
		return sold
	}
}

// votes reports whether n sees exactly these voters, and nobody without a vote.
func (c *cluster) votes(n *node, names ...string) bool {
	seen := map[string]bool{}
	for _, m := range n.configured() {
		seen[nodeName(m.ID)] = m.Suffrage == raft.Voter
	}
	for _, name := range names {
		if !seen[name] {
			return false
		}
	}
	return len(seen) == len(names)
}

// codeAt is the code of an error, and the field that it blames.
func codeAt(err error) string {
	field := ""
	if at, ok := err.(interface{ At() string }); ok {
		field = at.At()
	}
	return code(err) + " " + field
}

// TestAddRemoveReplaceUnderLoad grows a cluster by one, shrinks it, and replaces a member whose disk
// is lost, while units are sold: each that was answered is there in the end, once.
func TestAddRemoveReplaceUnderLoad(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1_000_000, "A")
		asked := c.follower(leader) // it passes everything on
		stop := c.selling(leader, asked)
		ctx := t.Context()

		n4 := c.add("n4")
		c.start(n4)
		time.Sleep(3 * time.Second)
		assert.Contains(t, n4.Ready()[0].Detail, "holdfast cluster add n4="+n4.addr)
		require.NoError(t, asked.AddMember(ctx, "n4", n4.addr))
		c.eventually("n4 votes", func() bool { return c.votes(leader, "n1", "n2", "n3", "n4") })
		assert.True(t, n4.identity.Identity().LetIn)

		require.NoError(t, asked.RemoveMember(ctx, "n4"))
		assert.True(t, c.votes(asked, "n1", "n2", "n3"))
		c.eventually("n4 knows", func() bool { return n4.Ready()[0].Detail == removedText })

		var victim *node
		for _, n := range c.nodes[:3] {
			if n != leader && n != asked {
				victim = n
			}
		}
		_, err := asked.RecoverMember(ctx, victim.name)
		assert.Equal(t, "member-healthy id", codeAt(err))
		c.kill(victim)
		r, err := asked.RecoverMember(ctx, victim.name)
		require.NoError(t, err)
		again, err := leader.RecoverMember(ctx, victim.name)
		require.NoError(t, err)
		assert.Equal(t, Recovery{Node: victim.name, Incarnation: 2, Cluster: leader.clusterText()}, r)
		assert.Equal(t, r, again, "asked again")

		c.wipe(victim)
		victim.identity = NewMemIdentity(victim.name, r.Incarnation)
		c.start(victim)
		c.eventually("it votes again", func() bool {
			m, _ := leader.memberNamed(victim.name)
			return m.ID == victim.parts.id && c.votes(leader, "n1", "n2", "n3")
		})
		assert.Equal(t, victim.name+".2", string(victim.parts.id))

		sold := stop()
		c.kill(n4) // its log is its own since it was removed
		c.sameDigests()
		assert.Positive(t, sold)
		assert.Equal(t, 1_000_000-sold, c.available(victim, false, "A"))

		c.kill(leader)
		c.accept(c.leader(leader), &engine.DefineSKU{SKU: "B"})
	})
}

// TestChangesThatWouldHurtAreRefused asks for what must not be done.
func TestChangesThatWouldHurtAreRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 7, "A")
		asked := c.follower(leader)
		time.Sleep(5 * time.Second)
		ctx := t.Context()
		for _, x := range []struct {
			err  error
			want string
		}{
			{asked.AddMember(ctx, "n4", "127.0.0.9"), "invalid raft"},
			{asked.AddMember(ctx, "n4", "127.0.0.9:0"), "invalid raft"},
			{asked.AddMember(ctx, "n4", "0.0.0.0:7481"), "invalid raft"},
			{asked.AddMember(ctx, "n4", ":7481"), "invalid raft"},
			{asked.AddMember(ctx, "n.4", "127.0.0.9:1"), "invalid id"},
			{asked.AddMember(ctx, asked.name, "127.0.0.9:1"), "member-exists id"},
			{asked.AddMember(ctx, "n4", leader.addr), "member-exists raft"},
			{asked.RemoveMember(ctx, "n4"), "unknown-member id"},
			{asked.TransferLeadership(ctx, "n4"), "unknown-member to"},
			{asked.TransferLeadership(ctx, "n 4"), "invalid to"},
			{asked.TransferLeadership(ctx, leader.name), " "},
		} {
			assert.Equal(t, x.want, codeAt(x.err), "%v", x.err)
		}
		_, err := asked.RecoverMember(ctx, "n4")
		assert.Equal(t, "unknown-member id", codeAt(err))
		_, err = asked.RecoverMember(ctx, leader.name)
		assert.Equal(t, "member-healthy id", codeAt(err))

		for _, n := range c.nodes {
			if n != leader && n != asked {
				c.kill(n)
				time.Sleep(2 * silentAfter)
				assert.Equal(t, "majority-at-risk id", codeAt(leader.RemoveMember(ctx, asked.name)))
				assert.Equal(t, "member-behind to", codeAt(asked.TransferLeadership(ctx, n.name)))
				require.NoError(t, asked.RemoveMember(ctx, n.name), "the dead one may go")
			}
		}
		require.NoError(t, leader.RemoveMember(ctx, leader.name), "it hands over first")
		c.kill(leader)
		assert.Equal(t, "last-voter id", codeAt(asked.RemoveMember(ctx, asked.name)))
		assert.Equal(t, int64(7), c.available(asked, false, "A"))
	})
}

// TestTransferUnderLoad hands leadership around while units are sold.
func TestTransferUnderLoad(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 1_000_000, "A")
		time.Sleep(5 * time.Second)
		stop := c.selling(c.nodes...)
		for i := range 9 {
			to := c.nodes[i%3].name
			if i >= 6 {
				to = "" // whoever is best
			}
			before := c.leader().name
			require.NoError(t, c.nodes[(i+1)%3].TransferLeadership(t.Context(), to))
			time.Sleep(time.Millisecond) // the old leader learns that it is none
			now := c.leader().name
			if to == "" {
				assert.NotEqual(t, before, now)
			} else {
				assert.Equal(t, to, now)
			}
			time.Sleep(2 * time.Second)
		}
		sold := stop()
		c.sameDigests()
		assert.Equal(t, 1_000_000-sold, c.available(c.leader(), false, "A"))
	})
}

// TestNoTransferToOneThatDoesNotAnswer cuts a node off that was heard a moment ago.
func TestNoTransferToOneThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		to := c.follower(leader)
		time.Sleep(5 * time.Second)
		c.net.Cut(to.addr)
		require.True(t, leader.isWell(to.parts.id))
		asked := time.Now()
		err := leader.TransferLeadership(t.Context(), to.name)
		assert.Equal(t, "member-behind to", codeAt(err))
		assert.Less(t, time.Since(asked), time.Second, "raft was not even asked")
		c.accept(leader, &engine.DefineSKU{SKU: "B"})
		c.net.Heal(to.addr)
	})
}

// TestRemovedWhileAway removes a member that does not run: when it comes back it disturbs nobody, and
// says why it does not serve. Added again, it goes on from its own folder.
func TestRemovedWhileAway(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 7, "A")
		away := c.follower(leader)
		time.Sleep(5 * time.Second)
		c.kill(away)
		require.NoError(t, leader.RemoveMember(t.Context(), away.name))
		term := leader.raft().CurrentTerm()
		c.start(away)
		c.eventually("it knows", func() bool { return away.Ready()[0].Detail == removedText })
		assert.Equal(t, term, leader.raft().CurrentTerm())
		require.NoError(t, leader.AddMember(t.Context(), away.name, away.addr))
		c.eventually("it votes", func() bool { return c.votes(leader, "n1", "n2", "n3") })
		assert.Equal(t, leader.name, away.Ready()[0].Detail)
		c.sameDigests()
	})
}

// TestConfigurationFollowsAMember moves a member that is in nobody's list to another address.
func TestConfigurationFollowsAMember(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 7, "A")
		n4 := c.add("n4")
		require.NoError(t, leader.AddMember(t.Context(), "n4", n4.addr))
		c.start(n4)
		c.eventually("n4 votes", func() bool { return c.votes(leader, "n1", "n2", "n3", "n4") })
		c.kill(n4)
		n4.addr = "127.0.0.40:1"
		c.start(n4)
		for _, n := range c.nodes[:3] {
			n.nodes.hear("n4", n4.addr) // as its handshake would say
		}
		c.eventually("the configuration follows", func() bool {
			for _, m := range leader.configured() {
				if m.ID == "n4.1" {
					return string(m.Address) == n4.addr && m.Suffrage == raft.Voter
				}
			}
			return false
		})
		c.sameDigests()
	})
}

// TestAChangeDoesNotWaitForEverBehindAnother asks for a change while one is being made that hangs.
func TestAChangeDoesNotWaitForEverBehindAnother(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		time.Sleep(5 * time.Second)
		require.NoError(t, leader.changes.take(t.Context()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := leader.AddMember(ctx, "n4", "127.0.0.4:1")
		assert.Equal(t, "no-leader ", codeAt(err))
		assert.ErrorContains(t, err, "another change of the members")
		leader.changes.give()
		require.NoError(t, leader.AddMember(t.Context(), "n4", "127.0.0.4:1"))
	})
}
