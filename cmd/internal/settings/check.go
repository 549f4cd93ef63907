package settings

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Peer is one node of a cluster.
type Peer struct {
	Node string
	Raft string // host:port
}

// auto has a node choose for itself.
const auto = "auto"

// check says what is wrong with text as a value of s, or returns nil.
func (s Setting) check(text string) error {
	switch s.Kind {
	case Text, Path:
		if text == "" && s.Default != "" {
			return fmt.Errorf("must not be empty")
		}
	case Name:
		return checkName(text)
	case Address:
		return checkAddress(text)
	case Entries:
		_, err := parseEntries(text)
		return err
	case Loopback:
		return checkLoopback(text)
	case Peers:
		_, err := parsePeers(text)
		return err
	case Addresses:
		_, err := parseAddresses(text)
		return err
	case Choice:
		if !slices.Contains(s.Choices, text) {
			return fmt.Errorf("%q must be one of %s", text, strings.Join(s.Choices, ", "))
		}
	case Duration:
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q must be a time above 0 such as 10s or 1m30s", text)
		}
	case Size:
		_, err := parseSize(text)
		return err
	case URL:
		u, err := url.Parse(withScheme(text))
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("%q must be a URL such as http://127.0.0.1:7480", text)
		}
	case Folder:
		if text != auto && (!filepath.IsAbs(text) || filepath.Clean(text) != text) {
			return fmt.Errorf("%q must be auto, or the absolute path of a folder", text)
		}
	case Hook, MailServer, Mailbox, Mailboxes, Times:
		return s.checkAlert(text)
	case Prefixes:
		_, err := prefixes(text)
		return err
	case File, SecretID:
	}
	return nil
}

// CheckNode checks what several settings of a node say together. The commands that ask a server do
// not need it: in a container they see half of the node's settings. The error joins every fault,
// each a *FaultError.
func (v *Values) CheckNode() error {
	var faults []error
	var missing []string
	given := 0
	for _, key := range []string{"peer.tls.cert", "peer.tls.key", "peer.tls.pins"} {
		if v.text(key) == "" {
			missing = append(missing, key)
		} else {
			given++
		}
	}
	if given > 0 && len(missing) > 0 {
		faults = append(faults, &FaultError{Key: missing[0], Origin: v.byKey[missing[0]].Origin,
			Reason: "peer.tls.cert, peer.tls.key and peer.tls.pins are set together or not at all"})
	}
	raft := v.byKey["raft"]
	if given == 0 && v.text("peer.insecure") != "true" && checkLoopback(raft.Text) != nil {
		faults = append(faults, &FaultError{Key: "raft", Origin: raft.Origin,
			Reason: fmt.Sprintf("%q can be reached from other machines, and whoever reaches it can read "+
				"and change everything: set peer.tls.cert, peer.tls.key and peer.tls.pins (`holdfast "+
				"cluster certificate` makes them), or peer.insecure to true if the network keeps "+
				"strangers out", raft.Text)})
	}
	return errors.Join(append(faults, v.alertFaults()...)...)
}

// withScheme is the URL that is meant by an address alone: one of http.
func withScheme(text string) string {
	if text == "" || strings.Contains(text, "://") {
		return text
	}
	return "http://" + text
}

// autoSize is what parseSize makes of "auto".
const autoSize = -1

// parseSize reads bytes with a unit of 1,024 and its powers, or "auto". It fails on anything else.
func parseSize(text string) (int64, error) {
	if text == "auto" {
		return autoSize, nil
	}
	digits, unit := text, int64(1)
	for i, name := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if head, ok := strings.CutSuffix(text, name); ok {
			digits, unit = head, 1<<(10*(i+1))
		}
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	if err != nil || n > math.MaxInt64/uint64(unit) {
		return 0, fmt.Errorf("%q must be auto or bytes such as 512MiB or 2GiB", text)
	}
	return int64(n) * unit, nil
}

func checkName(text string) error {
	const longest = 64 // a node's name stands in its raft id, its files and every log line
	ok := len(text) >= 1 && len(text) <= longest
	for _, c := range text {
		ok = ok && (c == '-' || c == '_' || '0' <= c && c <= '9' || 'a' <= c && c <= 'z' ||
			'A' <= c && c <= 'Z')
	}
	if !ok {
		return fmt.Errorf("%q must be 1 to %d letters, digits, dashes or underscores", text, longest)
	}
	return nil
}

func checkAddress(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("%q must be host:port such as 127.0.0.1:7480", text)
	}
	return nil
}

func checkLoopback(text string) error {
	if text == "" {
		return nil
	}
	if err := checkAddress(text); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(text)
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%q must be a loopback address such as 127.0.0.1:7482", text)
	}
	return nil
}

// parsePeers reads n1=host:port,n2=host:port in its order. Empty text is no peers and no error.
func parsePeers(text string) ([]Peer, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var all []Peer
	for part := range strings.SplitSeq(text, ",") {
		node, addr, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return nil, fmt.Errorf("%q must be name=host:port", part)
		}
		if err := checkName(node); err != nil {
			return nil, err
		}
		if err := checkAddress(addr); err != nil {
			return nil, err
		}
		for _, p := range all {
			if p.Node == node || p.Raft == addr {
				return nil, fmt.Errorf("%q is there twice", part)
			}
		}
		all = append(all, Peer{Node: node, Raft: addr})
	}
	return all, nil
}

// parseAddresses reads host:port,host:port in its order. Empty text is none and no error.
func parseAddresses(text string) ([]string, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var all []string
	for part := range strings.SplitSeq(text, ",") {
		addr := strings.TrimSpace(part)
		if err := checkAddress(addr); err != nil {
			return nil, err
		}
		all = append(all, addr)
	}
	return all, nil
}
