package connections

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// Secret is the value of a secret while it is used. However it is printed, logged or encoded, only
// *** comes out; Reveal is the one way to it. The zero Secret is none.
type Secret struct{ value string }

// SecretOf makes a Secret of a value that was not read from the connection, such as a token that was
// got with its credentials.
func SecretOf(value string) Secret { return Secret{value} }

// Reveal returns the value, for a header or a signature. It must not be kept.
func (s Secret) Reveal() string { return s.value }

// String returns ***, or nothing when there is no secret.
func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return "***"
}

// GoString is String, for %#v.
func (s Secret) GoString() string { return s.String() }

// Format writes String whatever the verb, so that not even %x shows the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String, for slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText is String, for JSON and YAML; the error is always nil.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Secrets reads the secrets of one connection, on the node that uses them. It is safe for
// concurrent use. A file is read at each use, some 20 µs beside a call over the internet, so a
// secret that was rotated is the next one that is sent, without a restart.
type Secrets struct {
	id      string
	refs    map[string]string
	environ func(string) (string, bool)
	vault   *Vault
}

// NewSecrets makes the Secrets of a connection. environ looks a variable up; nil is the process's.
func NewSecrets(c Connection, environ func(string) (string, bool)) Secrets {
	if environ == nil {
		environ = os.LookupEnv
	}
	return Secrets{id: c.ID, refs: c.Secrets, environ: environ}
}

// maxSecret bounds a file: a key is some hundred bytes, and a wrong path may be anything.
const maxSecret = 64 << 10

// SecretError says that a secret cannot be had. Its text names where it was looked for, never what
// was found.
type SecretError struct {
	Connection, Name string
	Reason           string
}

// Error names the connection and the secret.
func (e *SecretError) Error() string {
	return fmt.Sprintf("secret %s of connection %s: %s", e.Name, e.Connection, e.Reason)
}

// Code returns the wire name: the credentials are at fault, not the other system.
func (e *SecretError) Code() string { return "secret-missing" }

// Retryable reports true: the file may be there a moment later.
func (e *SecretError) Retryable() bool { return true }

// Read returns the secret of a name as it is now. It fails with *SecretError.
func (s Secrets) Read(name string) (Secret, error) {
	ref, ok := s.refs[name]
	fail := func(reason string) (Secret, error) {
		return Secret{}, &SecretError{Connection: s.id, Name: name, Reason: reason}
	}
	if !ok {
		return fail("the connection names none")
	}
	if s.vault != nil { // a document may be older than the bounds, or come from another node
		if must := s.vault.must(ref); must != "" {
			return fail(must)
		}
	}
	if variable, ok := strings.CutPrefix(ref, "env:"); ok {
		value, _ := s.environ(variable)
		if value == "" {
			return fail("variable " + variable + " is not set on this node")
		}
		return Secret{value}, nil
	}
	file := strings.TrimPrefix(ref, "file:")
	value, err := s.vault.read(file)
	if err != nil {
		return fail(err.Error())
	}
	if value = strings.TrimRight(value, "\r\n"); value == "" {
		return fail("file " + file + " is empty")
	}
	return Secret{value}, nil
}

// Has reports whether the connection names a secret; it may still not be there.
func (s Secrets) Has(name string) bool { return s.refs[name] != "" }
