package raftstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// rule is one case of decideForming: what this node, n1 of n1 to n3, heard.
type rule struct {
	name    string
	own     formingAnswer
	answers []formingAnswer
	want    formingStep // of why a part
}

func TestTheRuleOfForming(t *testing.T) {
	t.Parallel()
	list := []Peer{{"n1", "a:1"}, {"n2", "b:1"}, {"n3", "c:1"}}
	same := peersText(list)
	own := formingAnswer{Node: "n1", Folder: "f1", State: stateEmpty, Peers: same}
	node := func(name, state string, change ...func(*formingAnswer)) formingAnswer {
		a := formingAnswer{Node: name, Folder: "f-" + name, State: state, Peers: same}
		if state == stateFormed {
			a.Cluster, a.Leader, a.At = "c1", "n2", "b:1"
		}
		for _, f := range change {
			f(&a)
		}
		return a
	}
	of := func(id string) func(*formingAnswer) { return func(a *formingAnswer) { a.Cluster = id } }
	led := func(at string) func(*formingAnswer) { return func(a *formingAnswer) { a.At = at } }
	other := func(a *formingAnswer) { a.Peers = "n1=a:1,n2=b:1,n4=d:1" }
	knew := func(folder string) func(*formingAnswer) {
		return func(a *formingAnswer) { a.Heard = map[string]string{"n1": folder} }
	}
	with := func(folder string) func(*formingAnswer) {
		return func(a *formingAnswer) { a.With = map[string]string{"n1": folder} }
	}
	inCluster := own
	inCluster.Cluster, inCluster.State = "c1", stateFormed
	for _, c := range []rule{
		{"nobody", own, nil, formingStep{why: "2 of n1=a:1,n2=b:1,n3=c:1 must run"}},
		{"one empty", own, []formingAnswer{node("n2", stateEmpty)}, formingStep{form: true}},
		{"one forming with this", own, []formingAnswer{node("n2", stateForming, with("f1"))},
			formingStep{form: true}},
		{"one forming without this", own, []formingAnswer{node("n2", stateForming)},
			formingStep{why: "n2 began to form the cluster with"}},
		{"one forming without this and one empty", own, []formingAnswer{node("n2", stateForming),
			node("n3", stateEmpty)}, formingStep{form: true}},
		{"one forming with another folder of this", own, []formingAnswer{
			node("n2", stateForming, with("f0")), node("n3", stateEmpty)},
			formingStep{why: "knew this one with another data folder"}},
		{"another list", own, []formingAnswer{node("n2", stateEmpty), node("n3", stateEmpty, other)},
			formingStep{why: "node n3 has another list of peers"}},
		{"formed", own, []formingAnswer{node("n2", stateFormed), node("n3", stateEmpty)},
			formingStep{leaderAt: "b:1"}},
		{"formed by another list", own, []formingAnswer{node("n2", stateFormed, other)},
			formingStep{leaderAt: "b:1"}},
		{"formed without a leader", own, []formingAnswer{node("n2", stateFormed, led("")),
			node("n3", stateEmpty)}, formingStep{why: "the cluster of n2 has no leader"}},
		{"one of two knows the leader", own, []formingAnswer{node("n2", stateFormed, led("")),
			node("n3", stateFormed)}, formingStep{leaderAt: "b:1"}},
		{"two clusters", own, []formingAnswer{node("n2", stateFormed),
			node("n3", stateFormed, of("c2"))}, formingStep{why: "do not mix them"}},
		{"not its cluster", inCluster, []formingAnswer{node("n2", stateFormed, of("c2"))},
			formingStep{why: "do not mix them"}},
		{"let in, and all others lost", inCluster, []formingAnswer{node("n2", stateEmpty)},
			formingStep{why: "no member of its cluster answers"}},
		{"known with another folder", own, []formingAnswer{node("n2", stateForming, knew("f0"))},
			formingStep{why: "knew this one with another data folder"}},
		{"two fresh starts", own, []formingAnswer{node("n2", stateEmpty, knew("f0"))},
			formingStep{form: true}},
	} {
		got := decideForming(c.own, list, c.answers)
		assert.Contains(t, got.why, c.want.why, c.name)
		assert.Equal(t, got.form, len(got.with) > 0, c.name)
		got.why, c.want.why, got.with = "", "", nil
		assert.Equal(t, c.want, got, c.name)
	}
	joins := own
	joins.Peers = ""
	got := decideForming(joins, nil, []formingAnswer{node("n2", stateEmpty)})
	assert.Contains(t, got.why, "--join")
}

