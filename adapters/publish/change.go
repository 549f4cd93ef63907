package publish

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// Changed says that the rules are no longer those that somebody has read.
type Changed struct{ Version string }

// Code names the outcome.
func (c *Changed) Code() string { return "version-conflict" }

// Error names the version that they have now.
func (c *Changed) Error() string { return "the rules have changed; they are of version " + c.Version }

// PutRules replaces all rules that people make. match is the version that they were read with; empty:
// whatever they are. It fails with the faults of [Validate], with a *[Changed], or with the store's
// error.
func (p *Publisher) PutRules(ctx context.Context, rules []Rule, match string) (version string,
	index uint64, err error) {
	if err := Validate(rules); err != nil {
		return "", 0, err
	}
	o, err := records.Retry(ctx, p.cfg.Store, func(tx *records.Tx) error {
		old, err := p.readRules(ctx)
		if err != nil {
			return err
		}
		v, versions := ruleVersion(old)
		if match != "" && v != match {
			return &Changed{Version: v}
		}
		for i := range rules {
			tx.Replace(records.Record{Table: records.Rules, Key: rules[i].ID,
				Body: tx.Encode(rules[i])}, versions[rules[i].ID])
			delete(versions, rules[i].ID)
		}
		for id, v := range versions {
			tx.Drop(records.Rules, id, v)
		}
		return nil
	})
	if err != nil {
		return "", 0, err
	}
	if o.Index == 0 { // there was nothing to do
		if o.Index, err = p.cfg.Store.Ledger(ctx, noStep); err != nil {
			return "", 0, err
		}
	}
	_, version, _, err = p.Rules(ctx)
	return version, o.Index, err
}

func versionOf(list []Rule, version func(id string) uint64) string {
	h := fnv.New64a()
	for i := range list {
		h.Write([]byte(list[i].ID))
		h.Write(strconv.AppendUint([]byte{0}, version(list[i].ID), 10))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// noStep only asks for the index.
func noStep(*engine.Ledger) bool { return false }

// ruleVersion is the version of the rules that people make, and that of each.
func ruleVersion(all []records.Record) (version string, versions map[string]uint64) {
	rules := make([]Rule, 0, len(all))
	versions = map[string]uint64{}
	for _, r := range all {
		if !strings.HasPrefix(r.Key, stopIDPrefix) {
			rules, versions[r.Key] = append(rules, Rule{ID: r.Key}), r.Version
		}
	}
	return versionOf(rules, func(id string) uint64 { return versions[id] }), versions
}

// readRules lists the records of all rules and stop cords, in order of id.
func (p *Publisher) readRules(ctx context.Context) (all []records.Record, err error) {
	for after, more := "", true; more; {
		var rows []records.Record
		if rows, more, err = p.cfg.Store.List(ctx, records.Rules, "", after,
			records.MaxList); err != nil {
			return nil, err
		}
		for _, r := range rows {
			after = r.Key
			all = append(all, r)
		}
	}
	return all, nil
}

// Rules lists the rules that people made, their version, and the stop cords that are pulled. It fails
// with the store's error.
func (p *Publisher) Rules(ctx context.Context) (rules []Rule, version string, stops []Rule,
	err error) {
	all, err := p.readRules(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	rules = []Rule{}
	for _, r := range all {
		rule, err := records.Decode[Rule](r)
		if err != nil {
			return nil, "", nil, err
		}
		if strings.HasPrefix(r.Key, stopIDPrefix) {
			stops = append(stops, rule)
		} else {
			rules = append(rules, rule)
		}
	}
	version, _ = ruleVersion(all)
	return rules, version, stops, nil
}

// Cord is a stop cord: which, of what, and whether it is pulled or let go.
type Cord struct {
	Stop    Stop
	Channel string // StopZero needs it; StopFreeze without it is everything
	SKU     string // of StopZero: only this one
	Release bool
}

// Pull pulls a stop cord or lets it go; doing so twice is doing it once. It is in force on the node that
// leads as soon as it has read the record: a push that is under way is not called back. It fails with a
// *engine.FieldError, or with the store's error.
func (p *Publisher) Pull(ctx context.Context, c Cord) (rule Rule, index uint64, err error) {
	switch {
	case c.Stop != StopZero && c.Stop != StopFreeze:
		return Rule{}, 0, &engine.FieldError{Field: "stop", Reason: "must be zero or freeze"}
	case c.Stop == StopZero && c.Channel == "":
		return Rule{}, 0, &engine.FieldError{Field: "channel", Reason: "is required"}
	case c.Stop == StopFreeze && c.SKU != "":
		return Rule{}, 0, &engine.FieldError{Field: "sku", Reason: "does not belong to freeze"}
	}
	rule = Rule{ID: c.id(), When: When{Channel: c.Channel, SKU: c.SKU}, Then: Then{Stop: c.Stop}}
	o, err := records.Retry(ctx, p.cfg.Store, func(tx *records.Tx) error {
		old, there, err := p.cfg.Store.Get(ctx, records.Rules, rule.ID)
		if err != nil || there != c.Release {
			return err
		}
		if c.Release {
			tx.Drop(records.Rules, rule.ID, old.Version)
		} else {
			tx.Create(records.Record{Table: records.Rules, Key: rule.ID, Body: tx.Encode(rule)})
		}
		return nil
	})
	if err == nil && o.Index == 0 {
		o.Index, err = p.cfg.Store.Ledger(ctx, noStep)
	}
	return rule, o.Index, err
}

// id is that of the cord's record: one for each thing that can be stopped.
func (c *Cord) id() string {
	id := fmt.Sprintf("%s%s", stopIDPrefix, c.Stop)
	if c.Channel != "" {
		id += "/" + c.Channel
	}
	if c.SKU != "" { // which may have characters, and a length, that ids may not
		sum := sha256.Sum256([]byte(c.SKU))
		id += "/" + hex.EncodeToString(sum[:8])
	}
	return id
}
