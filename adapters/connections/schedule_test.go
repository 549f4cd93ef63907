package connections

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func schedule(t *testing.T, cron, zone, hush string) *Schedule {
	t.Helper()
	s, err := NewSchedule(Flow{On: OnSchedule, Cron: cron, Zone: zone, Quiet: hush})
	require.NoError(t, err)
	return s
}

// run lists the next n due moments as they are written on the wall, with the offset.
func run(t *testing.T, s *Schedule, from string, n int) (all []string) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, from)
	require.NoError(t, err)
	for range n {
		next := s.Next(at)
		require.True(t, next.After(at), "%s is not after %s", next, at)
		at = next
		all = append(all, at.In(s.zone).Format("02 15:04 -07"))
	}
	return all
}

// TestSchedulesOverBothChangesOfTheClock: 2026 in Berlin goes from +01 to +02 on 29 March at 02:00
// and back on 25 October at 03:00.
func TestSchedulesOverBothChangesOfTheClock(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		cron, zone, from string
		want             []string
	}{
		"a time that is left out runs at the jump": {"30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z",
			[]string{"28 02:30 +01", "29 03:00 +02", "30 02:30 +02"}},
		"one before and one behind it too": {"30 1,2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"29 01:30 +01", "29 03:00 +02", "29 03:30 +02", "30 01:30 +02"}},
		"two that are left out are one run": {"0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"29 03:00 +02", "30 02:00 +02", "30 02:30 +02"}},
		"left out and due at the jump are one run": {"0 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z",
			[]string{"29 03:00 +02", "30 02:00 +02", "30 03:00 +02"}},
		"a time that comes twice runs once": {"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"25 02:30 +02", "26 02:30 +01", "27 02:30 +01"}},
		"and so does what is due when it ends": {"0 2,3 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z",
			[]string{"25 02:00 +02", "25 03:00 +01", "26 02:00 +01"}},
		"every half hour goes on, forward": {"*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z",
			[]string{"29 01:30 +01", "29 03:00 +02", "29 03:30 +02"}},
		"every half hour goes on, back": {"*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z",
			[]string{"25 02:30 +02", "25 02:00 +01", "25 02:30 +01", "25 03:00 +01"}},
		"every second hour, back": {"0 */2 * * *", "Europe/Berlin", "2026-10-24T23:00:00Z",
			[]string{"25 02:00 +02", "25 02:00 +01", "25 04:00 +01"}},
		"New York, forward": {"15 2 * * *", "America/New_York", "2026-03-07T12:00:00Z",
			[]string{"08 03:00 -04", "09 02:15 -04"}},
		"New York, back": {"15 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
			[]string{"01 01:15 -04", "02 01:15 -05"}},
		"half an hour on Lord Howe, forward": {"15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z",
			[]string{"04 02:30 +11", "05 02:15 +11"}},
		"half an hour on Lord Howe, back": {"45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00:00Z",
			[]string{"05 01:45 +11", "06 01:45 +10"}},
		"midnight is left out in Cairo": {"0 0 * * *", "Africa/Cairo", "2026-04-22T23:00:00Z",
			[]string{"24 01:00 +03", "25 00:00 +03"}},
		"no zone is UTC": {"0 9 * * 1-5", "", "2026-11-20T10:00:00Z",
			[]string{"23 09:00 +00", "24 09:00 +00"}},
		"the 29th of February": {"0 0 29 2 *", "UTC", "2026-03-01T00:00:00Z", []string{"29 00:00 +00"}},
	} {
		got := run(t, schedule(t, x.cron, x.zone, ""), x.from, len(x.want))
		require.Equal(t, x.want, got, name)
	}
}

// TestDueByTheWall holds Next against a second way to find it: every minute of three years, by its
// clock on the wall.
func TestDueByTheWall(t *testing.T) {
	t.Parallel()
	zone, err := time.LoadLocation("America/Santiago")
	require.NoError(t, err)
	s := schedule(t, "*/17 * * * *", "America/Santiago", "")
	due := s.Next(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC))
	for m := time.Date(2025, 1, 1, 0, 1, 0, 0, time.UTC); m.Year() < 2027; m = m.Add(time.Minute) {
		if m.In(zone).Minute()%17 == 0 {
			require.True(t, due.Equal(m), "%s is due, not %s", m.In(zone), due.In(zone))
			due = s.Next(m)
		}
	}
}

func TestOnceADayWhateverTheClockDoes(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Europe/Berlin", "America/Santiago", "Africa/Casablanca", "Asia/Beirut",
		"Australia/Lord_Howe", "Asia/Kolkata"} {
		for _, hour := range []string{"0", "1", "2", "3", "23"} {
			s := schedule(t, "0 "+hour+" * * *", zone, "")
			at := time.Date(2025, 1, 1, 12, 0, 0, 0, time.UTC)
			days := map[string]int{}
			for range 700 {
				at = s.Next(at)
				days[at.In(s.zone).Format(time.DateOnly)]++
			}
			require.Len(t, days, 700, "%s at %s", zone, hour)
		}
	}
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		cron, hush, from string
		want             []string
	}{
		"over midnight": {"0 * * * *", "22:00-06:00", "2026-06-01T18:30:00Z",
			[]string{"01 21:00 +02", "02 06:00 +02", "02 07:00 +02"}},
		"within a day": {"30 */3 * * *", "12:00-13:00", "2026-06-01T08:00:00Z",
			[]string{"01 13:00 +02", "01 15:30 +02"}},
		"the end in the hour that comes twice": {"*/15 * * * *", "01:00-02:30", "2026-10-24T23:40:00Z",
			[]string{"25 02:30 +02", "25 02:45 +02", "25 02:30 +01", "25 02:45 +01"}},
		"the end in the hour that is left out": {"*/15 * * * *", "01:00-02:30", "2026-03-29T00:10:00Z",
			[]string{"29 03:00 +02", "29 03:15 +02"}},
	} {
		got := run(t, schedule(t, x.cron, "Europe/Berlin", x.hush), x.from, len(x.want))
		require.Equal(t, x.want, got, name)
	}
}

