package shopify

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// ofTheBuyer are the members of a body that say who the buyer is, or let somebody act for him.
var ofTheBuyer = map[string]bool{
	"billing_address": true, "browser_ip": true, "cart_token": true, "checkout_token": true,
	"client_details": true, "contact_email": true, "customer": true, "customer_email": true,
	"customer_locale": true, "default_address": true, "destination": true, "email": true,
	"landing_site": true, "landing_site_ref": true, "note": true, "order_status_url": true,
	"payment_details": true, "phone": true, "receipt": true, "referring_site": true, "token": true,
	"first_name": true, "last_name": true, "address1": true, "address2": true, "company": true,
	"latitude": true, "longitude": true, "city": true, "staff_note": true, "origin_address": true,
	"attributed_staffs": true, "user_id": true, "authorization": true, "properties": true,
}

// addresses have a name that is the buyer's; that of an order or a line is not.
var addresses = map[string]bool{"shipping_address": true}

// withoutBuyer is a body as it may be kept. What is no JSON is kept as its length only: nobody
// knows what is in it.
func withoutBuyer(body []byte) any {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // an id must not become a float
	var v any
	if err := dec.Decode(&v); err != nil {
		return "not JSON, " + strconv.Itoa(len(body)) + " bytes"
	}
	return strip(v)
}

func strip(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, inner := range v {
			switch {
			case ofTheBuyer[k]:
				delete(v, k)
			case addresses[k]:
				if m, ok := inner.(map[string]any); ok {
					delete(m, "name")
					strip(m)
				}
			default:
				strip(inner)
			}
		}
	case []any:
		for _, inner := range v {
			strip(inner)
		}
	}
	return v
}
