package flows

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"holdfast/adapters/connections"
	"holdfast/adapters/publish"
)

// TestWhenPushesMayGo walks a connection through what its flow publish can say.
func TestWhenPushesMayGo(t *testing.T) {
	t.Parallel()
	night := time.Date(2026, 11, 23, 23, 0, 0, 0, time.UTC)
	var p passes
	assert.Empty(t, p.closed("shop", connections.Flow{}, night), "a push follows each event")
	assert.Equal(t, publish.Off, p.closed("shop", connections.Flow{On: connections.OnOff}, night))

	nightly := connections.Flow{On: connections.OnSchedule, Cron: "0 3 * * *"}
	assert.Equal(t, publish.Scheduled, p.closed("shop", nightly, night))
	p.begin("shop", night)
	assert.Empty(t, p.closed("shop", nightly, night), "a pass is under way")
	assert.Equal(t, publish.Scheduled, p.closed("other", nightly, night), "of another connection")
	assert.Equal(t, publish.Scheduled, p.closed("shop", nightly, night.Add(passTime)), "it is over")

	hushed := connections.Flow{On: connections.OnEvent, Quiet: "22:00-06:00"}
	assert.Equal(t, publish.Quiet, p.closed("shop", hushed, night))
	assert.Empty(t, p.closed("shop", hushed, night.Add(8*time.Hour)))
	berlin := connections.Flow{On: connections.OnEvent, Quiet: "22:00-06:00", Zone: "Europe/Berlin"}
	assert.Equal(t, publish.Quiet, p.closed("shop", berlin, night.Add(8*time.Hour-2*time.Hour-time.Minute)))
	assert.Empty(t, p.closed("shop", berlin, night.Add(8*time.Hour-2*time.Hour)), "06:00 there")
}
