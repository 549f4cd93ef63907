package exceptions

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/adapters/records"
	"holdfast/adapters/records/recordstest"
)

// counting is a store that counts the records that are read of it.
type counting struct {
	records.Store
	read atomic.Int64
}

func (c *counting) Get(ctx context.Context, t records.Table, key string) (records.Record, bool, error) {
	c.read.Add(1)
	return c.Store.Get(ctx, t, key)
}

func (c *counting) List(ctx context.Context, t records.Table, prefix, after string, limit int) (
	[]records.Record, bool, error) {
	rows, more, err := c.Store.List(ctx, t, prefix, after, limit)
	c.read.Add(int64(len(rows)))
	return rows, more, err
}

// TestANewBellReadsWhatIsOpen counts what a new leader reads beside exceptions that are resolved.
func TestANewBellReadsWhatIsOpen(t *testing.T) {
	for _, resolved := range []int{0, 500} {
		t.Run(fmt.Sprint(resolved), func(t *testing.T) {
			inBubble(t, func(t *testing.T, s *recordstest.Store) {
				for i := range resolved {
					raise(t, s, cause(fmt.Sprint("closed", i)))
					clearIt(t, s, fmt.Sprint("closed", i))
				}
				desk := NewDesk(s, nil, time.Now)
				for i := range 3 {
					raise(t, s, cause(fmt.Sprint("open", i)))
					raise(t, s, cause(fmt.Sprint("by hand", i)))
					_, _, err := desk.Do(t.Context(), Act{ID: ID(fmt.Sprint("by hand", i)), Do: ActResolve})
					require.NoError(t, err)
				}
				raise(t, s, cause("closed0")) // it has come again
				c, hears := &counting{Store: s}, &ear{}
				b, err := NewBell(BellConfig{Store: c, Sinks: map[string]Sink{"ear": hears},
					Rules: []Rule{{Name: "all", To: []string{"ear"}}}})
				require.NoError(t, err)
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- b.Run(ctx) }()
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Len(t, hears.heard(), 1)
				require.Equal(t, 4, hears.heard()[0].Count)
				require.Equal(t, int64(1+4+4), c.read.Load(), "its cursor, and two for each that is open")
				stop()
				<-ended
			})
		})
	}
}