// wipe takes everything from a node that is not running, as a lost disk does.
func (c *cluster) wipe(n *node) {
	require.Nil(c.t, n.Store)
	n.checkpoints = NewMemCheckpoints()
	n.log, n.events = NewMemLog(n.checkpoints.Floor), NewMemEventLog()
	n.identity = NewMemIdentity(n.name, firstIncarnation)
}

// add makes a node that the cluster did not begin with, and does not start it.
func (c *cluster) add(name string) *node {
	checkpoints := NewMemCheckpoints()
	n := &node{
		name: name, addr: fmt.Sprintf("127.0.0.%d:1", len(c.nodes)+1),
		log: NewMemLog(checkpoints.Floor), checkpoints: checkpoints, events: NewMemEventLog(),
		bodies:   NewMemBodies(),
		identity: NewMemIdentity(name, firstIncarnation), listed: []Peer{},
	}
	for _, m := range c.nodes {
		n.join = append(n.join, m.addr)
	}
	c.nodes = append(c.nodes, n)
	return n
}

// fresh is a cluster of three of which none has started.
func fresh(t *testing.T, body func(t *testing.T, c *cluster)) {
	inBubble(t, 0, nil, func(t *testing.T, c *cluster) {
		for i := range 3 {
			n := c.add(fmt.Sprintf("n%d", i+1))
			n.listed, n.join = nil, nil
		}
		body(t, c)
	})
}

// eventually waits for something within a minute.
func (c *cluster) eventually(what string, is func() bool) {
	c.t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	c.t.Fatalf("not in a minute: %s", what)
}

// refusesToRun waits until a node stops by itself, and returns why.
func (c *cluster) refusesToRun(n *node) error {
	c.t.Helper()
	select {
	case err := <-n.fatal:
		c.kill(n)
		return err
	case <-time.After(time.Minute):
		c.t.Fatalf("%s runs on", n.name)
		return nil
	}
}

// TestFormsInAnyOrder starts the nodes one after another, with pauses, in every order.
func TestFormsInAnyOrder(t *testing.T) {
	t.Parallel()
	for _, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, pause := range []time.Duration{0, 30 * time.Millisecond, 700 * time.Millisecond, time.Minute} {
			t.Run(fmt.Sprint(order, pause), func(t *testing.T) {
				t.Parallel()
				fresh(t, func(t *testing.T, c *cluster) {
					c.start(c.nodes[order[0]])
					time.Sleep(pause)
					alone := c.nodes[order[0]]
					assert.Empty(t, alone.servers(), "one of three forms nothing")
					if pause > 0 {
						assert.Contains(t, alone.Status().Waiting, "2 of n1=")
						assert.Contains(t, alone.whyNoLeader(), "; no answer from "+c.nodes[order[1]].addr+": ")
					}
					c.start(c.nodes[order[1]])
					time.Sleep(pause)
					c.start(c.nodes[order[2]])
					leader := c.leader()
					c.stock(leader, 3, "A")
					c.eventually("all are enrolled", func() bool {
						all := 0
						for _, n := range c.nodes {
							if _, ok := leader.enrolment(n.name); ok {
								all++
							}
						}
						return all == 3
					})
					for _, n := range c.nodes {
						c.eventually(n.name+" was told", func() bool { return n.identity.Identity().LetIn })
					}
					c.sameDigests()
				})
			})
		}
	}
}

// TestTwoListsNeverForm gives one node of three another list: nothing is formed while it runs, and
// both sides say what differs.
func TestTwoListsNeverForm(t *testing.T) {
	t.Parallel()
	fresh(t, func(t *testing.T, c *cluster) {
		odd := c.nodes[2]
		odd.listed = []Peer{{"n1", c.nodes[0].addr}, {"n2", c.nodes[1].addr}, {"n3", odd.addr},
			{"n4", "127.0.0.4:1"}}
		c.start(odd)
		c.start(c.nodes[0])
		c.start(c.nodes[1])
		time.Sleep(time.Minute)
		for _, n := range c.nodes {
			assert.Empty(t, n.servers())
			assert.Contains(t, n.Ready()[0].Detail, "another list of peers")
			assert.Contains(t, n.Ready()[0].Detail, "n4=127.0.0.4:1")
		}
		c.kill(odd)
		odd.listed = nil
		c.start(odd)
		c.leader()
	})
}

