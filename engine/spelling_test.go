package engine_test

import (
	"bytes"
	"fmt"
	"strings"

	"holdfast/engine"
)

// spelling builds a line of the script language.
type spelling struct{ text strings.Builder }

func spell(parts ...any) *spelling {
	s := &spelling{}
	for i, p := range parts {
		if i > 0 {
			s.text.WriteByte(' ')
		}
		fmt.Fprint(&s.text, p)
	}
	return s
}

// option appends name=value, unless the value is the one that is meant without it.
func (s *spelling) option(name string, value, otherwise any) *spelling {
	if v := fmt.Sprint(value); v != fmt.Sprint(otherwise) {
		fmt.Fprintf(&s.text, " %s=%s", name, v)
	}
	return s
}

func (s *spelling) flag(name string, on bool) *spelling {
	if on {
		s.text.WriteString(" " + name)
	}
	return s
}

func (s *spelling) lines(lines []engine.Line) *spelling {
	for i := 0; i < len(lines); {
		l, times := lines[i], 1
		for i++; i < len(lines) && lines[i] == l; i++ {
			times++
		}
		s.text.WriteString(" " + string(l.SKU))
		if l.Location != "" {
			s.text.WriteString("@" + string(l.Location))
		}
		fmt.Fprintf(&s.text, ":%d", l.Qty)
		if times > 1 {
			fmt.Fprintf(&s.text, "*%d", times)
		}
		if l.Ref != "" {
			s.text.WriteString("#" + l.Ref)
		}
	}
	return s
}

func (s *spelling) picks(picks []engine.Pick) *spelling {
	for _, p := range picks {
		fmt.Fprintf(&s.text, " %d", p.Line)
		if p.Qty != 0 {
			fmt.Fprintf(&s.text, ":%d", p.Qty)
		}
		if p.Location != "" {
			s.text.WriteString("@" + string(p.Location))
		}
	}
	return s
}

// spellOp spells an op; key is the text that its key was made of, if any.
func spellOp(c engine.Command, key string) string {
	line := spellCommand(c).option("key", key, "").text.String()
	if g, ok := c.(*engine.Group); ok {
		for _, op := range g.Ops {
			line += "\n  " + spellCommand(op).text.String()
		}
	}
	return line
}

func spellCommand(c engine.Command) *spelling {
	switch c := c.(type) {
	case *engine.Set:
		return spell("set", c.SKU, c.Location, c.Value).option("source", c.Source, "").
			option("as_of", c.AsOf, 0).option("basis", c.Basis, 0).flag("basis_gone", c.BasisGone)
	case *engine.Adjust:
		return spell("adjust", c.SKU, c.Location, c.Delta).option("source", c.Source, "").
			option("reason", c.Reason, "")
	case *engine.Move:
		return spell("move", c.SKU, c.From, c.To, c.Qty).option("source", c.Source, "").
			option("reason", c.Reason, "")
	case *engine.Retire:
		return spell("retire", c.Count)
	case *engine.Revive:
		return spell("revive", c.ID).option("version", c.Version, 0).
			option("record", string(c.Record), "")
	case *engine.Put, *engine.Drop, *engine.Expect, *engine.Purge:
		return spellRecord(c)
	case *engine.Tick:
		return spell("tick")
	case *engine.Enrol:
		return spell("enrol", c.Node, c.Incarnation).
			option("folder", string(bytes.TrimRight(c.Folder[:], "\x00")), "")
	case *engine.Group:
		return spell("group").flag("atomic", c.Atomic)
	case *engine.DefineSKU, *engine.DefineLocation, *engine.DefineChannel, *engine.Delete,
		*engine.Configure:
		return spellDefinition(c)
	}
	return spellVerb(c)
}

