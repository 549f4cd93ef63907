package client

import "time"

// Webhook is a webhook that is sent, as the commands show it.
type Webhook struct {
	ID       string   `json:"id"`
	URL      string   `json:"url"`
	Events   []string `json:"events"`
	Mode     string   `json:"mode"`
	Standing struct {
		FailingSince time.Time `json:"failing_since"`
		LastSuccess  time.Time `json:"last_success"`
		LastError    string    `json:"last_error"`
		DisabledAt   time.Time `json:"disabled_at"`
		Why          string    `json:"why"`
		Waiting      int64     `json:"waiting"`
		Full         bool      `json:"full"`
	} `json:"standing"`
}

// Delivery is one message of a webhook.
type Delivery struct {
	ID        string    `json:"id"`
	Type      string    `json:"type"`
	OrderID   string    `json:"order_id"`
	State     string    `json:"state"`
	Tries     int       `json:"tries"`
	CreatedAt time.Time `json:"created_at"`
	LastError string    `json:"last_error"`
	Waits     string    `json:"waits"`
}