// TestLateThirdIsLetIn starts the third of a list long after the others have formed and worked.
func TestLateThirdIsLetIn(t *testing.T) {
	t.Parallel()
	fresh(t, func(t *testing.T, c *cluster) {
		c.start(c.nodes[0])
		c.start(c.nodes[1])
		leader := c.leader()
		c.stock(leader, 7, "A")
		time.Sleep(time.Hour)
		late := c.nodes[2]
		_, known := leader.enrolment("n3")
		assert.False(t, known)
		c.start(late)
		c.eventually("it is enrolled", func() bool { _, known := leader.enrolment("n3"); return known })
		c.sameDigests()
		assert.Equal(t, int64(7), c.available(late, false, "A"))
		id := late.identity.Identity()
		assert.Equal(t, leader.raft().CurrentTerm(), id.SinceTerm)
		assert.Equal(t, leader.clusterText(), id.ClusterID)
		c.kill(leader)
		c.accept(c.leader(), &engine.DefineSKU{SKU: "B"}) // it votes
	})
}

// TestWipedVoterIsRefused wipes a member and starts it again: it stops by itself, and says why.
func TestWipedVoterIsRefused(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 7, "A")
		victim := c.follower(leader)
		c.eventually("it is enrolled", func() bool { _, ok := leader.enrolment(victim.name); return ok })
		c.kill(victim)
		c.wipe(victim)
		c.start(victim)
		var used *UsedNameError
		require.ErrorAs(t, c.refusesToRun(victim), &used)
		assert.Equal(t, uint64(1), used.Incarnation)
		assert.False(t, victim.identity.Identity().LetIn)
	})
}

// TestWipedVoterDoesNotLoseAWrite is why: a write is acknowledged by two of three; one of them loses
// its disk and the other its power, and the third, which never had the write, comes back. If the
// wiped one could vote for it, they would be a majority without the write.
func TestWipedVoterDoesNotLoseAWrite(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		c.stock(leader, 7, "A")
		c.eventually("all are enrolled", func() bool {
			_, a := leader.enrolment("n1")
			_, b := leader.enrolment("n2")
			_, d := leader.enrolment("n3")
			return a && b && d
		})
		wiped := c.follower(leader)
		var behind *node
		for _, n := range c.nodes {
			if n != leader && n != wiped {
				behind = n
			}
		}
		c.sameDigests()
		c.kill(behind)
		c.accept(leader, reserve("sale", "A", 5, time.Hour))
		c.kill(leader)
		c.kill(wiped)
		c.wipe(wiped)
		c.start(wiped)
		c.start(behind)
		time.Sleep(time.Minute)
		for _, n := range []*node{wiped, behind} {
			assert.Empty(t, n.leaderName(), "%s: a majority without the write", n.name)
		}
		assert.Contains(t, wiped.Ready()[0].Detail, "no leader that could let this node in")
		c.start(leader)
		c.refusesToRun(wiped)
		assert.Equal(t, int64(2), c.available(c.leader(), false, "A"), "what was acknowledged stands")
	})
}

// TestDeathWhileForming starts nodes that died between being let in and the first configuration, alone
// and among others that have formed the cluster meanwhile or not.
func TestDeathWhileForming(t *testing.T) {
	t.Parallel()
	for _, formed := range []bool{false, true} {
		t.Run(fmt.Sprint("others have formed: ", formed), func(t *testing.T) {
			t.Parallel()
			fresh(t, func(t *testing.T, c *cluster) {
				died := c.nodes[2]
				require.NoError(t, died.identity.SetLetIn("", 0))
				if formed {
					c.start(c.nodes[0])
					c.start(c.nodes[1])
					c.stock(c.leader(), 3, "A")
				}
				c.start(died)
				time.Sleep(3 * time.Second)
				if !formed {
					assert.Empty(t, died.servers())
					c.start(c.nodes[0])
					c.start(c.nodes[1])
					c.stock(c.leader(), 3, "A")
				}
				c.sameDigests()
				assert.Equal(t, int64(3), c.available(died, false, "A"))
			})
		})
	}
	inBubble(t, 0, nil, func(t *testing.T, c *cluster) {
		one := c.add("n1")
		one.listed, one.join = nil, nil
		require.NoError(t, one.identity.SetLetIn("", 0))
		c.start(one)
		c.stock(c.leader(), 3, "A")
	})
}

