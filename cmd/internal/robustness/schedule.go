package robustness

import (
	"math/rand/v2"

	"holdfast/cmd/internal/robustness/fault"
)

// Counts says how many faults of each kind there are.
type Counts map[fault.Kind]int

// FullCounts is the long run.
func FullCounts() Counts {
	return Counts{fault.Kill: 200, fault.Restart: 10, fault.Pause: 10, fault.Transfer: 50,
		fault.Partition: 30, fault.PowerCut: 20, fault.Hang: 10, fault.Full: 10, fault.Mutation: 100,
		fault.Member: 20}
}

// weights is how often each kind is drawn when time and not a count ends the run.
var weights = []struct {
	kind  fault.Kind
	parts int
}{
	{fault.Kill, 6}, {fault.Restart, 1}, {fault.Pause, 1}, {fault.Transfer, 2}, {fault.Partition, 5},
	{fault.PowerCut, 3}, {fault.Hang, 1}, {fault.Full, 1}, {fault.Mutation, 5}, {fault.Member, 1},
}

// shuffled is every fault of the counts, in an order drawn by chance.
func shuffled(counts Counts, chance *rand.Rand) []fault.Kind {
	var all []fault.Kind
	for _, k := range fault.Kinds { // in a fixed order, so that the seed alone decides
		for range counts[k] {
			all = append(all, k)
		}
	}
	chance.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// draw is the next fault of a run that time ends.
func draw(chance *rand.Rand) fault.Kind {
	total := 0
	for _, w := range weights {
		total += w.parts
	}
	n := chance.IntN(total)
	for _, w := range weights {
		if n < w.parts {
			return w.kind
		}
		n -= w.parts
	}
	return fault.Kill
}
