package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"holdfast/adapters/amazon"
	"holdfast/adapters/netsuite"
)

// connectionBody is the body of PUT /v1/connections/{id}.
type connectionBody struct {
	Kind         string            `json:"kind"`
	Mode         string            `json:"mode"`
	Endpoint     string            `json:"endpoint"`
	Account      string            `json:"account"`
	Marketplaces []string          `json:"marketplaces,omitempty"`
	Secrets      map[string]string `json:"secrets"`
	Locations    map[string]string `json:"locations,omitempty"` // theirs → ours
	Settings     any               `json:"settings,omitempty"`
}

// writeConnections writes a body for each shop, seller and account, by the id of its connection.
// Bodies hold no secret: each secret is a file of its own, that only its owner may read. It fails with
// the error of the file system; what was written before it stays.
func (v *vendors) writeConnections(s simulation) error {
	abs, err := filepath.Abs(s.connections)
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	folder := secretFolder(abs + ".secrets")
	if err := os.MkdirAll(string(folder), 0o700); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	all := map[string]connectionBody{}
	for _, add := range []func(simulation, secretFolder, map[string]connectionBody) error{
		v.addShops, v.addSellers, v.addERP} {
		if err := add(s, folder, all); err != nil {
			return fmt.Errorf("connections: %w", err)
		}
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	if err := os.WriteFile(abs, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("connections: %w", err)
	}
	return nil
}

// secretFolder is where the secrets are.
type secretFolder string

// keep writes secrets and returns references to them.
func (f secretFolder) keep(of string, secrets map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for name, secret := range secrets {
		file := filepath.Join(string(f), of+"-"+name)
		if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
			return nil, err
		}
		out[name] = "file:" + file
	}
	return out, nil
}

func (v *vendors) addShops(s simulation, folder secretFolder, all map[string]connectionBody) error {
	for _, shop := range v.cfg.Shops {
		body := connectionBody{Kind: "shopify", Mode: "observe",
			Endpoint: v.shopify.Endpoint(shop.Name), Account: shop.Domain, Locations: map[string]string{}}
		if s.speed > 1 {
			body.Settings = map[string]int{"speed": s.speed}
		}
		var err error
		body.Secrets, err = folder.keep(shop.Name, map[string]string{"token": shop.Apps[0].Token,
			"webhook": shop.WebhookSecrets[0]})
		if err != nil {
			return err
		}
		state, err := v.shopify.State(shop.Name)
		if err != nil {
			return err
		}
		for _, place := range state.Locations {
			body.Locations[fmt.Sprint(place.ID)] = place.Name
		}
		all["shopify-"+shop.Name] = body
	}
	return nil
}

// addSellers adds the sellers of the simulated Amazon, each with a queue of its own.
func (v *vendors) addSellers(s simulation, folder secretFolder, all map[string]connectionBody) error {
	for _, login := range v.amazon.Logins() {
		state, err := v.amazon.State(login.Account)
		if err != nil {
			return err
		}
		settings := amazon.Settings{Region: state.Region, TokenEndpoint: v.amazon.TokenURL(),
			Queue: v.amazon.QueueURL(login.Queue), QueueARN: v.amazon.QueueARN(login.Queue),
			QueueEndpoint: v.amazon.URL(), QueueRegion: "us-east-1", Fulfilment: "both",
			Recipient: true}
		if s.speed > 1 {
			settings.Speed = s.speed
		}
		secrets, err := folder.keep("amazon-"+login.Account, map[string]string{
			"client_id": login.ClientID, "client_secret": login.ClientSecret,
			"refresh_token":     login.RefreshToken,
			"aws_access_key_id": "simulated", "aws_secret_access_key": "simulated"})
		if err != nil {
			return err
		}
		all["amazon-"+login.Account] = connectionBody{Kind: "amazon", Mode: "observe",
			Endpoint: v.amazon.Endpoint(state.Region), Account: state.SellerID,
			Marketplaces: state.Markets, Secrets: secrets, Settings: settings}
	}
	return nil
}

// addERP adds the simulated NetSuite, with the items and customers that documents need.
func (v *vendors) addERP(s simulation, folder secretFolder, all map[string]connectionBody) error {
	login := v.erp.Credentials()[0]
	secrets, err := folder.keep("netsuite", map[string]string{"client_id": login.ClientID,
		"certificate_id": login.CertificateID, "private_key": login.PrivateKeyPEM})
	if err != nil {
		return err
	}
	state := v.erp.State()
	ids, items := map[string]string{}, map[string]string{}
	for _, place := range state.Places {
		ids[strconv.FormatInt(place.ID, 10)] = place.Name
	}
	for _, item := range state.Items {
		items[item.SKU] = strconv.FormatInt(item.ID, 10)
	}
	settings := netsuite.Settings{Books: netsuite.Books{
		Customers: map[string]string{"*": v.erp.ListID("customer", "Shopify")},
		Currencies: map[string]string{"USD": v.erp.ListID("currency", "USD"),
			"EUR": v.erp.ListID("currency", "EUR"), "GBP": v.erp.ListID("currency", "GBP")},
		Subsidiaries: map[string]string{"*": v.erp.ListID("subsidiary", "")},
		Location:     v.erp.ListID("location", ""),
		TaxItem:      items["TAX"], ShippingItem: items["SHIPPING"], DiscountItem: items["DISCOUNT"],
		RoundingItem: items["ROUNDING"]}}
	if s.speed > 1 {
		settings.Speed = s.speed
	}
	all["netsuite"] = connectionBody{Kind: "netsuite", Mode: "observe", Endpoint: v.erp.URL(),
		Account: login.Account, Secrets: secrets, Locations: ids, Settings: settings}
	return nil
}
