package raftstore

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// peerPin is the SHA-256 of a certificate's SubjectPublicKeyInfo: of its key, whatever else it says.
type peerPin [sha256.Size]byte

func pinOf(c *x509.Certificate) peerPin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

const pinPrefix = "sha256:"

func (p peerPin) String() string { return pinPrefix + hex.EncodeToString(p[:]) }

func parsePin(text string) (p peerPin, err error) {
	digits, ok := strings.CutPrefix(text, pinPrefix)
	if ok {
		ok = len(digits) == 2*len(p)
	}
	if ok {
		_, err := hex.Decode(p[:], []byte(digits))
		ok = err == nil
	}
	if !ok {
		return p, fmt.Errorf("%q must be %s and 64 hexadecimal digits", text, pinPrefix)
	}
	return p, nil
}

// pinTable holds one or two pins of each node. Two, so that a node may change its key: the new pin
// is added everywhere, the node changes over, the old one is taken out everywhere.
type pinTable []nodePin

type nodePin struct {
	node string
	pin  peerPin
}

// pinsPerNode is what a change of key needs. More would be keys that somebody forgot to take out.
const pinsPerNode = 2

// nameOf says whose pin p is. It compares in constant time and with all.
func (t pinTable) nameOf(p peerPin) (node string, ok bool) {
	for _, known := range t {
		if subtle.ConstantTimeCompare(known.pin[:], p[:]) == 1 {
			node, ok = known.node, true
		}
	}
	return node, ok
}

func (t pinTable) has(node string) bool {
	for _, known := range t {
		if known.node == node {
			return true
		}
	}
	return false
}

func (t pinTable) lines() []string {
	var all []string
	for _, known := range t {
		all = append(all, known.node+" "+known.pin.String())
	}
	return all
}

// readPins reads a file of lines "n1 sha256:HEX"; empty lines, and what follows a #, say nothing. It
// fails with all faults of the file, each with its line, joined.
func readPins(file string) (pinTable, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var table pinTable
	var faults []error
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		entry, err := table.parse(words)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s, line %d: %w", file, n, err))
			continue
		}
		table = append(table, entry)
	}
	if err := lines.Err(); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", file, err))
	}
	return table, errors.Join(faults...)
}

// parse reads the words of one line, which comes after those of t.
func (t pinTable) parse(words []string) (nodePin, error) {
	if len(words) != 2 {
		return nodePin{}, errors.New("must be a node's name and its pin, such as n1 sha256:…")
	}
	if !validNode(words[0]) {
		return nodePin{}, fmt.Errorf("node %q: %s", words[0], nodeRule)
	}
	p, err := parsePin(words[1])
	if err != nil {
		return nodePin{}, err
	}
	if owner, taken := t.nameOf(p); taken {
		return nodePin{}, fmt.Errorf("the pin is there already, for %s: each node needs a key of its own",
			owner)
	}
	count := 1
	for _, known := range t {
		if known.node == words[0] {
			count++
		}
	}
	if count > pinsPerNode {
		return nodePin{}, fmt.Errorf("node %s has more than %d pins: take the old ones out", words[0],
			pinsPerNode)
	}
	return nodePin{node: words[0], pin: p}, nil
}
