package settings

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
)

// Secret is a reference to a secret, file:/path or env:NAME, or the secret itself. However it is
// printed, logged or encoded, only *** comes out; Reveal is the one way to what it stands for. The
// zero Secret is none.
type Secret struct {
	ref     string
	environ func(string) (string, bool)
}

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.ref == "" }

// Reveal reads the secret: a file without its last line break, a variable, or the text itself. The
// error names the file or the variable, never its content; an empty secret is an error too. No
// secret is "" and nil.
func (s Secret) Reveal() (string, error) {
	if path, ok := strings.CutPrefix(s.ref, "file:"); ok {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("secret file: %w", err)
		}
		text := strings.TrimRight(string(b), "\r\n")
		if text == "" {
			return "", fmt.Errorf("secret file %s is empty", path)
		}
		return text, nil
	}
	if name, ok := strings.CutPrefix(s.ref, "env:"); ok {
		look := s.environ
		if look == nil {
			look = os.LookupEnv
		}
		text, found := look(name)
		if !found || text == "" {
			return "", fmt.Errorf("secret variable %s is not set", name)
		}
		return text, nil
	}
	return s.ref, nil
}

// literal reports whether the secret itself is written, and not where it is found.
func (s Secret) literal() bool {
	return s.ref != "" && !strings.HasPrefix(s.ref, "file:") && !strings.HasPrefix(s.ref, "env:")
}

// String returns ***, or nothing when there is no secret.
func (s Secret) String() string {
	if s.IsZero() {
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
