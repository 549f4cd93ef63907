// Package loadtest is the load-test harness: it drives any build over the wire and signs off volume.
//
// What it guarantees:
//
//   - I1: when a call is due is a pure function of the scenario and its seed (schedule.Arrivals).
//   - I2: latency counts from the moment that a call was due, never from when it could be sent.
//   - I3: a call that could not be sent is counted, and a run that has one fails.
//   - I4: the driver repeats a call only where the scenario says so, and counts it.
//   - I5: a broken promise fails the run, whatever the latency (check.Run).
//
// It must never import a package of the product, so that it can be pointed at an old build or at a
// rival, and so that a fault of ours is not shared by what looks for it.
//
// The packages, in the order in which a run goes through them: scenario reads what is to happen,
// schedule says when, driver does it and keeps what was answered, check holds the answers against
// what the API says afterwards, report tells. Open driver/run.go first.
package loadtest
