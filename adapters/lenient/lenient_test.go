package lenient

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatCannotBeReadDoesNotHideTheRest(t *testing.T) {
	var v struct {
		A, B, C, D Number
		E, F, G, H Decimal
		I, J, K    Moment
		L          string
	}
	require.NoError(t, json.Unmarshal([]byte(`{"A":7,"B":"-7","C":null,"D":1.5,"E":"12.50",
		"F":-3,"G":"12,50","H":1.25E+3,"I":"2026-01-30T12:00:00+02:00","J":"yesterday","K":null,
		"L":"there"}`), &v))
	assert.Equal(t, []Number{{7, false}, {-7, false}, {}, {0, true}}, []Number{v.A, v.B, v.C, v.D})
	assert.Equal(t, []Decimal{{"12.50", false}, {"-3", false}, {"", true}, {"1250", false}},
		[]Decimal{v.E, v.F, v.G, v.H})
	assert.Equal(t, time.Date(2026, 1, 30, 10, 0, 0, 0, time.UTC), v.I.Time)
	assert.True(t, v.J.Bad)
	assert.True(t, v.K.IsZero() && !v.K.Bad)
	assert.Equal(t, "there", v.L)
}

func TestAnAmountIsWrittenOut(t *testing.T) {
	for text, want := range map[string]string{"1E2": "100", "-1.50e1": "-15.0", "0E-8": "0.00000000",
		"1.2345E2": "123.45", "5": "5", "1e99": "", "e5": "", "NaN": "", "0x1": "", "1_0": "", "": ""} {
		got, ok := Amount(text)
		assert.Equal(t, want, got, text)
		assert.Equal(t, want != "", ok, text)
	}
}