// spellRecord spells a command about a record.
func spellRecord(c engine.Command) *spelling {
	conditions := []string{"", "absent", "present", ""}
	switch c := c.(type) {
	case *engine.Put:
		return spell("put", c.Table, c.Key).option("if", conditions[c.If], "").
			option("version", c.Version, 0).option("state", c.State, 0).option("value", c.Value, 0).
			flag("add", c.Add).option("expires", c.Expires, 0).flag("archive", c.Archive).
			option("body", string(c.Body), "")
	case *engine.Drop:
		return spell("drop", c.Table, c.Key).option("if", conditions[c.If], "").
			option("version", c.Version, 0)
	case *engine.Expect:
		s := spell("expect", c.Table, c.Key).option("if", conditions[c.If], "").
			option("version", c.Version, 0)
		if c.HasState {
			s.option("state", c.State, "")
		}
		return s
	case *engine.Purge:
		return spell("purge", c.Count)
	}
	panic(fmt.Sprintf("no spelling of %T", c))
}

func spellDefinition(c engine.Command) *spelling {
	switch c := c.(type) {
	case *engine.DefineSKU:
		var kit []string
		for _, part := range c.Kit {
			kit = append(kit, fmt.Sprintf("%s:%d", part.SKU, part.Qty))
		}
		return spell("sku", c.SKU).option("kit", strings.Join(kit, ","), "").
			option("attributes", string(c.Attributes), "")
	case *engine.DefineLocation:
		return spell("location", c.Location, c.Kind).option("master", c.Master, "holdfast").
			option("shortfall", c.Shortfall, "none").
			option("attributes", string(c.Attributes), "")
	case *engine.DefineChannel:
		var locations []string
		for _, l := range c.Locations {
			locations = append(locations, string(l))
		}
		return spell("channel", c.Channel, c.Kind, c.Publish).flag("split", c.Split).
			option("locations", strings.Join(locations, ","), "").
			option("priority", c.Priority, 0).option("buffer", c.Rules.Buffer, 0).
			option("percent", c.Rules.BufferPercent, 0).option("max", c.Rules.Max, 0).
			option("min", c.Rules.Min, 0).option("threshold", c.Rules.Threshold, 0).
			option("attributes", string(c.Attributes), "")
	case *engine.Delete:
		kinds := []string{"", "sku", "location", "channel"}
		return spell("delete", kinds[c.Kind], c.Name)
	case *engine.Configure:
		return spell("configure").option("results_max", c.Limits.ResultsMax, 0).
			option("results_age", c.Limits.ResultsAge, 0).
			option("events_max", c.Limits.EventsMax, 0).
			option("shortfall_step", c.Limits.ShortfallStep, 0).
			option("apply_version", c.Limits.ApplyVersion, 0).
			option("closed_after", c.Limits.ClosedAfter, 0).
			option("id_memory", c.Limits.IDMemory, 0).
			option("records_max", c.Limits.RecordsMax, 0).
			option("cluster", string(bytes.TrimRight(c.Limits.ClusterID[:], "\x00")), "")
	}
	panic(fmt.Sprintf("no spelling of %T", c))
}

func spellVerb(c engine.Command) *spelling {
	switch c := c.(type) {
	case *engine.Reserve:
		return spell("reserve", c.ID, c.Channel).lines(c.Lines).option("mode", c.Mode, "strict").
			flag("partial", c.Partial).flag("commit", c.Commit).option("ttl", c.TTL, 0)
	case *engine.Add:
		return spell("add", c.ID).lines(c.Lines).option("mode", c.Mode, "strict").
			flag("partial", c.Partial).flag("commit", c.Commit).option("ttl", c.TTL, 0)
	case *engine.Extend:
		return spell("extend", c.ID).option("ttl", c.TTL, 0)
	case *engine.Commit:
		return spell("commit", c.ID).picks(c.Picks)
	case *engine.Release:
		return spell("release", c.ID).picks(c.Picks).option("reason", c.Reason, "").
			flag("handover", c.HandOver)
	case *engine.Ship:
		return spell("ship", c.ID).picks(c.Picks).option("package", c.Package, "").
			option("tracking", c.Tracking, "")
	case *engine.Return:
		return spell("return", c.ID).picks(c.Picks).option("location", c.Location, "").
			option("disposition", c.Disposition, "sellable")
	case *engine.Transfer:
		return spell("transfer", c.ID, c.Line, c.From, c.To, c.Qty)
	case *engine.Mirror:
		return spell("mirror", c.ID, c.Channel).option("as_of", c.AsOf, 0).lines(c.Lines)
	}
	panic(fmt.Sprintf("no spelling of %T", c))
}
