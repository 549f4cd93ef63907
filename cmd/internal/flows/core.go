package flows

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"holdfast/adapters/amazon"
	"holdfast/adapters/answers"
	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/fieldmap"
	"holdfast/adapters/httpapi"
	"holdfast/adapters/mapping"
	"holdfast/adapters/orders"
	"holdfast/adapters/outbox"
	"holdfast/adapters/outhooks"
	"holdfast/adapters/publish"
	"holdfast/adapters/records"
	"holdfast/adapters/routing"
	"holdfast/adapters/scope"
	"holdfast/adapters/shopify"
	"holdfast/adapters/trace"
	"holdfast/engine"
)

// Config is what a Core works with. All but Vault is required.
type Config struct {
	Store    records.Store
	Events   Events
	Now      func() time.Time
	Logger   *slog.Logger
	Registry *prometheus.Registry
	Alerts   Alerts
	// Vault says where secrets of connections may be. Default: anywhere.
	Vault *connections.Vault
	// Private are the addresses that webhooks are sent to although they are not public.
	Private []netip.Prefix
	// Speed divides the intervals of ours that wait for an outside system; 1 but beside a simulator that
	// runs faster.
	Speed int
}

// Events is what happened in the ledger, oldest first.
type Events interface {
	Events(after uint64, limit int) ([]engine.Event, error)
	EventsChanged() <-chan struct{}
}

// Core is the sync core of one node.
type Core struct {
	cfg        Config
	registry   *connections.Registry
	board      *connections.Board
	flows      *connections.Flows
	kinds      connections.Kinds
	index      *mapping.Index
	table      *mapping.Table
	auditor    *mapping.Auditor
	routing    *routing.Book
	orders     *orders.Book
	publisher  *publish.Publisher
	shops      *shopify.Shops
	keeper     *shopify.SlotKeeper
	hook       *shopify.Hook
	sellers    *amazon.Sellers
	listings   *amazon.SlotKeeper
	dispatcher *outbox.Dispatcher
	tasks      *outbox.Desk
	exceptions *exceptions.Desk
	supervisor *connections.Supervisor
	busy       *busy
	passes     passes
	bell       *exceptions.Bell
	releaser   *mapping.Releaser
	outhooks   *outhooks.Book
	hooks      *outhooks.Keeper
	ready      chan struct{}
	leads      atomic.Bool
}

// New puts a core together. It fails when a part refuses its configuration, or a metric is taken.
func New(cfg Config) (*Core, error) {
	c := &Core{cfg: cfg, ready: make(chan struct{})}
	if c.cfg.Speed < 1 {
		c.cfg.Speed = 1
	}
	c.board = connections.NewBoard(cfg.Now)
	// The checks of a document need what is made of the registry: they are asked only once all is.
	c.registry = connections.NewRegistry(cfg.Store, connections.Checks{
		Document: func(d connections.Connection) error {
			return errors.Join(cfg.Vault.Check(d), c.kinds.Check(d))
		},
		Obstacles: func(ctx context.Context, d connections.Connection) ([]connections.Obstacle, error) {
			return c.middle().obstacles(ctx, d)
		},
	})
	c.index = mapping.NewIndex(cfg.Store, cfg.Logger)
	c.table = mapping.NewTable(cfg.Store, c.index)
	c.auditor = mapping.NewAuditor(cfg.Store, c.table)
	c.routing = routing.NewBook(cfg.Store)
	c.outhooks = outhooks.NewBook(cfg.Store, cfg.Now)
	if err := c.makePublisher(); err != nil {
		return nil, err
	}
	if err := c.makeOrders(); err != nil {
		return nil, err
	}
	if err := c.makeSellers(); err != nil {
		return nil, err
	}
	if err := c.makeShops(); err != nil {
		return nil, err
	}
	return c, c.makeTasks()
}

func (c *Core) middle() middle {
	return middle{table: c.table, auditor: c.auditor, publisher: c.publisher}
}

