package check

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"

	"holdfast/loadtest/driver"
)

// The sample: enough SKUs and operations to meet a race, few enough that porcupine ends.
const (
	sampleSKUs = 20
	sampleOps  = 300 // of one SKU, from the beginning
	judging    = 10 * time.Second
)

// move is an operation as the model sees it: by how much it changes what is available, if it did.
type move struct {
	op      string
	units   int64 // a reserve takes them, a release or a return gives them back
	outcome driver.Outcome
	seen    int64 // available, of a read
}

// model is one SKU: its state is the available units. A commit or a shipment of held units changes
// nothing of it.
func model(stocked int64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return stocked },
		Step: func(s, in, _ any) (bool, any) {
			left, m := s.(int64), in.(move)
			switch m.op {
			case "read":
				return m.seen == left, left
			case "reserve":
				if left >= m.units {
					return m.outcome != driver.Refused, left - m.units
				}
				return m.outcome != driver.Done, left
			}
			return true, left + m.units
		},
	}
}

// linear judges the histories of the first SKUs whose operations are simple enough to tell: orders of
// one line that were neither abandoned nor in a batch, and whose every verb has a known outcome.
func (c *checker) linear() {
	ops, spoilt := c.histories()
	skus := make([]string, 0, len(ops))
	for sku := range ops {
		if !spoilt[sku] && len(ops[sku]) > 1 {
			skus = append(skus, sku)
		}
	}
	slices.SortFunc(skus, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(ops[b]), len(ops[a])), cmp.Compare(a, b))
	})
	for _, sku := range skus[:min(len(skus), sampleSKUs)] {
		sample := prefix(ops[sku])
		c.looked(linear, 1)
		c.v.Sampled += len(sample)
		switch porcupine.CheckOperationsTimeout(model(c.stocked[sku]), sample, judging) {
		case porcupine.Illegal:
			c.broken(linear, "%s: the answers of its first %d operations fit no order of them", sku,
				len(sample))
		case porcupine.Unknown:
			c.v.Undecided++
		}
	}
}

// histories gathers the operations of each SKU, and the SKUs with one that the model does not know.
func (c *checker) histories() (map[string][]porcupine.Operation, map[string]bool) {
	ops, spoilt := map[string][]porcupine.Operation{}, map[string]bool{}
	if d := c.cfg.Scenario.SKUs.Drop; d != nil {
		spoilt[c.cfg.Result.Run+"-"+d.Name] = true
	}
	for i := range c.cfg.Result.Records {
		r := &c.cfg.Result.Records[i]
		for _, p := range r.Parts {
			for _, l := range p.Lines {
				spoilt[l.SKU] = true
			}
		}
		again := len(c.keys[r.Key]) > 1
		odd := len(r.Lines) > 1 || r.Abandoned || again || r.Outcome == driver.Unknown ||
			(r.Mode != "" && r.Mode != "strict")
		for _, l := range r.Lines {
			spoilt[l.SKU] = spoilt[l.SKU] || odd
		}
		sku, m := "", move{op: r.Op, outcome: r.Outcome}
		switch {
		case r.Outcome == driver.Never:
			continue
		case r.Op == "read" && r.Stock != nil && r.Outcome == driver.Done:
			sku, m.seen = r.SKU, r.Stock.Available
		case r.Op == "reserve" && len(r.Lines) == 1,
			(r.Op == "release" || r.Op == "return") && r.Outcome == driver.Done && len(r.Lines) == 1:
			sku, m.units = r.Lines[0].SKU, r.Lines[0].Qty
		default:
			continue
		}
		ops[sku] = append(ops[sku], porcupine.Operation{ClientId: len(ops[sku]), Input: m,
			Call: int64(r.Sent), Return: int64(r.End)})
	}
	return ops, spoilt
}

// prefix takes the operations that began first.
// The cut is at a quiet moment: no operation after it can have had its effect before it.
func prefix(all []porcupine.Operation) []porcupine.Operation {
	slices.SortFunc(all, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	if len(all) <= sampleOps {
		return all
	}
	// Cut where everything before has ended: a quiet moment. Without one, the whole is judged.
	ended := int64(math.MinInt64)
	for i, op := range all {
		if i >= sampleOps && ended < op.Call {
			return all[:i]
		}
		ended = max(ended, op.Return)
	}
	return all
}
