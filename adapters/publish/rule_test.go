package publish

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

func pct(v int64) *Percent { p := Percent(v); return &p }

// TestTheMostSpecificRuleCounts asks a list of rules about slots and compares what is shown of 97 at
// "main" and 40 at "east".
func TestTheMostSpecificRuleCounts(t *testing.T) {
	own := engine.Rules{Buffer: 2, BufferPercent: 1000}
	rule := func(id string, when When, then Then) Rule { return Rule{ID: id, When: when, Then: then} }
	for _, c := range []struct {
		name  string
		rules []Rule
		split bool
		main  int64
		east  int64
		all   int64
	}{
		{"the channel's own", nil, true, 97, 26, 123}, // ⌈13.7⌉ = 14 from the last backwards
		{"without split", nil, false, 97, 26, 97},
		{"region before channel's own", []Rule{rule("r", When{Region: "na"}, Then{Buffer: n(50)})}, true, 87, 0, 87},
		{"channel before region", []Rule{rule("r", When{Region: "na"}, Then{Buffer: n(50)}),
			rule("c", When{Channel: "shop"}, Then{Buffer: n(1)})}, true, 97, 39, 136},
		{"tag before channel", []Rule{rule("t", When{Tag: "sale"}, Then{Buffer: n(3)}),
			rule("c", When{Channel: "shop"}, Then{Buffer: n(1)})}, true, 97, 37, 134},
		{"SKU before tag, member by member", []Rule{rule("t", When{Tag: "sale"}, Then{Buffer: n(3), Max: n(10)}),
			rule("s", When{SKU: "A"}, Then{Max: n(50)})}, true, 50, 0, 50},
		{"another tag", []Rule{rule("t", When{Tag: "new"}, Then{Buffer: n(3)})}, true, 97, 26, 123},
		{"percent replaces units", []Rule{rule("s", When{SKU: "A"}, Then{BufferPercent: pct(5000)})}, true, 68, 0, 68},
		{"a maximum is taken from the last", []Rule{rule("s", When{SKU: "A"}, Then{Max: n(100)})}, true, 97, 3, 100},
		{"a threshold cuts all", []Rule{rule("s", When{SKU: "A"}, Then{Threshold: n(123)})}, true, 0, 0, 0},
		{"a location's own", []Rule{rule("l", When{Location: "main"}, Then{Max: n(5)})}, true, 5, 26, 123},
		{"a location's buffer after the channel's", []Rule{rule("l", When{Location: "east"}, Then{BufferPercent: pct(5000)})}, true, 97, 13, 123},
		{"before its time", []Rule{rule("s", When{SKU: "A", From: noon.Add(1)}, Then{Max: n(1)})}, true, 97, 26, 123},
		{"in its time", []Rule{rule("s", When{SKU: "A", From: noon, Until: noon.Add(1)}, Then{Max: n(1)})}, true, 1, 0, 1},
		{"after its time", []Rule{rule("s", When{SKU: "A", Until: noon}, Then{Max: n(1)})}, true, 97, 26, 123},
		{"dated before always", []Rule{rule("a", When{SKU: "A"}, Then{Max: n(9)}),
			rule("b", When{SKU: "A", Until: noon.Add(1)}, Then{Max: n(7)})}, true, 7, 0, 7},
		{"the lower id of two alike", []Rule{rule("b", When{SKU: "A"}, Then{Max: n(9)}),
			rule("a", When{SKU: "A"}, Then{Max: n(7)})}, true, 7, 0, 7},
		{"a minimum beats a maximum of another rule", []Rule{rule("s", When{SKU: "A"}, Then{Min: n(20)}),
			rule("c", When{Channel: "shop"}, Then{Max: n(10)})}, true, 10, 0, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := NewRulebook(c.rules)
			o := engine.Offer{Split: c.split, Places: []engine.OfferPlace{
				{Location: "main", Have: 97}, {Location: "east", Have: 40}}}
			show := func(place int) int64 {
				s := Subject{SKU: "A", Channel: "shop", Region: "na", Tags: []string{"sale"}, At: noon}
				if place >= 0 {
					s.Location = o.Places[place].Location
				}
				r := book.Rule(&s, &own)
				out := sum{explain: true}
				shape(&r, &supply{have: []int64{97, 40}}, place, &o, &out)
				total := int64(0)
				for _, term := range out.terms {
					total += term.Value
				}
				require.Equal(t, out.n, total, "the terms add up: %v", out.terms)
				return out.n
			}
			require.Equal(t, [3]int64{c.main, c.east, c.all}, [3]int64{show(0), show(1), show(AllPlaces)})
		})
	}
}