func (c *Core) makePublisher() (err error) {
	told := failures{store: c.cfg.Store, now: c.cfg.Now, log: c.cfg.Logger}
	c.publisher, err = publish.New(publish.Config{
		Store: c.cfg.Store, Stream: c.cfg.Events, Now: c.cfg.Now, Logger: c.cfg.Logger,
		Registry: c.cfg.Registry,
		// The shops are made of the orders, which are made of the slots: they are asked only once all is.
		Outlets: late(func() publish.Outlets {
			return outlets{c.registry, c.shops, c.sellers, &c.passes, c.cfg.Now}
		}),
		Failed: told.pushFailed, Healed: told.pushCleared, Alert: told.markOld, Fresh: told.markFresh,
		Busy: func(ctx context.Context, s *publish.Slot) (bool, error) { return c.busy.Busy(ctx, s) },
		Astray: func(ctx context.Context, s *publish.Slot, tally uint64) (publish.Astray, error) {
			return c.busy.Astray(ctx, s, tally)
		},
		Stands:    func(s *publish.Slot) bool { return c.shops.Stands(s) && c.sellers.Stands(s) },
		PassEvery: c.divided(passEvery), WatermarkAlert: c.divided(markAlert),
	})
	return wrap("publisher", err)
}

func (c *Core) makeOrders() (err error) {
	c.orders, err = orders.New(orders.Ports{
		Store: c.cfg.Store, Mapping: c.index, Rows: c.table, Accounts: &accounts{registry: c.registry},
		Router:  c.routing,
		Numbers: numbers{registry: c.registry, leases: c.publisher.Leases()}, Now: c.cfg.Now,
		Listeners: c.outhooks,
	})
	return wrap("orders", err)
}

func (c *Core) makeShops() (err error) {
	c.shops, err = shopify.New(shopify.Config{
		Store: c.cfg.Store, Registry: c.registry, Book: c.orders, Mapping: c.index,
		Now: c.cfg.Now, Logger: c.cfg.Logger, Vault: c.cfg.Vault,
		Ended: failures{store: c.cfg.Store, now: c.cfg.Now}.pushCleared,
	})
	if err != nil {
		return wrap("shopify", err)
	}
	c.keeper, err = shopify.NewSlotKeeper(shopify.KeeperConfig{Shops: c.shops, Documents: c.registry,
		Learn: c.table.Learn})
	if err != nil {
		return wrap("slots", err)
	}
	c.hook, err = shopify.NewHook(shopify.HookConfig{
		Store: c.cfg.Store, Registry: c.registry, Book: c.orders, Mapping: c.index, Now: c.cfg.Now,
		Logger: c.cfg.Logger, Metrics: c.cfg.Registry, Vault: c.cfg.Vault,
	})
	c.kinds = connections.Kinds{
		"shopify": c.selling(shopify.Kind{Shops: c.shops}), "erp": connections.Outside{},
		"amazon": c.selling(amazon.Kind{Sellers: c.sellers}),
	}
	return wrap("webhooks", err)
}

func (c *Core) makeSellers() (err error) {
	c.sellers, err = amazon.New(amazon.Config{
		Store: c.cfg.Store, Registry: c.registry, Book: c.orders, Now: c.cfg.Now, Logger: c.cfg.Logger,
		Metrics: c.cfg.Registry, Vault: c.cfg.Vault, Mapping: c.index,
		Ended: failures{store: c.cfg.Store, now: c.cfg.Now}.pushCleared,
	})
	if err != nil {
		return wrap("amazon", err)
	}
	c.listings, err = amazon.NewSlotKeeper(c.sellers, c.registry)
	return wrap("slots of amazon", err)
}

func (c *Core) selling(k connections.Kind) selling {
	return selling{Kind: k, publisher: c.publisher, orders: c.orders, passes: &c.passes, now: c.cfg.Now}
}