// TestDeathInsideBootstrap starts nodes that died inside raft's BootstrapCluster: they have raft's
// term and nothing else, which raft takes for a cluster that is there. All of them, one of them, and
// a node alone.
func TestDeathInsideBootstrap(t *testing.T) {
	t.Parallel()
	died := func(c *cluster, n *node, with string) {
		require.NoError(c.t, n.identity.SetFormed(with))
		require.NoError(c.t, n.log.SetUint64([]byte(keyTerm), 1))
	}
	for _, count := range []int{1, 2, 3} {
		t.Run(fmt.Sprint(count, " of 3"), func(t *testing.T) {
			t.Parallel()
			fresh(t, func(t *testing.T, c *cluster) {
				folders := map[string]string{}
				for _, n := range c.nodes {
					folders[n.name] = n.identity.Identity().Folder
				}
				for _, n := range c.nodes[:count] {
					died(c, n, foldersText(folders))
				}
				for _, n := range c.nodes {
					c.start(n)
				}
				c.stock(c.leader(), 3, "A")
				c.sameDigests()
				for _, n := range c.nodes {
					assert.Equal(t, int64(3), c.available(n, false, "A"))
				}
			})
		})
	}
	inBubble(t, 0, nil, func(t *testing.T, c *cluster) {
		one := c.add("n1")
		one.listed, one.join = nil, nil
		died(c, one, "")
		c.start(one)
		c.stock(c.leader(), 3, "A")
	})
}

// TestAWipedNodeDoesNotFormWithOneThatWasCutOff is why a node that forms counts only for the folders
// that it formed with. n1 and n2 form, and n2 is cut off at once; n1 and n3 sell. Then n1 is down, n3
// loses its disk, and n2 comes back, which knows of no cluster: the two are a majority without the sale.
func TestAWipedNodeDoesNotFormWithOneThatWasCutOff(t *testing.T) {
	t.Parallel()
	fresh(t, func(t *testing.T, c *cluster) {
		n1, n2, n3 := c.nodes[0], c.nodes[1], c.nodes[2]
		require.NoError(t, n2.identity.SetFormed(foldersText(map[string]string{
			"n1": n1.identity.Identity().Folder}))) // and died there
		c.start(n1)
		c.start(n3)
		c.stock(c.leader(), 7, "A")
		c.accept(c.leader(), reserve("sale", "A", 5, time.Hour))
		c.kill(n1)
		c.kill(n3)
		c.wipe(n3)
		c.start(n2)
		c.start(n3)
		time.Sleep(time.Minute)
		for _, n := range []*node{n2, n3} {
			assert.Empty(t, n.leaderName(), "%s: a majority without the sale", n.name)
		}
		assert.Contains(t, n3.Ready()[0].Detail, "n2 began to form the cluster with n1")
		c.start(n1)
		assert.Equal(t, int64(2), c.available(c.leader(), false, "A"), "what was acknowledged stands")
	})
}

// TestTwoFoldersUnderOneName has another folder enrolled under the name of a node that formed the
// cluster: it stops, for both would vote under one id.
func TestTwoFoldersUnderOneName(t *testing.T) {
	t.Parallel()
	inBubble(t, 3, nil, func(t *testing.T, c *cluster) {
		leader := c.leader()
		twin := c.follower(leader)
		c.accept(leader, &engine.Enrol{Node: twin.name, Incarnation: 1, Folder: [16]byte{1}})
		var used *UsedNameError
		require.ErrorAs(t, c.refusesToRun(twin), &used)
		assert.Equal(t, uint64(1), used.Incarnation)
	})
}
