package flows

import (
	"holdfast/adapters/outbox"
	"holdfast/adapters/outhooks"
)

// courier makes what sends webhooks, and the keeper that watches how their receivers do. It fails when a
// port is missing.
func (c *Core) courier() (*outhooks.Courier, error) {
	keeper, err := outhooks.NewKeeper(outhooks.KeeperConfig{Store: c.cfg.Store, Book: c.outhooks,
		// The dispatcher is made of the courier: it is asked only once all is.
		Lanes: func() []outbox.LaneState { return c.dispatcher.Lanes() },
		Now:   c.cfg.Now, Speed: c.cfg.Speed})
	if err != nil {
		return nil, err
	}
	c.hooks = keeper
	return outhooks.NewCourier(outhooks.CourierConfig{Book: c.outhooks, Orders: c.orders,
		Keeper: keeper, Private: c.cfg.Private, Vault: c.cfg.Vault, Now: c.cfg.Now, Speed: c.cfg.Speed,
		Logger: c.cfg.Logger})
}