func (c *Core) makeTasks() (err error) {
	executors := map[string]outbox.Executor{}
	for _, kind := range shopify.TaskKinds {
		executors[kind] = c.shops
	}
	for _, kind := range amazon.TaskKinds {
		executors[kind] = c.sellers
	}
	if executors[outhooks.TaskKind], err = c.courier(); err != nil {
		return wrap("webhooks", err)
	}
	readKinds := slices.Concat(shopify.ReadKinds, amazon.ReadKinds)
	gate := outhooks.Gate{Book: c.outhooks, Next: c.registry}
	c.dispatcher, err = outbox.New(outbox.Config{
		Store: c.cfg.Store, Gate: gate, Executors: executors, ReadKinds: readKinds,
		Logger: c.cfg.Logger, Registry: c.cfg.Registry, Now: c.cfg.Now,
	})
	if err != nil {
		return wrap("tasks", err)
	}
	c.busy = &busy{store: c.cfg.Store, orders: c.orders, mapping: c.index, executors: executors,
		connections: c.ids}
	c.tasks = outbox.NewDesk(outbox.DeskConfig{Store: c.cfg.Store, Now: c.cfg.Now, Gate: gate,
		Executors: executors, ReadKinds: readKinds})
	c.exceptions = exceptions.NewDesk(c.cfg.Store, c.tasks, c.cfg.Now).With(c.orders)
	c.flows = connections.NewFlows(c.cfg.Store, c.registry, c.kinds.Flows, c.cfg.Now)
	c.releaser = mapping.NewReleaser(mapping.ReleaserConfig{Store: c.cfg.Store, Table: c.table,
		Waiters: c.orders, Logger: c.cfg.Logger, Every: c.divided(time.Minute)})
	c.supervisor, err = connections.NewSupervisor(connections.Config{Store: c.cfg.Store,
		Registry: c.registry, Kinds: c.kinds, Core: c.middle(), Board: c.board, Now: c.cfg.Now,
		Logger: c.cfg.Logger, Vault: c.cfg.Vault})
	if err != nil {
		return wrap("connections", err)
	}
	c.bell, err = c.cfg.Alerts.bell(c.cfg)
	return wrap("alerts", err)
}

// Our intervals that wait for outside systems, before they are divided; the arguments are with the
// fields of publish.Config.
const (
	passEvery = 6 * time.Hour
	markAlert = 30 * time.Minute
)

func (c *Core) divided(d time.Duration) time.Duration { return d / time.Duration(c.cfg.Speed) }

func wrap(part string, err error) error {
	if err != nil {
		return fmt.Errorf("sync core: %s: %w", part, err)
	}
	return nil
}

// Serve is what the HTTP interface shows of the core.
func (c *Core) Serve(to *httpapi.Config) {
	to.Connections, to.Flows, to.Routing = c.registry, c.flows, c.routing
	to.Health = func(ctx context.Context, id string) (connections.Health, error) {
		return connections.HealthOf(ctx, c.board, c.cfg.Store, id)
	}
	to.Mappings, to.MappingAudit = c.table, c.auditor
	to.Fields = fieldmap.NewBook(c.cfg.Store)
	to.Orders, to.Tasks, to.Exceptions = c.orders, c.tasks, c.exceptions
	to.Publishing, to.Answers = c.publisher, answers.New(c.cfg.Store, c.cfg.Now)
	to.Outhooks = &outhooks.Desk{Book: c.outhooks, Tasks: c.tasks}
	to.Webhooks = webhooks{c.hook, c.ready}
	to.Scope = func(ctx context.Context) (*scope.Report, error) { return scope.Live(ctx, c.cfg.Store, c.table) }
	to.Tracer = &trace.Tracer{
		Store: c.cfg.Store, Orders: c.orders, Events: c.cfg.Events,
		Systems: c.ids,
		Kinds: func() []string {
			kinds := slices.Concat(orders.TaskKinds(), shopify.TaskKinds, amazon.TaskKinds)
			slices.Sort(kinds)
			return slices.Compact(kinds)
		},
	}
}

