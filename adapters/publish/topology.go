package publish

import (
	"context"
	"encoding/json"
	"slices"

	"holdfast/adapters/records"
	"holdfast/engine"
)

// topology is what seldom changes in the ledger: who sells from where. It is never changed.
type topology struct {
	regions map[string]string   // of channels
	listing map[string][]string // location → the channels that list it
}

const topologyStep = 200 // definitions read under one lock

func readTopology(ctx context.Context, store records.Reader) (*topology, error) {
	t := &topology{regions: map[string]string{}, listing: map[string][]string{}}
	after := uint32(0)
	_, err := store.Ledger(ctx, func(l *engine.Ledger) bool {
		rows := l.Channels(after, topologyStep)
		for i := range rows {
			ch := &rows[i]
			after = ch.Number
			var more struct {
				Region string `json:"region"`
			}
			if len(ch.Attributes) > 0 && json.Unmarshal(ch.Attributes, &more) == nil {
				t.regions[ch.Name] = more.Region
			}
			for _, location := range ch.Locations {
				t.listing[location] = append(t.listing[location], ch.Name)
			}
		}
		return len(rows) == topologyStep
	})
	return t, err
}

// othersThan reports whether a channel that is not among some lists one of the places.
func (t *topology) othersThan(some []string, places []engine.OfferPlace) bool {
	for i := range places {
		for _, name := range t.listing[places[i].Location] {
			if !slices.Contains(some, name) {
				return true
			}
		}
	}
	return false
}

// tagsOf reads the tags of a SKU out of its attributes.
func tagsOf(l *engine.Ledger, sku string) []string {
	s, ok := l.SKU(sku)
	if !ok || len(s.Attributes) == 0 {
		return nil
	}
	var more struct {
		Tags []string `json:"tags"`
	}
	if json.Unmarshal(s.Attributes, &more) != nil {
		return nil
	}
	return more.Tags
}
