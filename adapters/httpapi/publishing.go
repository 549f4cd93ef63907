package httpapi

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"

	"holdfast/adapters/publish"
)

// Publishing is what the edge needs of the publisher: publish.Publisher. It is safe for concurrent
// use, and its errors are understood as those of Ledger.
type Publishing interface {
	Listings(ctx context.Context, f publish.Filter, after string, limit int) (
		list []publish.Listing, next string, err error)
	Explain(ctx context.Context, channel, sku string) ([]publish.Listing, error)
	Drift(ctx context.Context, f publish.Filter, after string, limit int) (
		rows []publish.DriftRow, next string, err error)
	Repair(ctx context.Context, f publish.Filter, ids []string, dry bool) ([]publish.DriftRow, error)
	PostMortem(ctx context.Context, sku string) (publish.PostMortem, error)
	Rules(ctx context.Context) (rules []publish.Rule, version string, stops []publish.Rule, err error)
	PutRules(ctx context.Context, rules []publish.Rule, match string) (version string, index uint64,
		err error)
	Pull(ctx context.Context, cord publish.Cord) (rule publish.Rule, index uint64, err error)
}

func publishingRoutes() []*route {
	return []*route{
		get("/v1/listings", listListings, "channel", "sku", "connection", "after", "limit"),
		get("/v1/drift", listDrift, "channel", "sku", "connection", "after", "limit"),
		write("POST", "/v1/drift/repair", postRepair, recordBytes, "record-bytes"),
		get("/v1/rules", getPublishRules),
		write("PUT", "/v1/rules", putPublishRules, stockBytes, "rules-bytes"),
		write("POST", "/v1/publish/zero", cordHandler(publish.StopZero), recordBytes, "record-bytes"),
		write("POST", "/v1/publish/freeze", cordHandler(publish.StopFreeze), recordBytes,
			"record-bytes"),
		get("/v1/stock/{sku}/post-mortem", getPostMortem),
	}
}

// publishRulesBody is all rules. What GET adds is taken and not looked at.
type publishRulesBody struct {
	Rules   []publish.Rule `json:"rules"`
	Version string         `json:"version,omitempty"`
	Stops   []publish.Rule `json:"stops,omitempty"`
	Index   uint64         `json:"index,omitempty"`
}

// repairBody says what is to be repaired; it is only listed unless dry_run is false.
type repairBody struct {
	DryRun     *bool    `json:"dry_run"`
	Slots      []string `json:"slots"`
	Channel    string   `json:"channel"`
	Connection string   `json:"connection"`
	SKU        string   `json:"sku"`
}

// cordBody says of what a stop cord is pulled; with release it is let go.
type cordBody struct {
	Channel string `json:"channel"`
	SKU     string `json:"sku"`
	Release bool   `json:"release"`
}

func (c *call) publishing() (Publishing, error) {
	if c.s.cfg.Publishing == nil {
		return nil, newProblem(codeNotFound, "This server publishes nothing.")
	}
	return c.s.cfg.Publishing, nil
}

// slots reads which slots are asked for, once this node has what the caller may expect to see.
func (c *call) slots() (port Publishing, f publish.Filter, err error) {
	if port, err = c.publishing(); err != nil {
		return nil, f, err
	}
	if f.Channel, err = c.query("channel", idRule); err == nil {
		f.SKU, err = c.query("sku", skuRule)
	}
	if err == nil {
		f.Connection, err = c.query("connection", idRule)
	}
	if err == nil {
		err = c.fresh()
	}
	return port, f, err
}

func listListings(c *call) error {
	port, f, err := c.slots()
	if err != nil {
		return err
	}
	after, limit, err := c.textPage()
	if err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	list, next, err := port.Listings(ctx, f, after, limit)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, pageOf(list, next))
}

func listDrift(c *call) error {
	port, f, err := c.slots()
	if err != nil {
		return err
	}
	after, limit, err := c.textPage()
	if err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	rows, next, err := port.Drift(ctx, f, after, limit)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, pageOf(rows, next))
}

func postRepair(c *call) error {
	port, err := c.publishing()
	if err != nil {
		return err
	}
	text, err := c.body(true)
	if err != nil {
		return err
	}
	var in repairBody
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	if len(in.Slots) > publish.MaxRepair {
		return tooLarge("slots", "repair-slots", publish.MaxRepair)
	}
	dry := in.DryRun == nil || *in.DryRun
	ctx, cancel := c.waits()
	defer cancel()
	rows, err := port.Repair(ctx, publish.Filter{Channel: in.Channel, Connection: in.Connection,
		SKU: in.SKU}, in.Slots, dry)
	if err != nil {
		return syncProblem(err, true)
	}
	if rows == nil {
		rows = []publish.DriftRow{}
	}
	return c.replyJSON(200, struct {
		DryRun bool               `json:"dry_run"`
		Items  []publish.DriftRow `json:"items"`
	}{dry, rows})
}

