package loadtesttest_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/loadtest/check"
	"holdfast/loadtest/driver"
	"holdfast/loadtest/loadtesttest"
	"holdfast/loadtest/scenario"
)

const sale = `connections: 8
skus: {count: 5, stock: 20}
mix: {reserve: 70, commit: 10, release: 10, read: 10}
shares: {duplicates: 0.2, abandoned: 0.1}
hold: {abandoned: 1s, grace: 0s}
phases: [{name: sale, rate: 1000, duration: 300ms}]
`

func drive(t *testing.T, text string, lies loadtesttest.Lies) (*driver.Result, *check.Verdict) {
	t.Helper()
	s, err := scenario.Parse("t.yaml", []byte(text))
	require.NoError(t, err)
	server := httptest.NewServer(loadtesttest.New(lies, time.Now))
	t.Cleanup(server.Close)
	d, err := driver.New(driver.Config{Scenario: s, Run: "r1", Targets: []string{server.URL}})
	require.NoError(t, err)
	r, err := d.Run(t.Context())
	require.NoError(t, err)
	v, err := check.Run(t.Context(), check.Config{Scenario: s, Result: r,
		Targets: []string{server.URL, server.URL}})
	require.NoError(t, err)
	return r, v
}

func broken(v *check.Verdict) string {
	var names []string
	for _, p := range v.Promises {
		if p.Broken > 0 {
			names = append(names, p.Name)
		}
	}
	return strings.Join(names, " ")
}

func TestAnHonestServerPasses(t *testing.T) {
	t.Parallel()
	r, v := drive(t, sale, loadtesttest.Lies{})
	assert.Empty(t, broken(v), "%+v", v.Promises)
	assert.Zero(t, r.Unsent)
	assert.Equal(t, r.Due, r.Sent)
	for _, p := range v.Promises {
		if p.Name != "linearizable" { // duplicates and short holds spoil every SKU of this sale
			assert.Positive(t, p.Looked, p.Name)
		}
	}
}

func TestEachLieIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lies loadtesttest.Lies
		want string
	}{
		"drops a write":     {loadtesttest.Lies{DropWrite: 3}, "acknowledged-writes"},
		"oversells by one":  {loadtesttest.Lies{Oversell: true}, "no-oversell"},
		"two answers a key": {loadtesttest.Lies{ForgetKeys: true}, "one-effect-per-key"},
		"leaks a hold":      {loadtesttest.Lies{LeakHold: true}, "no-hold-past-deadline"},
		"leaks in stock":    {loadtesttest.Lies{LeakInStock: true}, "balances"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := sale
			if c.lies.Oversell { // the unit must still be out when the run ends
				text = "skus: {count: 5, stock: 5}\nphases: [{rate: 500, duration: 300ms}]\n"
			}
			_, v := drive(t, text, c.lies)
			assert.True(t, v.Broken())
			assert.Contains(t, broken(v), c.want)
		})
	}
}

// TestOneUnitInAHundredThousand sells one batch of 100,000 units and one unit too much.
func TestOneUnitInAHundredThousand(t *testing.T) {
	t.Parallel()
	text := `connections: 4
skus: {count: 1, stock: 100000}
order: {qty: 1000}
phases: [{rate: 1500, duration: 300ms}]
`
	_, v := drive(t, text, loadtesttest.Lies{})
	assert.Empty(t, broken(v), "%+v", v.Promises)
	_, v = drive(t, text, loadtesttest.Lies{Oversell: true})
	assert.Contains(t, broken(v), "no-oversell")
	assert.Contains(t, broken(v), "linearizable")
}

// TestAStallIsMeasuredWhole stalls everyone for a second. Of 3,000 calls at an even rate the 1,000
// that were due meanwhile waited from a second down to nothing, so 99% of all took less than 0.97 s.
func TestAStallIsMeasuredWhole(t *testing.T) {
	if testing.Short() {
		t.Skip("measures real time, which the race detector stretches")
	}
	t.Parallel()
	r, _ := drive(t, `connections: 8
skus: {count: 10, stock: 1000000}
phases: [{rate: 1000, duration: 3s, arrivals: fixed}]
`, loadtesttest.Lies{Stall: time.Second, StallAt: 500})
	require.Zero(t, r.Unsent)
	p99 := float64(r.Latency("", "").ValueAtQuantile(99)) / 1e6
	assert.InEpsilon(t, 0.97, p99, 0.05)
}

// TestWhatCouldNotBeSentIsCounted lets nothing wait while the server stalls.
func TestWhatCouldNotBeSentIsCounted(t *testing.T) {
	t.Parallel()
	r, _ := drive(t, `connections: 2
waiting: 10
skus: {count: 10, stock: 1000000}
phases: [{rate: 500, duration: 1s, arrivals: fixed}]
`, loadtesttest.Lies{Stall: 500 * time.Millisecond, StallAt: 100})
	assert.Greater(t, r.Unsent, 200)
	assert.Equal(t, r.Due, r.Sent+r.Unsent)
}

// TestMergedHistogramsAreAdded merges two parts of one run.
func TestMergedHistogramsAreAdded(t *testing.T) {
	t.Parallel()
	s, err := scenario.Parse("t.yaml", []byte(sale))
	require.NoError(t, err)
	server := httptest.NewServer(loadtesttest.New(loadtesttest.Lies{}, time.Now))
	t.Cleanup(server.Close)
	var whole *driver.Result
	for part := range 2 {
		d, err := driver.New(driver.Config{Scenario: s, Run: "r1", Targets: []string{server.URL},
			Part: part, Parts: 2})
		require.NoError(t, err)
		r, err := d.Run(t.Context())
		require.NoError(t, err)
		if whole == nil {
			whole = r
			continue
		}
		whole.Merge(r)
	}
	assert.Equal(t, whole.Due, whole.Sent)
	assert.EqualValues(t, whole.Sent, whole.Latency("", "").TotalCount())
	v, err := check.Run(t.Context(), check.Config{Scenario: s, Result: whole,
		Targets: []string{server.URL}})
	require.NoError(t, err)
	assert.False(t, v.Broken(), "%+v", v.Promises)
}
