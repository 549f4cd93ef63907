package node

import (
	"context"

	"holdfast/adapters/httpapi"
)

// AddMember fails with the store's errors, as the next three do.
func (v view) AddMember(ctx context.Context, id, raft string) error {
	return v.store.AddMember(ctx, id, raft)
}

// RemoveMember fails with the store's errors.
func (v view) RemoveMember(ctx context.Context, id string) error {
	return v.store.RemoveMember(ctx, id)
}

// TransferLeadership fails with the store's errors.
func (v view) TransferLeadership(ctx context.Context, to string) error {
	return v.store.TransferLeadership(ctx, to)
}

// RecoverMember fails with the store's errors.
func (v view) RecoverMember(ctx context.Context, id string) (httpapi.Recovery, error) {
	r, err := v.store.RecoverMember(ctx, id)
	return httpapi.Recovery{ID: r.Node, Incarnation: r.Incarnation, ClusterID: r.Cluster}, err
}
