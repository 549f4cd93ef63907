package spapitest

// Login is what an application needs to act for a seller. It is test data: nothing real is opened
// by it.
type Login struct {
	Account      string `json:"account"`
	Region       string `json:"region"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	RefreshToken string `json:"refresh_token"`
	Queue        string `json:"queue"` // name of the account's own queue
}

// Logins are those of the first application, in the order of the accounts.
func (s *Server) Logins() []Login {
	out := []Login{}
	app := s.apps[0]
	s.tokens.mu.Lock()
	secret := app.secret
	s.tokens.mu.Unlock()
	for _, x := range s.accounts {
		out = append(out, Login{Account: x.cfg.Name, Region: x.cfg.Region, ClientID: app.cfg.ClientID,
			ClientSecret: secret, RefreshToken: x.cfg.RefreshTokens[app.cfg.Name], Queue: x.cfg.Queue})
	}
	return out
}
