package httpapi

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/engine"
)

// refused turns a refusal of the ledger into a problem. cmd is the command that was refused: what
// its members say is how the problem names the thing that it is about.
func refused(r *engine.Result, cmd engine.Command) *problem {
	p := &problem{outcome: refusalOutcomes[r.Refusal], index: r.Index, replayed: r.Replayed,
		short: r.Short, at: r.Field}
	if p.outcome == nil {
		p.outcome = outcomesByCode[codeInternal]
	}
	if picks := picksOf(cmd); r.Field == "line" && len(picks) == 1 {
		p.line = picks[0].Line
	} else if i, ok := elementOf(r.Field, "lines"); ok && i < len(picks) {
		p.line = picks[i].Line
	}
	if r.Refusal == engine.LimitReached && r.Field == "lines" {
		p.limit, p.limitValue = limitLines, engine.MaxLines
	}
	p.detail = describe(r, p, cmd)
	return p
}

// describe says in a few words what a refusal is about. They are made from what a repetition under
// the same key finds again, but for the state of a reservation, which is the one of now.
func describe(r *engine.Result, p *problem, cmd engine.Command) string {
	b := []byte(p.title)
	switch r.Refusal {
	case engine.Overloaded:
		return "Too much work came at once, and this was left out."
	case engine.WrongState, engine.ReservationExpired:
		if of := actOf(cmd); of.verb != 0 {
			return of.describe(r, p)
		}
	}
	if about := subject(cmd, p.at); about != "" && r.Refusal != engine.IdempotencyConflict {
		b = append(append(b, ": "...), about...)
	}
	if p.line != 0 {
		b = fmt.Appendf(b, " (line %d)", p.line)
	}
	for i, s := range r.Short {
		if i == 3 {
			b = fmt.Appendf(b, " and %d more", len(r.Short)-i)
			break
		}
		sep := ", "
		if i == 0 {
			sep = ": "
		}
		b = fmt.Appendf(b, "%s%d of %s wanted, %d can be sold", sep, s.Wanted, s.SKU, s.Sellable)
	}
	b = append(b, '.')
	if r.Refusal == engine.InUse {
		b = append(b, usedBy(cmd)...)
	}
	return string(b)
}

// usedBy says what can keep a definition from being changed or removed. The ledger says only that
// one of them does.
func usedBy(cmd engine.Command) string {
	switch cmd := cmd.(type) {
	case *engine.DefineSKU:
		return " It has stock or units of reservations, or is part of a kit, and cannot become a kit."
	case *engine.DefineLocation:
		return " It has stock rows of its present kind."
	case *engine.DefineChannel:
		return " It has reservations with units, and cannot lose a location of kind fba."
	case *engine.Delete:
		switch cmd.Kind {
		case engine.SKUName:
			return " It has stock or units of reservations, or is part of a kit."
		case engine.LocationName:
			return " It has stock or units of reservations, or a channel lists it."
		case engine.ChannelName:
			return " It has reservations with units."
		}
	}
	return ""
}

// subject is the member at a path of a command and the name that it holds: "lines[0].sku A". It is
// the path alone where no name stands there.
func subject(cmd engine.Command, at string) string {
	i, _ := elementOf(at, "lines")
	switch cmd := cmd.(type) {
	case *engine.Reserve:
		return memberOf(at, lineName(cmd.Lines, i, at), cmd.ID, string(cmd.Channel))
	case *engine.Add:
		return memberOf(at, lineName(cmd.Lines, i, at), cmd.ID, "")
	case *engine.Transfer:
		return memberOf(at, map[string]engine.Name{"from": cmd.From, "to": cmd.To}[at], cmd.ID, "")
	case *engine.Return:
		if at == "location" {
			return memberOf(at, cmd.Location, cmd.ID, "")
		}
	case *engine.DefineSKU:
		if i, ok := elementOf(at, "kit"); ok && i < len(cmd.Kit) {
			return memberOf(at, cmd.Kit[i].SKU, "", "")
		}
		return "SKU " + string(cmd.SKU)
	case *engine.DefineLocation:
		return "location " + string(cmd.Location)
	case *engine.DefineChannel:
		if i, ok := elementOf(at, "locations"); ok && i < len(cmd.Locations) {
			return memberOf(at, cmd.Locations[i], "", "")
		}
		return "channel " + string(cmd.Channel)
	case *engine.Delete:
		return nameKinds[cmd.Kind] + " " + string(cmd.Name)
	case *engine.Set:
		return stockSubject(at, cmd.SKU, cmd.Location)
	case *engine.Adjust:
		return stockSubject(at, cmd.SKU, cmd.Location)
	case *engine.Move:
		if at == "to" {
			return stockSubject("location", cmd.SKU, cmd.To)
		}
		return stockSubject(at, cmd.SKU, cmd.From)
	}
	of := actOf(cmd)
	if i < len(of.picks) && strings.HasSuffix(at, "].location") {
		return memberOf(at, of.picks[i].Location, of.id, "")
	}
	return memberOf(at, "", of.id, "")
}

var nameKinds = map[engine.NameKind]string{engine.SKUName: "SKU",
	engine.LocationName: "location", engine.ChannelName: "channel"}

// memberOf puts the name at a path behind it: that of the reservation for id, of the channel for
// channel, and name elsewhere.
func memberOf(at string, name engine.Name, id, channel string) string {
	switch {
	case at == "id" && id != "":
		return "reservation " + id
	case at == "channel" && channel != "":
		return "channel " + channel
	case at == "" || name == "":
		return at
	}
	return at + " " + string(name)
}

