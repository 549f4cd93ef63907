package shopify

import (
	"encoding/json"
	"errors"
	"strconv"
)

// changeFrom is what a quantity must be before it is changed. A nil pointer in its place would be
// written as null, and Shopify reads null as "whatever is there": so there is no pointer, and the
// zero value cannot be sent. Make one with comparing or blind.
type changeFrom struct {
	text string // JSON; empty: nobody has said
}

// comparing has the call refused as stale unless the quantity is q.
func comparing(q int64) changeFrom { return changeFrom{strconv.FormatInt(q, 10)} }

// blind changes the quantity whatever it is: right for a delta, which commutes with every sale.
func blind() changeFrom { return changeFrom{"null"} }

var errChangeFromUnset = errors.New("nobody has said what the quantity is changed from")

// MarshalJSON fails with the zero value: then nothing is sent.
func (c changeFrom) MarshalJSON() ([]byte, error) {
	if c.text == "" {
		return nil, errChangeFromUnset
	}
	return []byte(c.text), nil
}

var _ json.Marshaler = changeFrom{}

// quantityName is the state of stock that we write: what can be sold.
const quantityName = "available"

// The inputs of stock. A test demands that each row has a changeFrom that is always written.
type (
	adjustInput struct {
		Changes   []adjustRow `json:"changes"`
		Name      string      `json:"name"`
		Reason    string      `json:"reason"`
		Reference string      `json:"referenceDocumentUri,omitempty"`
	}
	adjustRow struct {
		Item  gid        `json:"inventoryItemId"`
		Place gid        `json:"locationId"`
		Delta int64      `json:"delta"`
		From  changeFrom `json:"changeFromQuantity"`
	}
	setInput struct {
		Quantities []setRow `json:"quantities"`
		Name       string   `json:"name"`
		Reason     string   `json:"reason"`
		Reference  string   `json:"referenceDocumentUri,omitempty"`
	}
	setRow struct {
		Item     gid        `json:"inventoryItemId"`
		Place    gid        `json:"locationId"`
		Quantity int64      `json:"quantity"`
		From     changeFrom `json:"changeFromQuantity"`
	}
)

type adjustVars struct {
	Input adjustInput `json:"input"`
	Key   string      `json:"key"`
}

type setVars struct {
	Input setInput `json:"input"`
	Key   string   `json:"key"`
}

type activateVars struct {
	Item  gid    `json:"item"`
	Place gid    `json:"place"`
	Key   string `json:"key"`
}
