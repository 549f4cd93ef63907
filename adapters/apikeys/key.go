package apikeys

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
	"time"
)

// Role is what a key may do. Each may also do what the ones before it may; the zero Role may nothing.
type Role uint8

// The roles.
const (
	Read  Role = iota + 1 // looks at everything but the keys
	Write                 // moves stock, sells, and works on what the flows left to people
	Admin                 // also keys, members, backups, and connections with their secrets
)

// roleNames are the words of the wire.
var roleNames = [...]string{Read: "read", Write: "write", Admin: "admin"}

// String is the word of the wire.
func (r Role) String() string {
	if int(r) < len(roleNames) {
		return roleNames[r]
	}
	return ""
}

// ParseRole reads the word of the wire; ok is false for any other.
func ParseRole(word string) (r Role, ok bool) {
	for r := Read; r <= Admin; r++ {
		if roleNames[r] == word {
			return r, true
		}
	}
	return 0, false
}

// Key is an API key without its secret.
type Key struct {
	ID        string
	Name      string
	Role      Role
	PerSecond int64 // most requests a second on each node; 0 is no limit
	CreatedAt time.Time
	CreatedBy string
	RevokedAt time.Time // zero while it is live
	RevokedBy string
	Version   uint64 // index of the entry that wrote it
}

// Live reports whether the key still opens anything.
func (k *Key) Live() bool { return k.RevokedAt.IsZero() }

// Limits of a key.
const (
	MaxName      = 100       // bytes
	MaxPerSecond = 1_000_000 // requests
	MaxKeys      = 1000      // live ones
)

// Token is what a caller shows: hf_, the key's id, an underscore and the secret. It prints as ***.
type Token string

// String hides the token.
func (Token) String() string { return "***" }

// GoString hides the token from %#v.
func (Token) GoString() string { return "***" }

// MarshalText hides the token from encoders; the error is nil.
func (Token) MarshalText() ([]byte, error) { return []byte("***"), nil }

// Reveal is the token itself, for the one answer that shows it.
func (t Token) Reveal() string { return string(t) }

const (
	tokenMark   = "hf_"
	idLength    = 12 // 60 bits: ids only have to differ
	secretBytes = 32
)

// letters is base32 without capitals: a double click selects a token whole.
var letters = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

var tokenLength = len(tokenMark) + idLength + 1 + letters.EncodedLen(secretBytes)

// newToken makes a token and says its key's id and what is kept of it.
func newToken() (id string, token Token, digest [sha256.Size]byte) {
	var random [8 + secretBytes]byte
	rand.Read(random[:]) // never fails: the process ends first
	id = letters.EncodeToString(random[:8])[:idLength]
	token = Token(tokenMark + id + "_" + letters.EncodeToString(random[8:]))
	return id, token, sha256.Sum256([]byte(token))
}

// idOf finds the id in what a caller shows, without saying that it is right.
func idOf(token []byte) (id []byte, ok bool) {
	if len(token) != tokenLength || string(token[:len(tokenMark)]) != tokenMark ||
		token[len(tokenMark)+idLength] != '_' {
		return nil, false
	}
	return token[len(tokenMark) : len(tokenMark)+idLength], true
}

// isID reports whether a text can be the id of a key.
func isID(text string) bool {
	return len(text) == idLength && strings.Trim(text, "abcdefghijklmnopqrstuvwxyz234567") == ""
}

// document is a key as its record has it.
type document struct {
	Name      string     `json:"name"`
	Role      string     `json:"role"`
	PerSecond int64      `json:"per_second,omitempty"`
	Digest    []byte     `json:"digest"` // SHA-256 of the token
	CreatedAt time.Time  `json:"created_at"`
	CreatedBy string     `json:"created_by"`
	RevokedAt *time.Time `json:"revoked_at,omitempty"`
	RevokedBy string     `json:"revoked_by,omitempty"`
}

// key is the document as others see it. It fails when the record was not written by a Desk.
func (d *document) key(id string, version uint64) (Key, error) {
	role, ok := ParseRole(d.Role)
	if !ok || len(d.Digest) != sha256.Size {
		return Key{}, fmt.Errorf("the record of API key %s of index %d is no key", id, version)
	}
	k := Key{ID: id, Name: d.Name, Role: role, PerSecond: d.PerSecond, CreatedAt: d.CreatedAt,
		CreatedBy: d.CreatedBy, RevokedBy: d.RevokedBy, Version: version}
	if d.RevokedAt != nil {
		k.RevokedAt = *d.RevokedAt
	}
	return k, nil
}
