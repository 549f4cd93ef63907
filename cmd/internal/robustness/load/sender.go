package load

import (
	"context"
	"errors"
	"net/http"
	"time"

	"holdfast/cmd/internal/client"
	"holdfast/cmd/internal/robustness/history"
)

// Server is one node as clients reach it.
type Server struct {
	Name string
	Ask  *client.Client
}

// sender sends one operation until its outcome is known.
type sender struct {
	servers  []Server
	history  *history.Recorder
	patience time.Duration
	try      time.Duration
}

// pause is what lies between two tries: short, so that the first write after an election is seen
// soon.
const pause = 25 * time.Millisecond

// answer is what an answer may say, of any kind of call.
type answer struct {
	Index     uint64                 `json:"index"`
	ExpiresAt *time.Time             `json:"expires_at"`
	Lines     []client.Line          `json:"lines"`
	Results   []client.StockResult   `json:"results"`
	Locations []client.LocationStock `json:"locations"`
}

// do sends c until it has a verdict, at one node after the other from start, records the operation
// and returns it. A try without an answer leaves its trace in the outcome, however the later tries
// end without a verdict.
func (s *sender) do(ctx context.Context, start int, op history.Op, c client.Call) history.Op {
	op.Call = s.history.Now()
	c.Key = ""
	if !op.Kind.Reads() {
		c.Key = op.ID
		if op.Kind == history.Again {
			c.Key = op.Of
		}
	}
	giveUp := time.Now().Add(s.patience)
	for {
		at := s.servers[(start+op.Tries)%len(s.servers)]
		op.Tries++
		op.Node = at.Name
		var a answer
		reply, err := s.once(ctx, at, c, &a)
		if known := settle(&op, reply, a, err); known {
			break
		}
		if time.Now().After(giveUp) || ctx.Err() != nil {
			op.Outcome = history.Never
			if op.Doubt {
				op.Outcome = history.Unknown
			}
			break
		}
		time.Sleep(pause)
	}
	op.Return = s.history.Now()
	return op
}

// once sends a call once.
func (s *sender) once(ctx context.Context, at Server, c client.Call,
	a *answer) (client.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, s.try)
	defer cancel()
	return at.Ask.Do(ctx, c, a)
}

// settle books one answer. It reports whether the outcome is known.
func settle(op *history.Op, reply client.Reply, a answer, err error) bool {
	var p *client.Problem
	switch {
	case err == nil:
		op.Outcome, op.Status, op.Index, op.Replayed = history.Done, reply.Status, reply.Index,
			reply.Replayed
		book(op, a)
		return true
	case errors.As(err, &p) && p.Refused() && p.Code != "":
		op.Outcome, op.Status, op.Code = history.Refused, p.Status, p.Code
		op.Index, op.Replayed = p.Index, p.Replayed
		return true
	case errors.As(err, &p) && p.Status == http.StatusInternalServerError, client.IsUnknown(err):
		op.Doubt = true
	case client.Repeatable(err, true):
	default: // an answer that is none: half of one, for example
		op.Doubt = true
	}
	return false
}

// book keeps what the answer says of the state.
func book(op *history.Op, a answer) {
	switch op.Kind {
	case history.ReadStock:
		op.Stock = &history.Balance{}
		for _, l := range a.Locations {
			op.Stock = &history.Balance{OnHand: l.OnHand, Held: l.Held, Committed: l.Committed}
		}
	case history.Adjust:
		if len(a.Results) == 1 && a.Results[0].Status == "applied" {
			r := a.Results[0]
			op.Stock = &history.Balance{OnHand: r.OnHand, Held: r.Held, Committed: r.Committed}
		} else if len(a.Results) == 1 {
			op.Outcome, op.Code = history.Refused, a.Results[0].Code
		}
	case history.Again: // the state may be a later one
	default:
		if a.ExpiresAt != nil {
			op.Deadline = a.ExpiresAt.UnixMilli()
		}
		for _, l := range a.Lines {
			op.State = append(op.State, history.Line{SKU: l.SKU, Held: l.Held, Committed: l.Committed,
				Shipped: l.Shipped, Released: l.Released, Expired: l.Expired, Returned: l.Returned})
		}
	}
}

// callOf is the request of an operation.
func callOf(op history.Op) client.Call {
	switch op.Kind {
	case history.Reserve:
		r := client.Reserve{ID: op.Reservation, Channel: Channel, TTL: op.Qty}
		for _, l := range op.Lines {
			r.Lines = append(r.Lines, client.AskLine{SKU: l.SKU, Qty: l.Qty})
		}
		return client.Call{Method: "POST", Path: "/v1/reservations", Body: r}
	case history.Adjust:
		return client.Call{Method: "POST", Path: "/v1/stock", Body: client.StockChanges{
			Changes: []client.StockChange{{SKU: op.SKU, Location: Location, Adjust: &op.Qty,
				Reason: op.ID}}}}
	case history.ReadStock:
		return level(client.Call{Path: "/v1/stock/" + client.Segment(op.SKU)}, op.Stale)
	case history.ReadReservation:
		return level(client.Call{Path: "/v1/reservations/" + client.Segment(op.Reservation)}, op.Stale)
	}
	v := client.Verb{}
	if op.Kind == history.Return {
		v.Disposition = "sellable"
	}
	return client.Call{Method: "POST", Body: v,
		Path: "/v1/reservations/" + client.Segment(op.Reservation) + "/" + string(op.Kind)}
}

func level(c client.Call, stale bool) client.Call {
	if stale {
		c.Query = map[string][]string{"level": {"stale"}}
	}
	return c
}
