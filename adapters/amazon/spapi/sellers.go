package spapi

import "context"

// Participation is a marketplace in which a seller may sell.
type Participation struct {
	Marketplace struct {
		ID       string `json:"id"`
		Name     string `json:"name"`
		Country  string `json:"countryCode"`
		Currency string `json:"defaultCurrencyCode"`
		Domain   string `json:"domainName"`
	} `json:"marketplace"`
	State struct {
		Participating bool `json:"isParticipating"`
		Suspended     bool `json:"hasSuspendedListings"`
	} `json:"participation"`
	Store string `json:"storeName"`
}

// Participations lists the marketplaces of the account. It may be called once a minute. It fails
// with a Fault.
func (c *Client) Participations(ctx context.Context) ([]Participation, error) {
	var out []Participation
	err := c.do(ctx, opParticipations, call{out: &out, payload: true})
	return out, err
}
