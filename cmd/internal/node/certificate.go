package node

import "holdfast/raftstore"

// Certificate is a new key with its certificate, in files, and the line by which the other nodes
// know it.
type Certificate struct{ Cert, Key, Pin string }

// MakeCertificate makes the files of a node in a folder, which it makes too. Nothing is replaced: it
// fails, naming the file, when one is there.
func MakeCertificate(node, dir string) (Certificate, error) {
	made, err := raftstore.MakePeerCertificate(node, dir)
	return Certificate(made), err
}
