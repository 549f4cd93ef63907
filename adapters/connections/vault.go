package connections

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"holdfast/engine"
)

// Vault says where the secrets of connections may be on this node. Whoever may write a connection
// chooses the system that its secrets are sent to: without a Vault any file that the node may read, and
// any variable that it has, could be sent anywhere. A nil Vault knows no bounds.
type Vault struct {
	// Folder is an absolute path: files are below it, also when links are followed. Empty: there are none.
	Folder string
}

// variablePrefix is what the names of variables begin with.
const variablePrefix = "HOLDFAST_"

// Check refuses a document whose secrets are elsewhere: nil, or every fault as an *engine.FieldError,
// joined. What a link leads to is seen when the secret is read.
func (v *Vault) Check(c Connection) error {
	if v == nil {
		return nil
	}
	var all []error
	for _, name := range slices.Sorted(maps.Keys(c.Secrets)) {
		if must := v.must(c.Secrets[name]); must != "" {
			all = append(all, &engine.FieldError{Field: "secrets." + name, Reason: must})
		}
	}
	return errors.Join(all...)
}

// must says what is wrong with where a secret is; "" is nothing.
func (v *Vault) must(ref string) string {
	file, isFile := strings.CutPrefix(ref, "file:")
	switch {
	case !isFile && strings.HasPrefix(strings.TrimPrefix(ref, "env:"), variablePrefix):
		return ""
	case !isFile:
		return "must be a variable whose name begins with " + variablePrefix
	case v.Folder == "":
		return "must not be a file: the node has no folder of secrets; its setting secrets names one"
	}
	if rel, err := filepath.Rel(v.Folder, file); err != nil || !filepath.IsLocal(rel) || rel == "." {
		return "must be a file below " + v.Folder
	}
	return ""
}

// Of makes the Secrets of a connection, as [NewSecrets] does, within the bounds.
func (v *Vault) Of(c Connection, environ func(string) (string, bool)) Secrets {
	s := NewSecrets(c, environ)
	s.vault = v
	return s
}

// open opens a file that a secret names; a link that leads out of the folder is not followed.
func (v *Vault) open(file string) (*os.File, error) {
	if v == nil {
		return os.Open(file)
	}
	rel, err := filepath.Rel(v.Folder, file)
	if err != nil {
		return nil, err
	}
	return os.OpenInRoot(v.Folder, rel)
}

func (v *Vault) read(file string) (string, error) {
	f, err := v.open(file)
	if err != nil {
		return "", err // an *os.PathError: operation, path and reason
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err == nil && len(b) > maxSecret {
		err = fmt.Errorf("file %s is over %d bytes", file, maxSecret)
	}
	return string(b), err
}
