package httpapi

import "context"

// The changes of who the members of the cluster are. Each answers with the cluster as it is then.

// memberBody is a node that is to be a member; with recover it is one whose disk is lost.
type memberBody struct {
	ID      string `json:"id" is:"id" required:"yes"`
	Raft    string `json:"raft" is:"note"`
	Recover bool   `json:"recover"`
}

type leadershipBody struct {
	To string `json:"to" is:"id"`
}

func postMember(c *call) error {
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in memberBody
	if err := memberBodies.decode(text, &in); err != nil {
		return err
	}
	var more []byte
	err = c.changeMembers(func(ctx context.Context, m Membership) error {
		if !in.Recover {
			return m.AddMember(ctx, in.ID, in.Raft)
		}
		r, err := m.RecoverMember(ctx, in.ID)
		more = appendRecovery(nil, r)
		return err
	})
	if err != nil {
		return err
	}
	return c.sendCluster(more)
}

func appendRecovery(b []byte, r Recovery) []byte {
	b = append(b, `,"recovery":{"id":`...)
	b = appendText(b, r.ID)
	b = appendUint(b, `,"incarnation":`, r.Incarnation)
	b = append(b, `,"cluster_id":`...)
	return append(appendText(b, r.ClusterID), '}')
}

func deleteMember(c *call) error {
	id, err := c.id()
	if err != nil {
		return err
	}
	err = c.changeMembers(func(ctx context.Context, m Membership) error {
		return m.RemoveMember(ctx, id)
	})
	if err != nil {
		return err
	}
	return c.sendCluster(nil)
}

func postTransfer(c *call) error {
	var in leadershipBody
	text, err := c.body(true)
	if err == nil {
		err = leadershipBodies.decode(text, &in)
	}
	if err != nil {
		return err
	}
	err = c.changeMembers(func(ctx context.Context, m Membership) error {
		return m.TransferLeadership(ctx, in.To)
	})
	if err != nil {
		return err
	}
	return c.sendCluster(nil)
}

// changeMembers makes one change. The error is a *problem or nil.
func (c *call) changeMembers(change func(context.Context, Membership) error) error {
	if c.s.cfg.Membership == nil {
		return newProblem(codeNotFound, "This server takes no changes of the members.")
	}
	// Longer than the change's own bound, so that the store says what became of it.
	ctx, cancel := context.WithTimeout(c.s.base, checkWait*c.s.cfg.LedgerTimeout)
	defer cancel()
	err := change(ctx, c.s.cfg.Membership)
	if err == nil {
		return nil
	}
	p := problemOf(err, true)
	if p.code == codeNoLeader {
		p.detail = "It " + err.Error() // whoever may change the members may know their addresses
	}
	return p
}
