package connections

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// quiet is the hours of a day in which nothing begins, by the clock on the wall. The zero value is
// none.
type quiet struct {
	from, to int // minutes of the day; equal is none
	zone     *time.Location
}

func parseQuiet(text string, zone *time.Location) (quiet, error) {
	if text == "" {
		return quiet{}, nil
	}
	first, last, ok := strings.Cut(text, "-")
	from, okFrom := clock(first)
	to, okTo := clock(last)
	if !ok || !okFrom || !okTo || from == to {
		return quiet{}, errors.New("must be two different times of the day, such as 22:00-06:00")
	}
	return quiet{from: from, to: to, zone: zone}, nil
}

// clock reads hh:mm as minutes of the day.
func clock(text string) (minutes int, ok bool) {
	h, m, colon := strings.Cut(strings.TrimSpace(text), ":")
	hour, errHour := strconv.ParseUint(h, 10, 8)
	minute, errMinute := strconv.ParseUint(m, 10, 8)
	ok = colon && errHour == nil && errMinute == nil && hour < 24 && minute < 60 && len(m) == 2
	return int(hour*60 + minute), ok
}

// until returns t, or the end of the quiet hours that t lies in. Where the clock is changed
// meanwhile, they end as soon as it shows a time that is not theirs.
func (q quiet) until(t time.Time) time.Time {
	for range 4 { // at most two changes of the clock lie within a day
		now, quiet := q.within(t)
		if !quiet {
			return t
		}
		rest := (q.to - now + minutesADay) % minutesADay
		end := t.Truncate(time.Minute).Add(time.Duration(rest) * time.Minute)
		_, change := t.In(q.zone).ZoneBounds()
		if change.IsZero() || end.Before(change) {
			return end
		}
		t = change
	}
	return t
}

const minutesADay = 24 * 60

// within returns the minute of the day that the wall shows at t, and whether it is quiet.
func (q quiet) within(t time.Time) (minute int, quiet bool) {
	if q.from == q.to {
		return 0, false
	}
	wall := t.In(q.zone)
	minute = wall.Hour()*60 + wall.Minute()
	if q.from > q.to { // over midnight
		return minute, minute >= q.from || minute < q.to
	}
	return minute, q.from <= minute && minute < q.to
}