// TestOwnRulesAreTheLedgers holds what is shown without any rule to what the ledger calls sellable.
func TestOwnRulesAreTheLedgers(t *testing.T) {
	for percent := range int64(101) {
		for have := range int64(60) {
			own := engine.Rules{Buffer: 2, BufferPercent: percent * 97 % 10_001}
			r := (*Rulebook)(nil).Rule(&Subject{Channel: "shop"}, &own)
			var out sum
			shape(&r, &supply{have: []int64{have}}, 0, &engine.Offer{Split: true,
				Places: []engine.OfferPlace{{}}}, &out)
			buffer := max(own.Buffer, (own.BufferPercent*have+9_999)/10_000)
			require.Equal(t, have-min(have, buffer), out.n)
		}
	}
}

func TestRulesThatCannotBe(t *testing.T) {
	good := Rule{ID: "a", When: When{SKU: "A"}, Then: Then{Max: n(1)}}
	require.NoError(t, Validate([]Rule{good}))
	for at, change := range map[string]func(r *Rule){
		"rules[0].id":                  func(r *Rule) { r.ID = "" },
		"rules[0].note":                func(r *Rule) { r.Note = string(make([]byte, 256)) },
		"rules[0].when.until":          func(r *Rule) { r.When.From, r.When.Until = noon, noon },
		"rules[0].then":                func(r *Rule) { r.Then = Then{} },
		"rules[0].then.max":            func(r *Rule) { r.Then.Max = n(-1) },
		"rules[0].then.buffer":         func(r *Rule) { r.Then.Buffer = n(1_000_000_001) },
		"rules[0].then.buffer_percent": func(r *Rule) { r.Then.BufferPercent = pct(10_001) },
		"rules[0].then.min":            func(r *Rule) { r.Then.Min = n(2) },
		"rules[0].then.stop":           func(r *Rule) { r.Then.Stop = StopZero },
	} {
		bad := good
		change(&bad)
		require.ErrorContains(t, Validate([]Rule{bad}), at+": ")
	}
	require.ErrorContains(t, Validate([]Rule{good, good}), "rules[1].id: is there twice")
	require.ErrorContains(t, Validate([]Rule{{ID: "stop/zero/x", Then: good.Then}}), "rules[0].id")
	require.Error(t, Validate(make([]Rule, MaxRules+1)))
}

func TestPercent(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "12.5": 1250, "0.07": 7, "100": 10_000, "33.33": 3333} {
		var p Percent
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		require.Equal(t, Percent(want), p)
		back, err := json.Marshal(p)
		require.NoError(t, err)
		require.JSONEq(t, text, string(back))
	}
	for _, text := range []string{"-1", "100.01", "1.234", "1e1", `"x"`, "null", "true"} {
		var p Percent
		require.Error(t, json.Unmarshal([]byte(text), &p), text)
	}
}

func TestEdges(t *testing.T) {
	b := NewRulebook([]Rule{{ID: "a", When: When{From: noon, Until: noon.Add(time.Hour)}}})
	require.Equal(t, noon, b.NextEdge(noon.Add(-1)))
	require.Equal(t, noon.Add(time.Hour), b.NextEdge(noon))
	require.True(t, b.NextEdge(noon.Add(time.Hour)).IsZero())
}
