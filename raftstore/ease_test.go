package raftstore

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestWhatIsSentInStepsIsWholeAndTakesItsTime reads through every size of piece.
func TestWhatIsSentInStepsIsWholeAndTakesItsTime(t *testing.T) {
	t.Parallel()
	want := make([]byte, 1<<20+1)
	for i := range want {
		want[i] = byte(i * 7 >> 3)
	}
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"large": func(r io.Reader) io.Reader { return r },
		"half":  iotest.HalfReader,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				got, err := io.ReadAll(wrap(easeSend.reader(bytes.NewReader(want))))
				require.NoError(t, err)
				assert.True(t, bytes.Equal(want, got))
				steps := time.Duration(len(want) / easeSend.bytes)
				assert.Equal(t, steps*easeSend.every, time.Since(began))
			})
		})
	}
}

// slowReader takes its time for every piece.
type slowReader struct{ r io.Reader }

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return s.r.Read(p)
}

// TestAStepThatWasSlowIsNotMadeUpFor: neither by a rest nor by haste.
func TestAStepThatWasSlowIsNotMadeUpFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		data := make([]byte, 4*easeSend.bytes)
		began := time.Now()
		r := easeSend.reader(io.MultiReader(slowReader{bytes.NewReader(data[:easeSend.bytes])},
			bytes.NewReader(data)))
		_, err := io.ReadFull(r, make([]byte, 5*easeSend.bytes))
		require.NoError(t, err)
		slow := 20 * time.Millisecond // the second read of the slow one finds its end
		assert.Equal(t, slow+2*easeSend.every, time.Since(began))
	})
}