// lineName is the name in line i that a path is about.
func lineName(lines []engine.Line, i int, at string) engine.Name {
	if i >= len(lines) || !strings.HasPrefix(at, "lines[") {
		return ""
	}
	if strings.HasSuffix(at, ".location") {
		return lines[i].Location
	}
	return lines[i].SKU
}

// stockSubject names the stock that a change is about.
func stockSubject(at string, sku, location engine.Name) string {
	switch at {
	case "sku":
		return "SKU " + string(sku)
	case "location", "from":
		return "location " + string(location)
	case "":
		return ""
	}
	return at + " of SKU " + string(sku) + " at location " + string(location)
}

// act is a verb on a reservation, as its refusals name it.
type act struct {
	verb  verb
	id    string
	picks []engine.Pick
}

// actOf reads a command as a verb on a reservation; the verb is 0 where it is none.
func actOf(cmd engine.Command) act {
	switch cmd := cmd.(type) {
	case *engine.Commit:
		return act{verbCommit, cmd.ID, cmd.Picks}
	case *engine.Release:
		return act{verbRelease, cmd.ID, cmd.Picks}
	case *engine.Ship:
		return act{verbShip, cmd.ID, cmd.Picks}
	case *engine.Return:
		return act{verbReturn, cmd.ID, cmd.Picks}
	case *engine.Extend:
		return act{verbExtend, cmd.ID, nil}
	case *engine.Transfer:
		return act{verbTransfer, cmd.ID,
			[]engine.Pick{{Line: cmd.Line, Qty: cmd.Qty, Location: cmd.From}}}
	case *engine.Add:
		return act{verbAdd, cmd.ID, nil}
	}
	return act{}
}

// picksOf lists the lines that a command names.
func picksOf(cmd engine.Command) []engine.Pick { return actOf(cmd).picks }

// describe says why the verb cannot act: what was asked of which line, and what the reservation can
// give now.
func (a act) describe(r *engine.Result, p *problem) string {
	name := verbs[a.verb].name
	var b []byte
	if r.Refusal == engine.ReservationExpired {
		b = fmt.Appendf(b, "Units that %s would act on have expired in reservation %s", name, a.id)
	} else {
		b = fmt.Appendf(b, "The verb %s cannot act on that many units of reservation %s", name, a.id)
	}
	pick := a.pickAt(p.at)
	switch {
	case pick == nil:
	case pick.Qty == 0:
		b = fmt.Appendf(b, ": all of line %d asked", pick.Line)
	default:
		b = fmt.Appendf(b, ": %d of line %d asked", pick.Qty, pick.Line)
	}
	if pick != nil && pick.Location != "" && a.verb != verbReturn {
		b = fmt.Appendf(b, " at %s", pick.Location)
	}
	b = append(b, '.')
	if r.Reservation == nil {
		return string(b)
	}
	return string(a.appendState(b, r.Reservation, pick))
}

// pickAt is the pick that a path is about; nil where it is about the whole reservation.
func (a act) pickAt(at string) *engine.Pick {
	i, ok := elementOf(at, "lines")
	if at == "line" {
		i, ok = 0, true
	}
	if !ok || i >= len(a.picks) {
		return nil
	}
	return &a.picks[i]
}

// appendState appends what a reservation is now, and how many units the verb could take of it.
func (a act) appendState(b []byte, r *engine.Reservation, pick *engine.Pick) []byte {
	b = append(b, " It is "...)
	b = append(b, r.State.String()...)
	b = append(b, " now"...)
	switch {
	case r.Mirror:
		return append(b, " and shows what another system holds: no verb acts on it."...)
	case pick != nil && pick.Line > int64(len(r.Lines)):
		return append(append(b, " and has "...), counted(int64(len(r.Lines)), "line")+"."...)
	case a.verb == verbAdd:
		return append(b, "; add needs one that still has units."...)
	case pick == nil:
		n := int64(0)
		for i := range r.Lines {
			n += a.verb.takes(&r.Lines[i])
		}
		return append(append(b, "; of all its lines it can take "...), counted(n, "unit")+"."...)
	}
	l := &r.Lines[pick.Line-1]
	b = fmt.Appendf(b, "; of line %d it can take %s", l.Line, counted(a.verb.takes(l), "unit"))
	if n, ok := a.verb.takesAt(l, pick.Location); ok {
		b = fmt.Appendf(b, ", %d of them at %s", n, pick.Location)
	}
	return append(b, '.')
}

// takes is how many units of a line the verb could act on.
func (v verb) takes(l *engine.ReservationLine) int64 {
	switch v {
	case verbCommit, verbExtend:
		return l.Held
	case verbShip, verbTransfer:
		return l.Held + l.Committed
	case verbRelease:
		return l.Short + l.Held + l.Committed
	case verbReturn:
		return l.Shipped - l.Returned
	}
	return 0
}

// takesAt is takes at one location. ok is false where the line does not say: for a kit, whose
// allocations are of its components, and for a return.
func (v verb) takesAt(l *engine.ReservationLine, location engine.Name) (n int64, ok bool) {
	if location == "" || v == verbReturn {
		return 0, false
	}
	for i := range l.Allocations {
		switch a := &l.Allocations[i]; {
		case a.SKU != l.SKU:
			return 0, false
		case a.Location != string(location):
		case v == verbCommit:
			n += a.Held
		default:
			n += a.Held + a.Committed
		}
	}
	return n, true
}

// counted is a number with its word: "1 unit", "3 units".
func counted(n int64, word string) string {
	if n != 1 {
		word += "s"
	}
	return strconv.FormatInt(n, 10) + " " + word
}