func TestMissedRunsAreOne(t *testing.T) {
	t.Parallel()
	s := schedule(t, "0 2 * * *", "UTC", "")
	at := func(day, hour int) time.Time { return time.Date(2026, 5, day, hour, 0, 0, 0, time.UTC) }
	require.Equal(t, at(9, 2), s.Last(at(4, 2), at(9, 10)), "five were missed, one is to be made good")
	require.Zero(t, s.Last(at(9, 2), at(10, 1)), "none was missed")
	require.Equal(t, at(10, 2), s.Last(at(9, 2), at(10, 2)), "due now is due")
	every := schedule(t, "* * * * *", "UTC", "")
	require.False(t, every.Last(at(1, 0), at(30, 0)).IsZero(), "a month of minutes is bounded")
}

func TestWhatIsNoSchedule(t *testing.T) {
	t.Parallel()
	for _, bad := range []Flow{{Cron: ""}, {Cron: "* * * *"}, {Cron: "* * * * * *"}, {Cron: "@daily"},
		{Cron: "TZ=UTC * * * *"}, {Cron: "CRON_TZ=Asia/Tokyo * * * * *"}, {Cron: "61 * * * *"},
		{Cron: "0 0 31 2 *"}, {Cron: "a b c d e"}, {Cron: "* * * * *", Zone: "Berlin"},
		{Cron: "* * * * *", Zone: "Local"}, {Cron: "* * * * *", Quiet: "22-6"},
		{Cron: "* * * * *", Quiet: "22:00-22:00"}, {Cron: "* * * * *", Quiet: "24:00-06:00"},
		{Cron: "* * * * *", Quiet: "9:5-10:00"}} {
		_, err := NewSchedule(bad)
		require.Error(t, err, "%+v", bad)
	}
}
