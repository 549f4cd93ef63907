package outhooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"
)

// secretPrefix begins a secret of Standard Webhooks; base64 follows.
const secretPrefix = "whsec_"

// The length of a secret in bytes, as the specification wants it.
const (
	minSecret = 24
	maxSecret = 64
)

// signingKey reads a secret. It fails for one that is none; the error has nothing of it.
func signingKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(secret, secretPrefix)
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !ok || len(key) < minSecret || len(key) > maxSecret {
		return nil, errors.New("must be whsec_ and 24 to 64 bytes in base64")
	}
	return key, nil
}

// signature is the value of the header webhook-signature: one signature for each key, with a space
// between them. A receiver takes the message when one of them is right.
func signature(keys [][]byte, id string, at time.Time, body []byte) string {
	list := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		list[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(list, " ")
}
