package netsuite

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/mapping"
	"holdfast/adapters/records"
)

// itemCursor is where the reading of a catalogue is. Pages go by the key and not by an offset: there may
// be more items than a query may have rows, and one that is made meanwhile shifts nothing.
type itemCursor struct {
	Round int64 `json:"round"` // tells this reading from the one before
	After int64 `json:"after"` // the last internal id
	Left  bool  `json:"left,omitempty"`
}

// Catalogue reads a page of items that have stock or are made of such, and behind the last page forgets
// those that were not listed any more. The first page says which locations of the document are not there.
// It fails with a Fault, or with the store's error; then the page is read again.
func (a *adapter) Catalogue(ctx context.Context, cursor string) (connections.Page, error) {
	b, err := a.all.book(a.id)
	if err != nil {
		return connections.Page{}, err
	}
	at := itemCursor{Round: a.all.cfg.Now().UnixMilli()}
	var page connections.Page
	if cursor == "" {
		if page.Found, err = b.findPlaces(ctx); err != nil {
			return connections.Page{}, err
		}
	} else if err := json.Unmarshal([]byte(cursor), &at); err != nil {
		return connections.Page{}, err
	}
	if at.Left {
		_, err := mapping.SweepCatalogue(ctx, a.all.cfg.Store, b.id, at.Round)
		return connections.Page{}, err
	}
	rows, err := b.client.queryPage(ctx, FlowCatalogue, "SELECT id, itemid, displayname, upccode, itemtype"+
		" FROM item WHERE itemtype IN ('InvtPart','Assembly','Kit') AND isinactive = 'F' AND id > "+
		strconv.FormatInt(at.After, 10)+" ORDER BY id", 0)
	if err != nil {
		return connections.Page{}, err
	}
	items := b.items(rows.Items)
	round := at.Round
	page.Rows = len(items)
	page.Write = func(_ context.Context, tx *records.Tx) error {
		mapping.KeepItems(tx, round, items)
		return nil
	}
	if at.Left = !rows.HasMore || len(rows.Items) == 0; !at.Left {
		at.After = rows.Items[len(rows.Items)-1].Int("id")
	}
	next, err := json.Marshal(at)
	page.Next = string(next)
	return page, err
}

// items are rows as the mapping keeps them. The name of a sub-item begins with those of its parents.
func (b *book) items(rows []Row) []mapping.Item {
	var all []mapping.Item
	for _, r := range rows {
		name := r.Text("itemid")
		if _, last, ok := cutLast(name, " : "); ok {
			name = last
		}
		kit := r.Text("itemtype") == "Kit"
		all = append(all, mapping.Item{Connection: b.id, ItemID: r.Text("id"), SKU: strings.TrimSpace(name),
			Barcode: r.Text("upccode"), Title: r.Text("displayname"), Tracked: !kit, Kit: kit})
	}
	return all
}

// foundPlace is the code of locations that are not as the document says.
const foundPlace = "location-unknown"

// findPlaces looks which locations of the document are not in the account, or not in use.
func (b *book) findPlaces(ctx context.Context) ([]connections.Obstacle, error) {
	known := make(map[string]bool)
	err := b.client.Query(ctx, FlowCheck, "SELECT id, isinactive FROM location ORDER BY id",
		func(rows []Row) error {
			for _, r := range rows {
				known[r.Text("id")] = !r.Bool("isinactive")
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	var missing []string
	for theirs, ours := range b.locations {
		if !known[theirs] {
			missing = append(missing, theirs+" ("+ours+")")
		}
	}
	if len(missing) == 0 {
		return nil, nil
	}
	slices.Sort(missing)
	return []connections.Obstacle{{Code: foundPlace, Names: missing, Count: len(missing),
		Detail: "mapped locations are not in the account, not in use, or not seen by the role",
		Do:     "put the right internal ids into locations, or let the role see them"}}, nil
}

// check logs in, asks, and raises or clears an exception for what it finds. It fails with a Fault, or
// with the store's error.
func (a *adapter) check(ctx context.Context, b *book) error {
	found, err := b.findPlaces(ctx)
	if err != nil {
		return err
	}
	trace, now := "check:"+b.id+":"+foundPlace, a.all.cfg.Now().UTC()
	_, err = records.Retry(ctx, a.all.cfg.Store, func(tx *records.Tx) error {
		if len(found) == 0 {
			return exceptions.Clear(ctx, a.all.cfg.Store, tx, trace, now)
		}
		return exceptions.Raise(ctx, a.all.cfg.Store, tx, exceptions.Exception{Trace: trace,
			Class: exceptions.Data, Code: foundPlace, Flow: "F0a", Connection: b.id,
			Detail: found[0].String(), LastAt: now})
	})
	return err
}