// ids lists the connections.
func (c *Core) ids() (ids []string) {
	for _, e := range c.registry.Entries() {
		ids = append(ids, e.ID)
	}
	return ids
}

// Follow keeps this node's memory equal to the records until ctx ends: every node must do it. A part
// that fails is begun again after a pause.
func (c *Core) Follow(ctx context.Context) {
	var waiting sync.WaitGroup
	defer waiting.Wait()
	waiting.Go(func() { c.awaitLoaded(ctx) })
	c.runAll(ctx, map[string]func(context.Context) error{
		"connections": c.registry.Run, "mapping": c.index.Run, "routing": c.routing.Run,
		"slots": c.publisher.Follow, "outhooks": c.outhooks.Run,
	})
}

// Ready returns a channel that is closed once connections, mappings, routing and slots have each been
// read once since this process began. Before that an order would be taken in as of a shop that nobody
// knows, with lines that nothing maps: webhooks are turned away to come again, and nothing is led.
func (c *Core) Ready() <-chan struct{} { return c.ready }

func (c *Core) awaitLoaded(ctx context.Context) {
	for _, loaded := range []<-chan struct{}{
		c.registry.Loaded(), c.routing.Loaded(), c.publisher.Book().Loaded(), c.outhooks.Loaded(),
	} {
		select {
		case <-ctx.Done():
			return
		case <-loaded:
		}
	}
	if c.index.Wait(ctx, 0) == nil {
		close(c.ready)
	}
}

// Lead does what one node of the cluster does, once this one is ready and until ctx ends.
func (c *Core) Lead(ctx context.Context, term uint64) {
	select {
	case <-ctx.Done():
		return
	case <-c.ready:
	}
	c.leads.Store(true)
	defer c.leads.Store(false)
	c.runAll(ctx, map[string]func(context.Context) error{
		"tasks":     func(ctx context.Context) error { return c.dispatcher.Run(ctx, term) },
		"adapters":  func(ctx context.Context) error { return c.supervisor.Run(ctx, term) },
		"publisher": func(ctx context.Context) error { return c.publisher.Run(ctx, term) },
		"slots":     c.keeper.Run,
		"listings":  c.listings.Run,
		"calls":     c.busy.Run,
		"waiting":   c.releaser.Run,
		"short":     func(ctx context.Context) error { return c.orders.FollowShort(ctx, c.cfg.Events) },
		"alerts":    c.bell.Run,
		"outhooks":  c.hooks.Run,
	})
}

// Standing says what the core does on this node, for people. It is never a reason to send requests
// elsewhere: an outside system that is down is one for every node.
func (c *Core) Standing() string {
	select {
	case <-c.ready:
	default:
		return "reads connections, mappings, routing and slots; webhooks are told to come again"
	}
	if c.leads.Load() {
		return "leads: tasks, adapters and pushes run here"
	}
	return "follows: tasks, adapters and pushes run on the leader"
}

// restartPause is between the end of a part and its next beginning: long enough that a part which
// fails at once is no load, short beside anything that waits for it.
const restartPause = time.Second

// runAll runs parts until ctx ends, each again when it ends before, and waits for all.
func (c *Core) runAll(ctx context.Context, parts map[string]func(context.Context) error) {
	var running sync.WaitGroup
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		running.Go(func() {
			for ctx.Err() == nil {
				err := parts[name](ctx)
				if ctx.Err() != nil {
					return
				}
				if err != nil && !errors.Is(err, context.Canceled) {
					c.cfg.Logger.Warn("a part of the sync core ended and begins again", "part", name,
						"error", err)
				}
				select {
				case <-ctx.Done():
				case <-time.After(restartPause):
				}
			}
		})
	}
	running.Wait()
}

// settingsOf reads the settings of a connection that are a part's own; what is not readable was
// refused when it was saved.
func settingsOf[T any](c connections.Connection) (s T) {
	if len(c.Settings) > 0 {
		_ = json.Unmarshal(c.Settings, &s)
	}
	return s
}
