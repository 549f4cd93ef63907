package netsuite

import "log/slog"

// Secret is a token or a key of an account's. However it is printed, logged or marshalled, it is
// ***; only reveal gives it away.
type Secret string

const hidden = "***"

// String hides the secret.
func (Secret) String() string { return hidden }

// GoString hides the secret.
func (Secret) GoString() string { return hidden }

// MarshalText hides the secret; its error is nil.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

func (s Secret) reveal() string { return string(s) }
