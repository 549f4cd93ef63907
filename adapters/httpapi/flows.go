package httpapi

import (
	"context"
	"fmt"
	"time"

	"holdfast/adapters/connections"
)

// Flows are the flows of the connections, and their runs. It is safe for concurrent use. Its errors
// are as those of Connections.
type Flows interface {
	Ask(ctx context.Context, a connections.Ask) ([]connections.Run, error)
	Timetables(ctx context.Context) ([]connections.Timetable, error)
	Runs(ctx context.Context, connection string, limit int) ([]connections.Run, error)
}

// runBody asks for a run: of one connection or of all that know the flow; of some ids, of a window,
// or of everything.
type runBody struct {
	Connection string   `json:"connection" is:"id"`
	IDs        []string `json:"ids" is:"sku" most:"500 run-ids"`
	From       string   `json:"from" is:"time"`
	To         string   `json:"to" is:"time"`
}

var runBodies = newBody[runBody]()

func flowRoutes() []*route {
	return []*route{
		get("/v1/flows", listFlows),
		write("POST", "/v1/flows/{name}/run", postRun, recordBytes, "record-bytes"),
		get("/v1/connections/{id}/runs", listRuns, "limit"),
	}
}

func (c *call) flows() (Flows, error) {
	if c.s.cfg.Flows == nil {
		return nil, newProblem(codeNotFound, "This server runs no flows.")
	}
	return c.s.cfg.Flows, nil
}

func postRun(c *call) error {
	port, err := c.flows()
	if err != nil {
		return err
	}
	name, err := c.param(0, "name", idRule)
	if err != nil {
		return err
	}
	text, err := c.body(true)
	if err != nil {
		return err
	}
	var in runBody
	if err := runBodies.decode(text, &in); err != nil {
		return err
	}
	ask := connections.Ask{Flow: name, Connection: in.Connection, IDs: in.IDs, By: c.principal}
	if in.From != "" {
		ask.From, _ = time.Parse(time.RFC3339Nano, in.From) // the pass has checked it
	}
	if in.To != "" {
		ask.To, _ = time.Parse(time.RFC3339Nano, in.To)
	}
	if !c.key.IsZero() {
		ask.Key = fmt.Sprintf("%016x%016x", c.key.Hi, c.key.Lo)
	}
	runs, err := port.Ask(c.s.base, ask)
	if err != nil {
		return faulty(err, true)
	}
	return c.replyJSON(202, struct {
		Runs []connections.Run `json:"runs"`
	}{runs})
}

func listFlows(c *call) error {
	port, err := c.flows()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	tables, err := port.Timetables(c.s.base)
	if err != nil {
		return faulty(err, false)
	}
	if tables == nil {
		tables = []connections.Timetable{}
	}
	return c.replyJSON(200, list[connections.Timetable]{tables, "", c.index})
}

func listRuns(c *call) error {
	port, err := c.flows()
	if err != nil {
		return err
	}
	id, err := c.id()
	if err != nil {
		return err
	}
	limit, err := c.queryInt("limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	runs, err := port.Runs(c.s.base, id, int(limit))
	if err != nil {
		return faulty(err, false)
	}
	if runs == nil {
		runs = []connections.Run{}
	}
	return c.replyJSON(200, list[connections.Run]{runs, "", c.index})
}
