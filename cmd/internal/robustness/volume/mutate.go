package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Damage is one change to one file of a node that is down.
type Damage struct {
	File string // below the data folder
	What string
}

// How a file can be damaged.
var damages = []struct {
	what string
	do   func(data []byte, chance *rand.Rand) []byte
}{
	{"one bit flipped", func(p []byte, r *rand.Rand) []byte {
		p[r.IntN(len(p))] ^= 1 << r.IntN(8)
		return p
	}},
	{"64 bytes overwritten", func(p []byte, r *rand.Rand) []byte {
		at := r.IntN(len(p))
		for i := at; i < min(at+64, len(p)); i++ {
			p[i] = byte(r.Uint32())
		}
		return p
	}},
	{"one page zeroed", func(p []byte, r *rand.Rand) []byte {
		const page = 4096
		at := r.IntN(len(p)) / page * page
		clear(p[at:min(at+page, len(p))])
		return p
	}},
	{"cut off", func(p []byte, r *rand.Rand) []byte { return p[:r.IntN(len(p))] }},
	{"bytes behind its end", func(p []byte, r *rand.Rand) []byte {
		for range 1 + r.IntN(200) {
			p = append(p, byte(r.Uint32()))
		}
		return p
	}},
	{"gone", func([]byte, *rand.Rand) []byte { return nil }},
}

// numbers are what tells files of one kind apart.
var numbers = regexp.MustCompile(`[0-9a-f]{6,}|[0-9]+`)

// Mutate damages one file in dir of those that only chooses, by their paths in it: first a kind of
// file is drawn, so that a kind with many files does not take all, then one of that kind, then the
// damage. It fails with the error of the file system.
func Mutate(dir string, only func(file string) bool, chance *rand.Rand) (Damage, error) {
	kinds := map[string][]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "LOCK" {
			return err
		}
		info, err := d.Info()
		if err != nil || info.Size() == 0 {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || !only(rel) {
			return err
		}
		kind := numbers.ReplaceAllString(rel, "#")
		kinds[kind] = append(kinds[kind], rel)
		return nil
	})
	if err != nil {
		return Damage{}, err
	}
	if len(kinds) == 0 {
		return Damage{}, fmt.Errorf("%s: no file that could be damaged", dir)
	}
	var names []string
	for kind := range kinds {
		names = append(names, kind)
	}
	slices.Sort(names)
	files := kinds[names[chance.IntN(len(names))]]
	how := damages[chance.IntN(len(damages))]
	d := Damage{File: files[chance.IntN(len(files))], What: how.what}
	return d, d.apply(filepath.Join(dir, d.File), how.do, chance)
}

// apply changes a file in place. Damage falls on what was written: most of a file of the log is
// room for what comes.
func (d Damage) apply(path string, do func([]byte, *rand.Rand) []byte, chance *rand.Rand) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	used := len(strings.TrimRight(string(data), "\x00"))
	rest := data[max(used, 1):]
	changed := do(slices.Clone(data[:max(used, 1)]), chance)
	if changed == nil {
		return os.Remove(path)
	}
	if d.What != "cut off" && len(rest) > 0 {
		changed = append(changed, rest[min(len(rest), max(0, len(changed)-max(used, 1))):]...)
	}
	if err := os.WriteFile(path, changed, 0o640); err != nil {
		return fmt.Errorf("damage %s: %w", path, err)
	}
	return nil
}

// Save copies the data folder to path; Restore puts the copy back. The node must be down. They fail
// with the error of the file system.
func (v *Volume) Save(path string) error { return copyTree(path, v.Dir) }

// Restore puts back what Save copied, durably; it fails as Save.
func (v *Volume) Restore(path string) error {
	if err := copyTree(v.Dir, path); err != nil {
		return err
	}
	return v.Sync()
}

// Sync makes everything on the volume durable: what the harness itself wrote must not be lost in a
// power cut that comes later. It fails with the error of the file system.
func (v *Volume) Sync() error {
	f, err := os.Open(v.Dir)
	if err != nil {
		return err
	}
	return errors.Join(unix.Syncfs(int(f.Fd())), f.Close())
}
