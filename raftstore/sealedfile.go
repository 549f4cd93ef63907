package raftstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/zeebo/xxh3"
)

// A sealed file is a small JSON document that a person can read, behind one line that says what it
// is, in which version, and the checksum of all that follows. It is replaced whole.
type sealedFile struct {
	kind    string // the word in the first line, such as "current"
	version int
	// step, when set, is called before each step of a replacement; an error ends it right there, as
	// a crash would. Tests use it.
	step func(name string) error
}

// line is the first line of a file with this body.
func (s sealedFile) line(body []byte) string {
	return fmt.Sprintf("holdfast %s %d xxh3=%016x\n", s.kind, s.version, xxh3.Hash(body))
}

// replace writes v to path so that after a crash the file is the old one or the new one, never a
// mixture: beside it, synced, renamed over it, and the folder synced. An error leaves it open which
// of the two is found after a restart.
func (s sealedFile) replace(path string, v any) error {
	body, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	body = append(body, '\n')
	text := append([]byte(s.line(body)), body...)
	beside := path + ".tmp"
	steps := []struct {
		name string
		do   func() error
	}{
		{"write beside", func() error { return os.WriteFile(beside, text, 0o640) }},
		{"sync beside", func() error { return syncPath(beside) }},
		{"rename", func() error { return os.Rename(beside, path) }},
		{"sync folder", func() error { return syncPath(filepath.Dir(path)) }},
	}
	for _, step := range steps {
		if s.step != nil {
			if err := s.step(s.kind + ": " + step.name); err != nil {
				return err
			}
		}
		if err := step.do(); err != nil {
			return fmt.Errorf("replace %s: %s: %w", path, step.name, err)
		}
	}
	return nil
}

// read fills v from path. It returns *CorruptError when the file is not one that replace wrote, and
// the error of the file system (os.ErrNotExist when there is none).
func (s sealedFile) read(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	line, body, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return damaged(path, "it has no first line")
	}
	if want := s.line(body); string(line)+"\n" != want {
		return damaged(path, "its first line is %q, want %q", line, want[:len(want)-1])
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return damaged(path, "%v", err)
	}
	return nil
}

// syncPath makes a file or a folder durable through a descriptor of its own.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return fmt.Errorf("sync %s: %w", path, err)
	}
	return nil
}
