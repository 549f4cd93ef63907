package shopify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast/adapters/connections"
	"holdfast/adapters/exceptions"
	"holdfast/adapters/records"
)

// Scopes are what our app must be allowed. Writing includes reading.
var Scopes = []string{"write_inventory", "read_locations", "read_products", "write_orders",
	"write_returns", "write_merchant_managed_fulfillment_orders", "read_fulfillments"}

// The codes of what a check finds.
const (
	foundScopes   = "missing-scopes"
	foundLocation = "location-unmapped"
	foundInactive = "location-inactive"
	foundOnline   = "fulfils-online-orders"
	foundVersion  = "api-version-ends"
	foundApp      = "wrong-app-id"
)

// check looks at scopes, locations and the version. It fails with a Fault when the shop cannot be
// asked; what it finds is no error.
func (s *shop) check(ctx context.Context) ([]connections.Obstacle, error) {
	var out struct {
		App struct {
			App    idTree                    `json:"app"`
			Scopes []struct{ Handle string } `json:"accessScopes"`
		} `json:"currentAppInstallation"`
	}
	if err := s.client.do(ctx, opShop, nil, &out); err != nil {
		return nil, err
	}
	var found []connections.Obstacle
	if app := out.App.App.ID.number(); s.app != 0 && app != 0 && s.app != app {
		found = append(found, connections.Obstacle{Code: foundApp, Names: []string{name(app)},
			Detail: "app_id is not the app that the token is of", Do: "set app_id to this number"})
	}
	has := make(map[string]bool)
	for _, h := range out.App.Scopes {
		has[h.Handle] = true
	}
	var missing []string
	for _, want := range Scopes {
		if !has[want] && !has[strings.Replace(want, "read_", "write_", 1)] {
			missing = append(missing, want)
		}
	}
	if len(missing) > 0 {
		found = append(found, connections.Obstacle{Code: foundScopes, Names: missing,
			Detail: "the app may not do all that the flows need",
			Do:     "give the app these scopes and install it again"})
	}
	places, err := s.checkPlaces(ctx)
	if err != nil {
		return nil, err
	}
	version, err := s.checkVersion(ctx)
	return append(append(found, places...), version...), err
}

type placeTree struct {
	ID      gid    `json:"id"`
	Name    string `json:"name"`
	Active  bool   `json:"isActive"`
	Online  bool   `json:"fulfillsOnlineOrders"`
	Service bool   `json:"isFulfillmentService"`
}

// maxPages bounds every listing that is read to its end.
const maxPages = 100

func (s *shop) readPlacesOf(ctx context.Context) (all []placeTree, err error) {
	vars := struct {
		After *string `json:"after"`
	}{}
	for range maxPages {
		var out struct {
			Locations struct {
				Page  pageInfo    `json:"pageInfo"`
				Nodes []placeTree `json:"nodes"`
			} `json:"locations"`
		}
		if err := s.client.do(ctx, opLocations, vars, &out); err != nil {
			return nil, err
		}
		all = append(all, out.Locations.Nodes...)
		if !out.Locations.Page.More {
			return all, nil
		}
		vars.After = &out.Locations.Page.End
	}
	return nil, answerFault(opLocations, fmt.Errorf("more than %d pages", maxPages))
}

// checkPlaces finds locations that sell online and are none of ours, and ones of ours that are off.
// A location that is a mirror of Amazon's stock must not fulfil online orders, unless they are sent
// from there.
func (s *shop) checkPlaces(ctx context.Context) (found []connections.Obstacle, err error) {
	all, err := s.readPlacesOf(ctx)
	if err != nil {
		return nil, err
	}
	var unmapped, inactive, online []string
	for _, p := range all {
		ours := s.ours(p.ID.tail())
		switch {
		case ours == "" && p.Active && p.Online:
			unmapped = append(unmapped, p.Name+" ("+p.ID.tail()+")")
		case ours != "" && !p.Active:
			inactive = append(inactive, p.Name+" ("+ours+")")
		case ours != "" && p.Online && slices.Contains(s.settings.FBALocations, ours):
			online = append(online, p.Name+" ("+ours+")")
		}
	}
	for _, o := range []connections.Obstacle{
		{Code: foundLocation, Names: unmapped, Detail: "locations that sell online are not mapped",
			Do: "map them in locations, or switch off that they fulfil online orders"},
		{Code: foundInactive, Names: inactive, Detail: "mapped locations are switched off",
			Do: "switch them on in the shop, or take them out of locations"},
		{Code: foundOnline, Names: online, Detail: "locations of Amazon's stock fulfil online orders",
			Do: "switch that off in the shop: Amazon does not send those orders"},
	} {
		if len(o.Names) > 0 {
			found = append(found, o)
		}
	}
	return found, nil
}

func (s *shop) checkVersion(ctx context.Context) ([]connections.Obstacle, error) {
	var out struct {
		Versions []struct {
			Handle    string `json:"handle"`
			Supported bool   `json:"supported"`
		} `json:"publicApiVersions"`
	}
	if err := s.client.do(ctx, opVersions, nil, &out); err != nil {
		return nil, err
	}
	for _, v := range out.Versions {
		if v.Handle == s.client.cfg.Version && v.Supported {
			return nil, nil
		}
	}
	return []connections.Obstacle{{Code: foundVersion, Names: []string{s.client.cfg.Version},
		Detail: "the shop no longer supports the version of the API that is used",
		Do:     "upgrade Holdfast, or set api_version to one that the shop supports"}}, nil
}

// defineID makes the metafield of our ids one whose value is unique in the shop: then an order that
// we have made is found by it at once. One that is defined already is as good.
func (s *shop) defineID(ctx context.Context) error {
	var out struct {
		Root struct {
			Errors []userError `json:"userErrors"`
		} `json:"metafieldDefinitionCreate"`
	}
	vars := map[string]any{"definition": map[string]string{"name": "Holdfast order",
		"namespace": markNamespace, "key": markKey, "type": "id", "ownerType": "ORDER"}}
	if err := s.client.do(ctx, opDefineID, vars, &out); err != nil {
		return err
	}
	for _, e := range out.Root.Errors {
		if e.Code != "TAKEN" {
			return userFault(opDefineID, e)
		}
	}
	return nil
}

// report raises an exception for each finding and clears those that are no longer found.
func (s *shop) report(ctx context.Context, tx *records.Tx, store records.Reader,
	found []connections.Obstacle, now time.Time) error {
	for _, code := range []string{foundScopes, foundLocation, foundInactive, foundOnline,
		foundVersion, foundApp} {
		trace := "check:" + s.id + ":" + code
		i := slices.IndexFunc(found, func(o connections.Obstacle) bool { return o.Code == code })
		if i < 0 {
			if err := exceptions.Clear(ctx, store, tx, trace, now); err != nil {
				return err
			}
			continue
		}
		e := exceptions.Exception{Trace: trace, Class: exceptions.Data, Code: code, Flow: "F0a",
			Connection: s.id, Detail: found[i].String(), LastAt: now}
		if code == foundScopes {
			e.Class = exceptions.Auth
		}
		if err := exceptions.Raise(ctx, store, tx, e); err != nil {
			return err
		}
	}
	return nil
}
