package connections

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // a zone that was known where it was saved is known wherever the leader runs

	"github.com/robfig/cron/v3"
)

// Schedule says when a flow is due: five fields of cron by the clock on the wall of a zone.
//
// On the two days a year when that clock jumps, what names hours runs as people expect it: a time
// that the clock leaves out runs at the moment of the jump, and a time that comes twice runs the
// first time only. A schedule of every hour (its field of hours begins with a star) counts hours
// that pass: it runs in both, and at no moment that is not.
type Schedule struct {
	spec  *cron.SpecSchedule
	zone  *time.Location
	hours bool // names hours
	quiet quiet
}

// fields are the five of crontab(5); seconds, @daily and CRON_TZ= are not taken.
var fields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// NewSchedule reads a flow's schedule. It fails with what is wrong, in words that go behind the
// name of the field.
func NewSchedule(f Flow) (*Schedule, error) {
	zone, err := parseZone(f.Zone)
	if err != nil {
		return nil, fmt.Errorf("zone %w", err)
	}
	spec, err := parseCron(f.Cron)
	if err != nil {
		return nil, fmt.Errorf("cron %w", err)
	}
	hush, err := parseQuiet(f.Quiet, zone)
	if err != nil {
		return nil, fmt.Errorf("quiet %w", err)
	}
	hour := strings.Fields(f.Cron)[1]
	return &Schedule{spec: spec, zone: zone, hours: !strings.HasPrefix(hour, "*"), quiet: hush}, nil
}

func parseZone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	zone, err := time.LoadLocation(name)
	if err != nil || name == "Local" {
		return time.UTC, errors.New("must be an IANA name such as Europe/Berlin")
	}
	return zone, nil
}

func parseCron(text string) (*cron.SpecSchedule, error) {
	if len(text) > maxText || len(strings.Fields(text)) != 5 || strings.Contains(text, "=") {
		return nil, errors.New("must have five fields: minute, hour, day, month, weekday")
	}
	parsed, err := fields.Parse(text)
	spec, ok := parsed.(*cron.SpecSchedule)
	if err != nil || !ok {
		return nil, fmt.Errorf("is not read: %v", err)
	}
	if spec.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return nil, errors.New("names a day that never comes")
	}
	return spec, nil
}

// Next returns the first due moment after t, in UTC and outside the quiet hours; zero when there is
// none within five years.
func (s *Schedule) Next(t time.Time) time.Time {
	due := s.due(t)
	if due.IsZero() {
		return due
	}
	return s.quiet.until(due).UTC()
}

// Last returns the last due moment that is after from and not after now; zero when there is none.
// It walks at most maxMissed of them: how many were missed does not count, only that one was.
func (s *Schedule) Last(from, now time.Time) (last time.Time) {
	for range maxMissed {
		due := s.Next(from)
		if due.IsZero() || due.After(now) {
			break
		}
		last, from = due, due
	}
	return last
}

// maxMissed is a day of every minute: after more, the last that was walked is as good as the last.
const maxMissed = 24 * 60

// due is Next without quiet hours. A zone is a row of periods with one offset each. Within a period
// the clock on the wall does not jump, so the parser's search is right there; what the jumps do is
// added here.
func (s *Schedule) due(t time.Time) time.Time {
	period := t
	for range maxPeriods {
		begin, end := period.In(s.zone).ZoneBounds()
		offset := offsetAt(period, s.zone)
		next := s.spec.Next(t.In(time.FixedZone("", offset)))
		if s.hours && !next.IsZero() && !begin.IsZero() {
			// The clock was set back at begin: until again its times are those of the hour before.
			back := offsetAt(begin.Add(-1), s.zone) - offset
			if again := begin.Add(time.Duration(back) * time.Second); next.Before(again) {
				next = s.spec.Next(again.Add(-1).In(time.FixedZone("", offset)))
			}
		}
		if next.IsZero() || end.IsZero() || next.Before(end) {
			return next
		}
		// The clock is set forward at end: the times up to skipped do not come.
		skipped := end.Add(time.Duration(offsetAt(end, s.zone)-offset) * time.Second)
		if s.hours && next.Before(skipped) {
			return end
		}
		t, period = end.Add(-1), end
	}
	return time.Time{}
}

// maxPeriods bounds a search: five years have ten periods, and those of the zones that set their
// clocks by the moon twenty.
const maxPeriods = 64

// offsetAt is how many seconds the clock on the wall is ahead of UTC.
func offsetAt(t time.Time, zone *time.Location) int {
	_, offset := t.In(zone).Zone()
	return offset
}
