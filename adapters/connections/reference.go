package connections

// IsReference reports whether a text says where a secret is (env:NAME or file:/absolute/path), and is not
// the secret.
func IsReference(text string) bool { return isReference(text) }