func getPublishRules(c *call) error {
	port, err := c.publishing()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	return c.sendPublishRules(port)
}

func (c *call) sendPublishRules(port Publishing) error {
	ctx, cancel := c.waits()
	defer cancel()
	rules, version, stops, err := port.Rules(ctx)
	if err != nil {
		return syncProblem(err, false)
	}
	c.ctx.Response.Header.Set("ETag", strconv.Quote(version))
	return c.replyJSON(200, publishRulesBody{Rules: rules, Version: version, Stops: stops,
		Index: c.index})
}

// putPublishRules replaces all rules. With If-Match it does so only if they are of that version.
func putPublishRules(c *call) error {
	port, err := c.publishing()
	if err != nil {
		return err
	}
	text, err := c.body(false)
	if err != nil {
		return err
	}
	var in struct {
		Rules   *[]publish.Rule `json:"rules"`
		Version json.RawMessage `json:"version"`
		Stops   json.RawMessage `json:"stops"`
		Index   json.RawMessage `json:"index"`
	}
	if err := decodeDocument(text, &in); err != nil {
		return err
	}
	if in.Rules == nil {
		return invalid("rules", "is required")
	}
	match := strings.Trim(strings.TrimSpace(string(c.ctx.Request.Header.Peek("If-Match"))), `"`)
	if match == "*" {
		match = ""
	}
	ctx, cancel := c.waits()
	defer cancel()
	_, index, err := port.PutRules(ctx, *in.Rules, match)
	if err != nil {
		return syncProblem(err, true)
	}
	c.index = max(c.index, index)
	return c.sendPublishRules(port)
}

// cordHandler pulls a stop cord, or lets it go.
func cordHandler(stop publish.Stop) func(c *call) error {
	return func(c *call) error {
		port, err := c.publishing()
		if err != nil {
			return err
		}
		text, err := c.body(true)
		if err != nil {
			return err
		}
		var in cordBody
		if err := decodeDocument(text, &in); err != nil {
			return err
		}
		for _, v := range []struct {
			name, value string
			rule        func(string) string
		}{{"channel", in.Channel, idRule}, {"sku", in.SKU, skuRule}} {
			if v.value == "" {
				continue
			}
			if must := v.rule(v.value); must != "" {
				return invalid(v.name, must)
			}
		}
		ctx, cancel := c.waits()
		defer cancel()
		rule, index, err := port.Pull(ctx, publish.Cord{Stop: stop, Channel: in.Channel,
			SKU: in.SKU, Release: in.Release})
		if err != nil {
			return syncProblem(err, true)
		}
		c.index = max(c.index, index)
		return c.replyJSON(200, struct {
			Stop    publish.Stop `json:"stop"`
			Rule    string       `json:"rule"`
			Channel string       `json:"channel,omitempty"`
			SKU     string       `json:"sku,omitempty"`
			Pulled  bool         `json:"pulled"`
			Index   uint64       `json:"index"`
		}{stop, rule.ID, in.Channel, in.SKU, !in.Release, c.index})
	}
}

func getPostMortem(c *call) error {
	port, err := c.publishing()
	if err != nil {
		return err
	}
	sku, err := c.sku()
	if err != nil {
		return err
	}
	if err := c.fresh(); err != nil {
		return err
	}
	ctx, cancel := c.waits()
	defer cancel()
	pm, err := port.PostMortem(ctx, sku)
	if err != nil {
		return syncProblem(err, false)
	}
	return c.replyJSON(200, pm)
}

// appendPublished adds to an explanation what is published of the SKU on the channel, slot by slot.
func (c *call) appendPublished(b []byte, channel, sku string) ([]byte, error) {
	if c.s.cfg.Publishing == nil {
		return b, nil
	}
	ctx, cancel := context.WithTimeout(c.s.base, c.s.cfg.LedgerTimeout)
	defer cancel()
	list, err := c.s.cfg.Publishing.Explain(ctx, channel, sku)
	if err != nil || len(list) == 0 {
		return b, err
	}
	text, err := json.Marshal(list)
	return append(append(b, `,"published":`...), text...), err
}
