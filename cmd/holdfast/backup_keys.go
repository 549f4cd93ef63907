package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/spf13/pflag"
)

// backupKeys say how a backup is encrypted, by age (age-encryption.org): here and not on the server, so
// that no key ever travels, and whoever can only write backups needs none that opens them.
type backupKeys struct {
	to         []string // public keys
	keyFile    string   // a file of age-keygen, with the private keys
	passphrase string   // a file with a passphrase
}

// register adds the flags; encrypt says whether those that only encrypt are among them.
func (k *backupKeys) register(fs *pflag.FlagSet, encrypt bool) {
	if encrypt {
		fs.StringArrayVar(&k.to, "encrypt-to", nil,
			"public key (age1…) that the backup is encrypted to; may be given more than once")
	}
	fs.StringVar(&k.keyFile, "key-file", "",
		"file of age-keygen whose private keys open the backup; a backup is encrypted to them")
	fs.StringVar(&k.passphrase, "passphrase-file", "", "file with the passphrase of the backup")
}

// any reports whether there is a key at all.
func (k *backupKeys) any() bool { return len(k.to) > 0 || k.opens() }

// opens reports whether there is a key that decrypts.
func (k *backupKeys) opens() bool { return k.keyFile != "" || k.passphrase != "" }

func (k *backupKeys) readPassphrase() (string, error) {
	text, err := os.ReadFile(k.passphrase)
	if err != nil {
		return "", fmt.Errorf("passphrase: %w", err)
	}
	phrase := strings.TrimRight(string(text), "\r\n")
	if phrase == "" || strings.ContainsAny(phrase, "\r\n") {
		return "", fmt.Errorf("passphrase file %s must hold one line", k.passphrase)
	}
	return phrase, nil
}

// identities are the keys that decrypt.
func (k *backupKeys) identities() ([]age.Identity, error) {
	var all []age.Identity
	if k.keyFile != "" {
		f, err := os.Open(k.keyFile)
		if err != nil {
			return nil, fmt.Errorf("key file: %w", err)
		}
		defer f.Close()
		if all, err = age.ParseIdentities(f); err != nil {
			return nil, fmt.Errorf("key file %s: %w", k.keyFile, err)
		}
	}
	if k.passphrase != "" {
		phrase, err := k.readPassphrase()
		if err != nil {
			return nil, err
		}
		id, err := age.NewScryptIdentity(phrase)
		if err != nil {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
		all = append(all, id)
	}
	return all, nil
}

// recipients are what a backup is encrypted to. A passphrase stands alone: age mixes it with nothing.
func (k *backupKeys) recipients() ([]age.Recipient, error) {
	if k.passphrase != "" {
		if len(k.to) > 0 || k.keyFile != "" {
			return nil, usagef("a passphrase cannot be used together with other keys")
		}
		phrase, err := k.readPassphrase()
		if err != nil {
			return nil, err
		}
		r, err := age.NewScryptRecipient(phrase)
		if err != nil {
			return nil, fmt.Errorf("passphrase: %w", err)
		}
		return []age.Recipient{r}, nil
	}
	var all []age.Recipient
	if len(k.to) > 0 {
		var err error
		if all, err = age.ParseRecipients(strings.NewReader(strings.Join(k.to, "\n"))); err != nil {
			return nil, usagef("--encrypt-to: %w", err)
		}
	}
	ids, err := k.identities()
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		var r age.Recipient
		switch id := id.(type) {
		case *age.X25519Identity:
			r = id.Recipient()
		case *age.HybridIdentity:
			r = id.Recipient()
		default:
			return nil, fmt.Errorf("key file %s: a key of type %T cannot encrypt", k.keyFile, id)
		}
		all = append(all, r)
	}
	return all, nil
}

// encrypt returns a writer that encrypts to w, or w itself when there is no key. Its Close finishes
// what is written and leaves w open.
func (k *backupKeys) encrypt(w io.Writer) (io.WriteCloser, error) {
	if !k.any() {
		return plainWriter{w}, nil
	}
	to, err := k.recipients()
	if err != nil {
		return nil, err
	}
	sealed, err := age.Encrypt(w, to...)
	if err != nil {
		return nil, fmt.Errorf("encrypt: %w", err)
	}
	return sealed, nil
}

type plainWriter struct{ io.Writer }

// Close returns nil.
func (plainWriter) Close() error { return nil }

// ageIntro is how an encrypted file begins.
const ageIntro = "age-encryption.org/"

// decrypt returns what is in r, decrypted if it is encrypted. It fails when there is no key for it.
func (k *backupKeys) decrypt(name string, r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	start, err := in.Peek(len(ageIntro))
	if string(start) != ageIntro {
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return in, nil
	}
	if !k.opens() {
		return nil, usagef("%s is encrypted: give --key-file or --passphrase-file", name)
	}
	ids, err := k.identities()
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(in, ids...)
	if err != nil {
		return nil, fmt.Errorf("decrypt %s: %w", name, err)
	}
	return plain, nil
}
