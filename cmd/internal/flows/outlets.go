package flows

import (
	"sync"
	"time"

	"holdfast/adapters/amazon"
	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
	"holdfast/adapters/shopify"
)

// outlets are the ways to the numbers that outside systems keep, and whether they are open.
type outlets struct {
	registry *connections.Registry
	shops    *shopify.Shops
	sellers  *amazon.Sellers
	passes   *passes
	now      func() time.Time
}

// Outlet is how a connection's numbers are changed; ok is false when it keeps none, or is not known.
func (o outlets) Outlet(connection string) (out publish.Outlet, ok bool) {
	entry, ok := o.registry.Entry(connection)
	if !ok {
		return out, false
	}
	var err error
	switch entry.Kind {
	case "shopify":
		out.Style, out.Master = publish.Delta, entry.Kind+":"+entry.ID
		out.Pusher, err = o.shops.Pusher(connection)
	case "amazon": // master of no number that is pushed: what it has itself is never pushed
		out.Style = publish.Overwrite
		out.Pusher, err = o.sellers.Pusher(connection)
	default:
		return out, false
	}
	return out, err == nil
}

// Closed says why nothing may be sent to a connection: its mode, or what its flow publish says.
func (o outlets) Closed(connection string) string {
	entry, _ := o.registry.Entry(connection)
	switch why := o.registry.Blocked(connection); {
	case why == "":
	case entry.Mode == connections.On:
		return publish.Starting // the connection's health says at what step, and what was found
	default:
		return why
	}
	return o.passes.closed(connection, entry.Flows[flowPublish], o.now())
}

// passes knows when connections that are pushed to on a schedule are open. A pass that a failover cut
// short is asked for again by the schedule, which knows that it did not end.
type passes struct {
	mu struct {
		sync.Mutex
		until map[string]time.Time
		hush  map[string]hush
	}
}

// hush is whether a flow is in its quiet hours, as it was looked up a moment ago: zones are files.
type hush struct {
	flow  connections.Flow
	quiet bool
	until time.Time
}

const (
	// passTime is how long a pass may take: 100,000 slots are 400 calls of reading, and as many of
	// pushes as the vendor takes.
	passTime = 15 * time.Minute
	hushTime = time.Second
)

// closed says why a connection may not be pushed to now, by its flow publish; empty when it may.
func (p *passes) closed(connection string, flow connections.Flow, now time.Time) string {
	switch {
	case flow.On == connections.OnOff:
		return publish.Off
	case flow.On == connections.OnSchedule && !p.open(connection, now):
		return publish.Scheduled
	case flow.Quiet != "" && p.quiet(connection, flow, now):
		return publish.Quiet
	}
	return ""
}

// begin opens a connection for a pass.
func (p *passes) begin(connection string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.until == nil {
		p.mu.until = map[string]time.Time{}
	}
	p.mu.until[connection] = now.Add(passTime)
}

func (p *passes) open(connection string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return now.Before(p.mu.until[connection])
}

func (p *passes) quiet(connection string, flow connections.Flow, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	h, ok := p.mu.hush[connection]
	if ok && h.flow == flow && now.Before(h.until) {
		return h.quiet
	}
	if p.mu.hush == nil {
		p.mu.hush = map[string]hush{}
	}
	h = hush{flow, flow.NotBefore(now).After(now), now.Add(hushTime)}
	p.mu.hush[connection] = h
	return h.quiet
}
