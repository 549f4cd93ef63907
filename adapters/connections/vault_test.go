package connections

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// TestSecretsStayInTheirFolder: a document that names anything else is refused, and one that was saved
// before is not read.
func TestSecretsStayInTheirFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	folder := filepath.Join(dir, "secrets")
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "..data"), 0o700))
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	other := write("other", "not to be sent")
	inside := write("secrets/token", "abc\n")
	write("secrets/..data/shop", "def\n")
	shop, out := filepath.Join(folder, "shop"), filepath.Join(folder, "out")
	require.NoError(t, os.Symlink("..data/shop", shop), "as a cluster mounts them")
	require.NoError(t, os.Symlink(other, out))
	environ := func(name string) (string, bool) { return "value of " + name, true }

	v := &Vault{Folder: folder}
	for _, x := range []struct{ ref, field, value string }{
		{"file:" + inside, "", "abc"},
		{"file:" + shop, "", "def"},
		{"env:HOLDFAST_TOKEN", "", "value of HOLDFAST_TOKEN"},
		{"file:" + other, "secrets.token", ""},
		{"file:" + folder, "secrets.token", ""},
		{"file:" + folder + "x/token", "secrets.token", ""},
		{"file:/etc/passwd", "secrets.token", ""},
		{"env:AWS_SECRET_ACCESS_KEY", "secrets.token", ""},
		{"env:XHOLDFAST_TOKEN", "secrets.token", ""},
	} {
		c := Connection{ID: "shop", Secrets: map[string]string{"token": x.ref}}
		err := v.Check(c)
		got, readErr := v.Of(c, environ).Read("token")
		if x.field == "" {
			require.NoError(t, err, x.ref)
			require.NoError(t, readErr, x.ref)
			require.Equal(t, x.value, got.Reveal())
			continue
		}
		var fault *engine.FieldError
		require.ErrorAs(t, err, &fault, x.ref)
		require.Equal(t, x.field, fault.Field)
		var secret *SecretError
		require.ErrorAs(t, readErr, &secret, x.ref)
		require.Empty(t, got.Reveal())
	}
	link := Connection{ID: "shop", Secrets: map[string]string{"token": "file:" + out}}
	require.NoError(t, v.Check(link), "only a look can tell")
	_, err := v.Of(link, environ).Read("token")
	require.Error(t, err, "it leads out of the folder")

	none := &Vault{}
	both := Connection{ID: "shop", Secrets: map[string]string{"a": "file:" + inside, "b": "env:PATH"}}
	var joined interface{ Unwrap() []error }
	require.True(t, errors.As(none.Check(both), &joined))
	require.Len(t, joined.Unwrap(), 2, "each is named")
	var anywhere *Vault
	require.NoError(t, anywhere.Check(both))
	got, err := anywhere.Of(both, environ).Read("a")
	require.NoError(t, err)
	require.Equal(t, "abc", got.Reveal())
}
