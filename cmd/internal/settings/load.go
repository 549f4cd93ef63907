package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Sources are the places where settings come from, the strongest first.
type Sources struct {
	Flags   *pflag.FlagSet // flags that were not given on the command line do not count
	Environ []string       // NAME=value
	File    string         // a YAML file; empty is none
}

// Value is one setting with its text and where that came from.
type Value struct {
	Setting
	Text   string
	Origin string // "flag --http", "environment HOLDFAST_HTTP", "file x.yaml" or "default"
}

// Values are all settings of the table. They are checked: what they give out is valid.
type Values struct {
	byKey map[string]Value
	look  func(string) (string, bool)
}

// FaultError is one fault of one setting.
type FaultError struct {
	Key, Origin, Reason string
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("%s (%s): %s", e.Key, e.Origin, e.Reason)
}

// Load reads and checks all settings. The error joins every fault, each a *FaultError; a file that
// cannot be read or parsed is an error that names it.
func Load(src Sources) (*Values, error) {
	layers, err := readLayers(src)
	if err != nil {
		return nil, err
	}
	v := &Values{byKey: map[string]Value{}, look: lookup(src.Environ)}
	faults := unknownKeys(layers)
	for _, s := range table {
		val, err := pickValue(s, layers)
		if err == nil {
			err = s.check(val.Text)
		}
		if err != nil {
			faults = append(faults, &FaultError{Key: s.Key, Origin: val.Origin, Reason: err.Error()})
		}
		v.byKey[s.Key] = val
	}
	if len(faults) == 0 {
		faults = v.checkTogether()
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return v, nil
}

// layer is one source after it was read.
type layer struct {
	origin func(Setting) string
	file   bool
	ko     *koanf.Koanf
}

// readLayers reads the sources, the strongest first; the defaults are the table's own.
func readLayers(src Sources) ([]layer, error) {
	flags, environ, fromFile := koanf.New("."), koanf.New("."), koanf.New(".")
	if src.Flags != nil {
		byFlag := func(f *pflag.Flag) (string, any) {
			for _, s := range table {
				if s.Flag() == f.Name && f.Changed {
					if list, ok := f.Value.(pflag.SliceValue); ok {
						return s.Key, strings.Join(list.GetSlice(), ",")
					}
					return s.Key, f.Value.String()
				}
			}
			return "", nil
		}
		if err := flags.Load(posflag.ProviderWithFlag(src.Flags, ".", nil, byFlag), nil); err != nil {
			return nil, fmt.Errorf("read flags: %w", err)
		}
	}
	// Only the names of the table count: a container platform sets names of its own with this prefix.
	// An empty variable counts as none, as compose files and unit files cannot leave one out.
	byName := func(name, text string) (string, any) {
		for _, s := range table {
			if s.Env() == name && text != "" {
				return s.Key, text
			}
		}
		return "", nil
	}
	err := environ.Load(env.Provider(".", env.Opt{Prefix: envPrefix, TransformFunc: byName,
		EnvironFunc: func() []string { return src.Environ }}), nil)
	if err != nil {
		return nil, fmt.Errorf("read environment: %w", err)
	}
	if src.File != "" {
		if err := fromFile.Load(file.Provider(src.File), yaml.Parser()); err != nil {
			var path *fs.PathError
			if errors.As(err, &path) {
				return nil, fmt.Errorf("settings file: %w", err)
			}
			return nil, fmt.Errorf("settings file %s: %w", src.File, err)
		}
	}
	return []layer{
		{origin: func(s Setting) string { return "flag --" + s.Flag() }, ko: flags},
		{origin: func(s Setting) string { return "environment " + s.Env() }, ko: environ},
		{origin: func(Setting) string { return "file " + src.File }, file: true, ko: fromFile},
	}, nil
}

// pickValue takes the strongest layer's value of s, else the default. The error says that a file
// holds something that cannot be this setting; the Value then still says where.
func pickValue(s Setting, layers []layer) (Value, error) {
	for _, l := range layers {
		if !l.ko.Exists(s.Key) {
			continue
		}
		val := Value{Setting: s, Origin: l.origin(s)}
		var err error
		val.Text, err = textOf(s, l.ko.Get(s.Key))
		if err == nil && l.file && s.Kind == SecretID && (Secret{ref: val.Text}).literal() {
			val.Text = ""
			err = errors.New("write file:/path or env:NAME in place of the secret itself")
		}
		return val, err
	}
	return Value{Setting: s, Text: s.Default, Origin: "default"}, nil
}

// textOf turns a value of the file into text. Peers may be a map of names to addresses.
func textOf(s Setting, raw any) (string, error) {
	switch x := raw.(type) {
	case nil:
		return "", nil
	case map[string]any:
		if s.Kind != Peers {
			return "", errors.New("must be one value and not a section")
		}
		var parts []string
		for node, addr := range x {
			parts = append(parts, fmt.Sprintf("%s=%v", node, addr))
		}
		sort.Strings(parts)
		return strings.Join(parts, ","), nil
	case []any:
		if !slices.Contains([]Kind{Peers, Entries, Addresses, Mailboxes, Prefixes}, s.Kind) {
			return "", errors.New("must be one value and not a list")
		}
		var parts []string
		for _, p := range x {
			parts = append(parts, fmt.Sprint(p))
		}
		return strings.Join(parts, ","), nil
	default:
		return fmt.Sprint(x), nil
	}
}

// unknownKeys finds keys of the file that the table does not have.
func unknownKeys(layers []layer) []error {
	var faults []error
	for _, l := range layers {
		keys := l.ko.Keys()
		slices.Sort(keys)
		for _, key := range keys {
			if _, ok := find(key); ok || strings.HasPrefix(key, "peers.") {
				continue
			}
			reason := "there is no such setting; `holdfast config show` lists all"
			faults = append(faults, &FaultError{Key: key, Origin: l.origin(Setting{}), Reason: reason})
		}
	}
	return faults
}

// checkTogether checks what needs several settings.
func (v *Values) checkTogether() []error {
	node, peers := v.byKey["node"], v.byKey["peers"]
	list, _ := parsePeers(peers.Text)
	if len(list) == 0 {
		return nil
	}
	var faults []error
	own := slices.IndexFunc(list, func(p Peer) bool { return p.Node == node.Text })
	switch {
	case own < 0:
		faults = append(faults, &FaultError{Key: "peers", Origin: peers.Origin,
			Reason: fmt.Sprintf("must list this node, %q, too", node.Text)})
	case v.byKey["raft"].Origin == "default":
		s, _ := find("raft")
		v.byKey["raft"] = Value{Setting: s, Text: list[own].Raft, Origin: peers.Origin}
	}
	return faults
}

// lookup finds names in an environment of NAME=value.
func lookup(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range environ {
			if n, text, ok := strings.Cut(e, "="); ok && n == name {
				return text, true
			}
		}
		return "", false
	}
}
