package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"github.com/stretchr/testify/require"
)

// keyFile writes a new private key and returns the file and its public key.
func keyFile(t *testing.T) (path, public string) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	require.NoError(t, err)
	path = filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte("# a comment\n"+id.String()+"\n"), 0o600))
	return path, id.Recipient().String()
}

func TestWhatIsEncryptedOpensWithItsKeyAlone(t *testing.T) {
	t.Parallel()
	key, public := keyFile(t)
	other, _ := keyFile(t)
	phrase := filepath.Join(t.TempDir(), "phrase")
	require.NoError(t, os.WriteFile(phrase, []byte("open sesame\n"), 0o600))
	plain := bytes.Repeat([]byte("stock "), 50_000)
	for _, row := range []struct{ with, opens backupKeys }{
		{backupKeys{to: []string{public}}, backupKeys{keyFile: key}},
		{backupKeys{keyFile: key}, backupKeys{keyFile: key}},
		{backupKeys{passphrase: phrase}, backupKeys{passphrase: phrase}},
	} {
		var file bytes.Buffer
		w, err := row.with.encrypt(&file)
		require.NoError(t, err)
		for rest := plain; len(rest) > 0; { // in pieces, as a backup comes
			n := min(len(rest), 7777)
			_, err = w.Write(rest[:n])
			require.NoError(t, err)
			rest = rest[n:]
		}
		require.NoError(t, w.Close())
		require.NotContains(t, file.String(), "stock")
		r, err := row.opens.decrypt("it", bytes.NewReader(file.Bytes()))
		require.NoError(t, err)
		got, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, plain, got)

		_, err = (&backupKeys{}).decrypt("it", bytes.NewReader(file.Bytes()))
		require.ErrorContains(t, err, "it is encrypted: give --key-file or --passphrase-file")
		_, err = (&backupKeys{keyFile: other}).decrypt("it", bytes.NewReader(file.Bytes()))
		require.ErrorContains(t, err, "decrypt it")
		r, err = row.opens.decrypt("it", bytes.NewReader(file.Bytes()[:file.Len()-1]))
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.Error(t, err, "what was cut is seen to be cut")
	}
	_, err := (&backupKeys{keyFile: key, passphrase: phrase}).recipients()
	require.Equal(t, exitUsage, statusOf(err))
	_, err = (&backupKeys{to: []string{"age1nonsense"}}).recipients()
	require.Equal(t, exitUsage, statusOf(err))
	r, err := (&backupKeys{}).decrypt("it", bytes.NewReader([]byte("x")))
	require.NoError(t, err, "what is not encrypted is left as it is")
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, "x", string(got))
}
