package amazon

import (
	"context"
)

// stockChores are what is done again and again about stock.
func (a *adapter) stockChores() []*chore {
	return []*chore{
		{name: "feeds", every: feedEvery, do: func(ctx context.Context, s *seller) error {
			return s.feeds(ctx, a.all)
		}},
		{name: FlowLevels, every: levelsEvery, do: func(ctx context.Context, s *seller) error {
			return s.sweepLevels(ctx, a.all, false)
		}},
		{name: "listings", every: listingsLook, do: a.listings},
	}
}
