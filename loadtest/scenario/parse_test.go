package scenario_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/loadtest/scenario"
)

func TestShippedScenariosAreWhole(t *testing.T) {
	t.Parallel()
	for _, name := range scenario.Shipped() {
		s, err := scenario.Load(name)
		require.NoError(t, err)
		assert.Equal(t, name, s.Name)
		assert.NotEmpty(t, s.Description, name)
		assert.NotEmpty(t, s.Thresholds, name)
		assert.Positive(t, s.Duration(), name)
	}
	for _, want := range []string{"smoke", "black-friday", "flash-drop", "bot-storm",
		"steady-12k-per-hour", "soak", "failover"} {
		assert.Contains(t, scenario.Shipped(), want)
	}
}

func TestEveryFaultIsNamedWithItsPlace(t *testing.T) {
	t.Parallel()
	_, err := scenario.Parse("bad.yaml", []byte(`name: bad
conections: 3
mix: {reserve: 1, fly: 2}
skus:
  count: many
phases:
  - name: a
    duration: 3
    rate: -1
  - {name: b, model: closed, duration: 1s}
thresholds:
  - {metric: p99_ms, phase: c, max: 3, min: 1}
`))
	require.Error(t, err)
	for _, want := range []string{
		"bad.yaml:2: conections: unknown field",
		`bad.yaml:3: mix: "fly": no such operation`,
		`bad.yaml:5: skus.count: "many" must be a whole number from 1 to 1000000`,
		`bad.yaml:8: phases[0].duration: "3" must be a duration`,
		`bad.yaml:9: phases[0].rate: "-1" must be a number`,
		"bad.yaml:10: phases[1].users: a closed model needs them",
		"bad.yaml:12: thresholds[0]: needs either max or min",
		`bad.yaml:12: thresholds[0].phase: "c" is no phase of this file`,
	} {
		assert.Contains(t, err.Error(), want)
	}
}

func TestWhatIsNotAMappingIsAFault(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "[]", "phases: 3", "skus: [1]", "phases: [x]", "a: b: c"} {
		_, err := scenario.Parse("x.yaml", []byte(text))
		assert.ErrorContains(t, err, "x.yaml", text)
	}
}

func TestShortenKeepsRates(t *testing.T) {
	t.Parallel()
	s, err := scenario.Load("failover")
	require.NoError(t, err)
	s.Shorten(3 * time.Second)
	assert.Equal(t, 3*time.Second, s.Duration())
	assert.Equal(t, 800*time.Millisecond, s.Faults[0].At)
	assert.InDelta(t, 200.0, s.Phases[0].From, 0)
}

// TestThePageNamesEveryField holds docs/LOADTEST.md to the schema.
func TestThePageNamesEveryField(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/LOADTEST.md")
	require.NoError(t, err)
	for _, f := range scenario.Fields {
		in := strings.ReplaceAll(f.Section, ".", ", ")
		assert.Contains(t, string(page), "| "+in+" | `"+f.Name+"` | "+f.What+" |")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("phases: [{duration: 1s, rate: 3}]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := scenario.Parse("f.yaml", []byte(text))
		if (s == nil) == (err == nil) {
			t.Fatalf("a scenario or a fault, not both or neither: %v, %v", s, err)
		}
	})
}
