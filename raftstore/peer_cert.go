package raftstore

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// PeerCertificate is a key with its certificate, in files.
type PeerCertificate struct {
	Cert, Key string // the files
	Pin       string // the line for everyone's file of pins
}

// MakePeerCertificate makes a key for node, and a certificate that it signs itself, in the files
// NODE.key (which only this user may read) and NODE.crt of a folder, which is made when it is not
// there. Nothing is replaced: it fails, naming the file, when one is there, and as the disk does;
// then neither of them is new.
//
// The key is Ed25519: small, no randomness in a signature that could go wrong, and every TLS 1.3 of
// Go has it. The certificate has no end (RFC 5280, 4.1.2.5): with pinned keys, a date could only be
// that of an outage.
func MakePeerCertificate(node, dir string) (PeerCertificate, error) {
	if !validNode(node) {
		return PeerCertificate{}, fmt.Errorf("node %q: %s", node, nodeRule)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return PeerCertificate{}, fmt.Errorf("make a key: %w", err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: node},
		DNSNames:     []string{node},
		NotBefore:    time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), // of any clock
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, public, private)
	if err != nil {
		return PeerCertificate{}, fmt.Errorf("make a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return PeerCertificate{}, fmt.Errorf("encode the key: %w", err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		return PeerCertificate{}, fmt.Errorf("read the certificate back: %w", err)
	}
	made := PeerCertificate{
		Cert: filepath.Join(dir, node+".crt"), Key: filepath.Join(dir, node+".key"),
		Pin: node + " " + pinOf(parsed).String(),
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return PeerCertificate{}, err
	}
	if err := writeNew(made.Key, "PRIVATE KEY", secret, 0o600); err != nil {
		return PeerCertificate{}, err
	}
	if err := writeNew(made.Cert, "CERTIFICATE", der, 0o644); err != nil {
		return PeerCertificate{}, errors.Join(err, os.Remove(made.Key))
	}
	return made, nil
}

// writeNew writes a file that is not there yet. It fails as the disk does, with no file of its own
// left.
func writeNew(file, kind string, der []byte, mode os.FileMode) error {
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Sync(), f.Close())
	if err != nil {
		return errors.Join(err, os.Remove(file))
	}
	return nil
}
