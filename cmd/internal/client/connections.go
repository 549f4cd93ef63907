package client

import "time"

// Connection is a connection as the commands show it.
type Connection struct {
	ID        string `json:"id"`
	Kind      string `json:"kind"`
	Mode      string `json:"mode"`
	Effective string `json:"effective"`
	Why       string `json:"why"`
	Account   string `json:"account"`
	Start     *struct {
		Step  string           `json:"step"`
		Rows  map[string]int64 `json:"rows"`
		Found []struct {
			Code   string   `json:"code"`
			Detail string   `json:"detail"`
			Do     string   `json:"do"`
			Names  []string `json:"names"`
			Count  int64    `json:"count"`
		} `json:"found"`
	} `json:"start"`
	Health *ConnectionHealth `json:"health"`
}

// ConnectionHealth is how a connection does.
type ConnectionHealth struct {
	State        string           `json:"state"`
	Restarts     int              `json:"restarts"`
	WatermarkAge *int64           `json:"watermark_age_ms"`
	Lag          map[string]int64 `json:"lag_ms"`
	Limits       map[string]struct {
		Left int64 `json:"left"`
		Of   int64 `json:"of"`
	} `json:"limits"`
	Errors []struct {
		At    time.Time `json:"at"`
		What  string    `json:"what"`
		Error string    `json:"error"`
		Times int       `json:"times"`
	} `json:"last_errors"`
	WouldSend int64 `json:"would_send"`
}

// Run is one run of a flow.
type Run struct {
	ID         string    `json:"id"`
	Connection string    `json:"connection"`
	Flow       string    `json:"flow"`
	State      string    `json:"state"`
	Error      string    `json:"error"`
	AskedAt    time.Time `json:"asked_at"`
}

// AskRun is the body of POST /v1/flows/{name}/run.
type AskRun struct {
	Connection string   `json:"connection,omitempty"`
	IDs        []string `json:"ids,omitempty"`
	From       string   `json:"from,omitempty"`
	To         string   `json:"to,omitempty"`
}

// FlowTable is one flow of one connection.
type FlowTable struct {
	Connection string    `json:"connection"`
	Flow       string    `json:"flow"`
	On         string    `json:"on"`
	Cron       string    `json:"cron"`
	Zone       string    `json:"zone"`
	NextAt     time.Time `json:"next_at"`
	Last       *struct {
		Due   time.Time `json:"due"`
		State string    `json:"state"`
		Error string    `json:"error"`
	} `json:"last"`
}

// Trace is one timeline.
type Trace struct {
	Order string `json:"order"`
	Name  string `json:"name"`
	State string `json:"state"`
	Route string `json:"route"`
	Items []struct {
		At   time.Time `json:"at"`
		From string    `json:"from"`
		What string    `json:"what"`
		By   string    `json:"by"`
		More string    `json:"more"`
		Ref  string    `json:"ref"`
	} `json:"items"`
	Missing []string `json:"missing"`
}
