//go:build race

package engine_test

// underRace makes the driven tests take a tenth of their seeds: the race detector is slow.
const underRace = true
