package routing

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestEveryFaultNamesItsField walks the faults of a list that needs no state.
func TestEveryFaultNamesItsField(t *testing.T) {
	t.Parallel()
	for text, field := range map[string]string{
		`{}`:                                "rules",
		`{"rules":null}`:                    "rules",
		`{"rules":{}}`:                      "rules",
		`[]`:                                "rules",
		`{"rules":[]} {}`:                   "rules",
		`{"rules":[],"more":1}`:             "rules",
		`{"rules":[{"id":""}]}`:             "rules[0].id",
		`{"rules":[{"id":"a b"}]}`:          "rules[0].id",
		`{"rules":[{"id":"a"},{"id":"a"}]}`: "rules[1].id",
		`{"rules":[{"id":"a","wen":{}}]}`:   "rules[0].wen",
		`{"rules":[{"id":"a","when":{"chanel":"x"}}]}`:                              "rules[0].when.chanel",
		`{"rules":[{"id":"a","when":{"channel":7}}]}`:                               "rules[0].when.channel",
		`{"rules":[{"id":"a","when":{"channel":[]}}]}`:                              "rules[0].when.channel",
		`{"rules":[{"id":"a","when":{"channel":["ok","n k"]}}]}`:                    "rules[0].when.channel[1]",
		`{"rules":[{"id":"a","when":{"tag":""}}]}`:                                  "rules[0].when.tag",
		`{"rules":[{"id":"a","when":{"sku":["a","b\n"]}}]}`:                         "rules[0].when.sku[1]",
		`{"rules":[{"id":"a","when":{"country":"USA"}}]}`:                           "rules[0].when.country",
		`{"rules":[{"id":"a","when":{"country":"us"}}]}`:                            "rules[0].when.country",
		`{"rules":[{"id":"a","when":{"postal_code":"- "}}]}`:                        "rules[0].when.postal_code",
		`{"rules":[{"id":"a","when":{"fulfilled_by":"me"}}]}`:                       "rules[0].when.fulfilled_by",
		`{"rules":[{"id":"a","when":{"value":{}}}]}`:                                "rules[0].when.value",
		`{"rules":[{"id":"a","when":{"value":{"over":1}}}]}`:                        "rules[0].when.value",
		`{"rules":[{"id":"a","when":{"value":"<=5"}}]}`:                             "rules[0].when.value",
		`{"rules":[{"id":"a","when":{"value":"<five"}}]}`:                           "rules[0].when.value.max",
		`{"rules":[{"id":"a","when":{"value":{"min":1e3}}}]}`:                       "rules[0].when.value.min",
		`{"rules":[{"id":"a","when":{"value":{"min":"5","max":"5.0"}}}]}`:           "rules[0].when.value.max",
		`{"rules":[{"id":"a","when":{"value":{"min":"5","currency":"$"}}}]}`:        "rules[0].when.value.currency",
		`{"rules":[{"id":"a","then":{"locations":["x","x"]}}]}`:                     "rules[0].then.locations[1]",
		`{"rules":[{"id":"a","then":{"locations":["x y"]}}]}`:                       "rules[0].then.locations[0]",
		`{"rules":[{"id":"a","then":{"hold":3}}]}`:                                  "rules[0].then.hold",
		`{"rules":[{"id":"a","then":{"hold":"` + strings.Repeat("h", 201) + `"}}]}`: "rules[0].then.hold",
		`{"rules":[{"id":"a","then":{"split":"no"}}]}`:                              "rules.then.split",
	} {
		_, err := Parse([]byte(text))
		var fault *engine.FieldError
		require.True(t, errors.As(err, &fault), "%s: %v", text, err)
		require.Equal(t, field, fault.Field, "%s: %s", text, fault.Reason)
		require.NotEmpty(t, fault.Reason)
	}
	_, err := Parse([]byte(`{"rules":[{"id":""},{"id":"b","when":{"country":"x"},"then":{"hold":2}}]}`))
	require.Equal(t, 3, strings.Count(err.Error(), "rules["), "all faults at once: %v", err)
	var many []string
	for i := range maxRules + 1 {
		many = append(many, fmt.Sprintf(`{"id":"r%d"}`, i))
	}
	_, err = Parse([]byte(`{"rules":[` + strings.Join(many, ",") + `]}`))
	require.ErrorContains(t, err, "at most 500")
}

func TestAListIsWrittenAsItWasRead(t *testing.T) {
	t.Parallel()
	list := parse(t, rules)
	body, err := json.Marshal(list)
	require.NoError(t, err)
	require.Equal(t, list, parse(t, string(body)))
	require.Contains(t, string(body), `"channel":["web","pos"]`)
	require.Contains(t, string(body), `"country":"GB"`)
}

// names of a ledger.
type someNames struct{}

func (someNames) Channel(id string) bool { return id == "web" }

func (someNames) Location(id string) (fba, ok bool) {
	return id == "fba-us", id == "main" || id == "fba-us"
}

func TestRulesNameOnlyWhatIsKnown(t *testing.T) {
	t.Parallel()
	for text, field := range map[string]string{
		`{"when":{"channel":"web"},"then":{"locations":["main"]}}`:                        "",
		`{"when":{"channel":"no"}}`:                                                       "rules[0].when.channel",
		`{"when":{"channel":["web","no"]}}`:                                               "rules[0].when.channel[1]",
		`{"when":{"available":"no"}}`:                                                     "rules[0].when.available",
		`{"then":{"locations":["main","no"]}}`:                                            "rules[0].then.locations[1]",
		`{"then":{"locations":["fba-us"]}}`:                                               "rules[0].then.locations[0]",
		`{"then":{"locations":["fba-us"],"mcf":true}}`:                                    "",
		`{"then":{"locations":["main"],"mcf":true}}`:                                      "rules[0].then.locations[0]",
		`{"when":{"fulfilled_by":"amazon"},"then":{"locations":["fba-us"]}}`:              "",
		`{"when":{"fulfilled_by":["amazon","merchant"]},"then":{"locations":["fba-us"]}}`: "rules[0].then.locations[0]",
	} {
		list := parse(t, `{"rules":[`+strings.Replace(text, "{", `{"id":"r",`, 1)+`]}`)
		err := list.check(0, someNames{})
		if field == "" {
			require.NoError(t, err, text)
			continue
		}
		var fault *engine.FieldError
		require.True(t, errors.As(err, &fault), text)
		require.Equal(t, field, fault.Field, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(rules))
	f.Add([]byte(`{"rules":[{"id":"a","when":{"value":">=1"},"then":{"hold":true}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := Parse(body)
		if err != nil {
			return
		}
		again, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Parse(again)
		if err != nil {
			t.Fatalf("%s is not read again: %v", again, err)
		}
		Decide(back, Order{Value: "1", Lines: []Line{{SKU: "A", Qty: 1}}}, shelves{})
	})
}
