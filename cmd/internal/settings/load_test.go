package settings

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/raftstore"
)

func TestPrecedence(t *testing.T) {
	t.Parallel()
	for _, s := range Table() {
		if s.Kind == Peers || s.Key == "node" {
			continue // their values depend on each other; see TestPeers
		}
		values := sample(t, s)
		for _, c := range []struct {
			name            string
			flag, env, file bool
			want, origin    string
		}{
			{"default", false, false, false, s.Default, "default"},
			{"file", false, false, true, values[2], "file "},
			{"environment over file", false, true, true, values[1], "environment " + s.Env()},
			{"flag over all", true, true, true, values[0], "flag --" + s.Flag()},
			{"flag over file", true, false, true, values[0], "flag --" + s.Flag()},
			{"environment alone", false, true, false, values[1], "environment " + s.Env()},
		} {
			t.Run(s.Key+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				src := Sources{Flags: pflag.NewFlagSet("x", pflag.ContinueOnError)}
				Register(src.Flags, All)
				if c.flag {
					require.NoError(t, src.Flags.Parse([]string{"--" + s.Flag(), values[0]}))
				}
				if c.env {
					src.Environ = []string{"HOLDFAST_PORT=tcp://10.0.0.1:1", s.Env() + "=" + values[1]}
				}
				if c.file {
					src.File = yamlFile(t, nested(s.Key, values[2]))
				}
				v, err := Load(src)
				require.NoError(t, err)
				assert.Equal(t, c.want, v.text(s.Key))
				assert.True(t, strings.HasPrefix(v.byKey[s.Key].Origin, c.origin), v.byKey[s.Key].Origin)
			})
		}
	}
}

// sample gives three different valid values for s: of the flag, the environment and the file.
func sample(t *testing.T, s Setting) [3]string {
	t.Helper()
	switch s.Kind {
	case Address, Loopback:
		return [3]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	case Addresses:
		return [3]string{"a:1", "b:2,c:3", "127.0.0.1:3"}
	case Choice:
		return [3]string{s.Choices[0], s.Choices[1], s.Choices[len(s.Choices)-1]}
	case Size:
		return [3]string{"1MiB", "2", "auto"}
	case Duration:
		return [3]string{"1s", "2s", "3s"}
	case URL:
		return [3]string{"http://a:1", "http://b:2", "https://c"}
	case SecretID:
		return [3]string{"hf_secret", "env:A", "file:/b"}
	case Hook:
		return [3]string{"https://a/x", "http://b:2", "https://c"}
	case MailServer:
		return [3]string{"a:25", "b:587", "c:25"}
	case Mailbox:
		return [3]string{"a@a.example", "b@b.example", "c@c.example"}
	case Mailboxes:
		return [3]string{"a@a.example,b@b.example", "b@b.example", "c@c.example"}
	case Folder:
		return [3]string{"/run/secrets", "/a", "auto"}
	case Prefixes:
		return [3]string{"10.0.0.0/8,127.0.0.0/8", "fd00::/8", "192.168.1.7/32"}
	case Times:
		return [3]string{"2", "60", "1000"}
	case Entries:
		return [3]string{"1:0000000000000001,2:0000000000000002", "3:0000000000000003",
			"4:0000000000000004"}
	case Name, Path, Text, File:
		return [3]string{"a", "b", "c"}
	}
	t.Fatalf("no sample for %s", s.Key)
	return [3]string{}
}

func nested(key, text string) string {
	var b strings.Builder
	for i, word := range strings.Split(key, ".") {
		if i > 0 {
			b.WriteString("\n" + strings.Repeat("  ", i))
		}
		b.WriteString(word + ":")
	}
	return b.String() + fmt.Sprintf(" %q\n", text)
}

func yamlFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "holdfast.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// TestSecretsHaveAFolder: whoever can be reached from other machines names one, or takes no file.
func TestSecretsHaveAFolder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		environ []string
		want    Secrets
	}{
		{nil, Secrets{Anywhere: true}},
		{[]string{"HOLDFAST_HTTP=0.0.0.0:7480"}, Secrets{}},
		{[]string{"HOLDFAST_HTTP=:7480"}, Secrets{}},
		{[]string{"HOLDFAST_HTTP=0.0.0.0:7480", "HOLDFAST_SECRETS=/run/secrets"},
			Secrets{Folder: "/run/secrets"}},
		{[]string{"HOLDFAST_SECRETS=/run/secrets"}, Secrets{Folder: "/run/secrets"}},
	} {
		v, err := Load(Sources{Environ: c.environ})
		require.NoError(t, err)
		assert.Equal(t, c.want, v.Node().Secrets, c.environ)
	}
	for _, text := range []string{"secrets", "/run/../etc", "/run/"} {
		_, err := Load(Sources{Environ: []string{"HOLDFAST_SECRETS=" + text}})
		require.ErrorContains(t, err, "absolute path", text)
	}
}

func TestPeers(t *testing.T) {
	t.Parallel()
	want := []Peer{{"n1", "127.0.0.1:1"}, {"n2", "127.0.0.1:2"}, {"n3", "127.0.0.1:3"}}
	for name, text := range map[string]string{
		"text": "node: n2\npeers: n1=127.0.0.1:1,n2=127.0.0.1:2,n3=127.0.0.1:3\n",
		"map":  "node: n2\npeers:\n  n1: 127.0.0.1:1\n  n2: 127.0.0.1:2\n  n3: 127.0.0.1:3\n",
		"list": "node: n2\npeers: ['n1=127.0.0.1:1', 'n2=127.0.0.1:2', 'n3=127.0.0.1:3']\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := Load(Sources{File: yamlFile(t, text)})
			require.NoError(t, err)
			assert.Equal(t, want, v.Node().Peers)
			assert.Equal(t, "127.0.0.1:2", v.Node().Raft, "the own entry is the default of raft")
		})
	}
	v, err := Load(Sources{Environ: []string{"HOLDFAST_PEERS=n1=h:1", "HOLDFAST_RAFT=0.0.0.0:1"}})
	require.NoError(t, err)
	assert.Equal(t, "0.0.0.0:1", v.Node().Raft, "what was set stays")
}

func TestFaultsAreJoinedAndNamed(t *testing.T) {
	t.Parallel()
	path := yamlFile(t, "htpp: x\nnode: 'a b'\nlog:\n  level: loud\nkey: hf_plain\ndata: [a]\n")
	_, err := Load(Sources{File: path, Environ: []string{
		"HOLDFAST_HTTP=7480", "HOLDFAST_ADMIN=0.0.0.0:1", "HOLDFAST_TIMEOUT=-1s", "HOLDFAST_SERVER=ftp://x",
	}})
	require.Error(t, err)
	for _, want := range []string{
		"htpp (file " + path + "): there is no such setting",
		`node (file ` + path + `): "a b" must be 1 to 64 letters`,
		`log.level (file ` + path + `): "loud" must be one of debug, info, warn, error`,
		"key (file " + path + "): write file:/path or env:NAME",
		"data (file " + path + "): must be one value and not a list",
		`http (environment HOLDFAST_HTTP): "7480" must be host:port`,
		`admin (environment HOLDFAST_ADMIN): "0.0.0.0:1" must be a loopback address`,
		`timeout (environment HOLDFAST_TIMEOUT): "-1s" must be a time above 0`,
		`server (environment HOLDFAST_SERVER): "ftp://x" must be a URL`,
	} {
		assert.Contains(t, err.Error(), want)
	}
	assert.NotContains(t, err.Error(), "hf_plain", "a secret is never repeated")
	for _, c := range []struct{ peers, want string }{
		{"n1", "must be name=host:port"},
		{"n1=h:1,n1=h:2", "is there twice"},
		{"n1=h:1,n2=h:1", "is there twice"},
		{"n2=h:1", `must list this node, "n1", too`},
		{"n1=h", "must be host:port"},
	} {
		_, err := Load(Sources{Environ: []string{"HOLDFAST_PEERS=" + c.peers}})
		require.ErrorContains(t, err, c.want)
	}
}

func TestSizes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"auto": -1, "0": 0, "7": 7, "1KiB": 1 << 10,
		"512MiB": 512 << 20, "2GiB": 2 << 30, "3TiB": 3 << 40} {
		v, err := Load(Sources{Environ: []string{"HOLDFAST_DISK_MIN=" + text}})
		require.NoError(t, err, text)
		assert.Equal(t, want, v.Node().Disk.Min, text)
	}
	for _, text := range []string{"x", "-1", "1 GiB", "1GB", "1.5GiB", "9000000TiB", "MiB"} {
		_, err := Load(Sources{Environ: []string{"HOLDFAST_DISK_MIN=" + text}})
		assert.ErrorContains(t, err, "disk.min", text)
	}
}

func TestServerWithoutASchemeIsHTTP(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1:7480": "http://127.0.0.1:7480", "localhost:1/": "http://localhost:1",
		"[::1]:7480": "http://[::1]:7480", "node-1": "http://node-1",
		"https://h:1/": "https://h:1", "http://h": "http://h",
	} {
		v, err := Load(Sources{Environ: []string{"HOLDFAST_SERVER=" + text}})
		require.NoError(t, err, text)
		assert.Equal(t, want, v.Client().Server)
	}
	for _, text := range []string{"h:port", "a b", "://h", "unix:///tmp/x"} {
		_, err := Load(Sources{Environ: []string{"HOLDFAST_SERVER=" + text}})
		assert.ErrorContains(t, err, "must be a URL", text)
	}
}

func TestBadFilesAreNamed(t *testing.T) {
	t.Parallel()
	_, err := Load(Sources{File: "/does/not/exist.yaml"})
	require.ErrorContains(t, err, "/does/not/exist.yaml")
	path := yamlFile(t, "node: a\nnode: b\n")
	_, err = Load(Sources{File: path})
	require.ErrorContains(t, err, path)
	require.ErrorContains(t, err, "already defined")
}

func TestSecretsNeverShow(t *testing.T) {
	t.Parallel()
	const canary = "hf_canary"
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(canary+"\n"), 0o600))
	environ := []string{"OTHER=" + canary, "EMPTY="}
	for ref, wantErr := range map[string]string{
		canary: "", "env:OTHER": "", "file:" + path: "",
		"env:EMPTY": "secret variable EMPTY is not set", "file:/none/x": "/none/x",
	} {
		v, err := Load(Sources{Environ: append([]string{"HOLDFAST_KEY=" + ref}, environ...)})
		require.NoError(t, err)
		key := v.Client().Key
		got, err := key.Reveal()
		if wantErr != "" {
			require.ErrorContains(t, err, wantErr)
		} else {
			require.NoError(t, err)
			assert.Equal(t, canary, got)
		}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "key", key, "all", v.Client())
		asJSON, err := json.Marshal(v.Client())
		require.NoError(t, err)
		shown := log.String() + string(asJSON) + fmt.Sprintf("%v %+v %#v %s %q %x %d", key, v.Client(),
			v.Client(), key, key, key, key) + fmt.Sprint(v.All())
		assert.NotContains(t, shown, canary)
		assert.NotContains(t, shown, fmt.Sprintf("%x", canary))
		assert.Contains(t, shown, "***")
	}
}

func TestReferenceHasEverySetting(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, Reference(&b))
	for _, s := range Table() {
		assert.Contains(t, b.String(), "`--"+s.Flag()+"`")
		assert.Contains(t, b.String(), "`"+s.Env()+"`")
	}
}

func TestAnOpenPeerPortIsSecuredOrMeant(t *testing.T) {
	t.Parallel()
	tls := []string{"HOLDFAST_PEER_TLS_CERT=c", "HOLDFAST_PEER_TLS_KEY=k", "HOLDFAST_PEER_TLS_PINS=p"}
	for _, c := range []struct {
		environ []string
		fault   string
	}{
		{nil, ""},
		{[]string{"HOLDFAST_RAFT=[::1]:1"}, ""},
		{[]string{"HOLDFAST_RAFT=0.0.0.0:1"}, `raft (environment HOLDFAST_RAFT): "0.0.0.0:1" can be reached`},
		{[]string{"HOLDFAST_RAFT=:1"}, "peer.insecure"},
		{[]string{"HOLDFAST_PEERS=n1=10.0.0.1:1"}, "peer.tls.cert"},
		{[]string{"HOLDFAST_RAFT=0.0.0.0:1", "HOLDFAST_PEER_INSECURE=true"}, ""},
		{append([]string{"HOLDFAST_RAFT=0.0.0.0:1"}, tls...), ""},
		{tls[:1], "peer.tls.key (default): peer.tls.cert, peer.tls.key and peer.tls.pins are set together"},
		{tls[1:], "peer.tls.cert (default)"},
	} {
		v, err := Load(Sources{Environ: c.environ})
		require.NoError(t, err)
		if err := v.CheckNode(); c.fault == "" {
			assert.NoError(t, err, c.environ)
		} else {
			assert.ErrorContains(t, err, c.fault, c.environ)
		}
	}
}

func TestEntriesMayBeGivenMoreThanOnce(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("x", pflag.ContinueOnError)
	Register(fs, All)
	require.NoError(t, fs.Parse([]string{"--skip-entry", "1:0000000000000001", "--skip-entry",
		"2:0000000000000abc"}))
	v, err := Load(Sources{Flags: fs})
	require.NoError(t, err)
	assert.Equal(t, []raftstore.SkipEntry{{Index: 1, Checksum: 1}, {Index: 2, Checksum: 0xabc}},
		v.Node().SkipEntries)
	v, err = Load(Sources{File: yamlFile(t, "skip:\n  entry: ['1:0000000000000001', '2:0000000000000002']\n")})
	require.NoError(t, err)
	assert.Len(t, v.Node().SkipEntries, 2)
	for _, text := range []string{"1", "1:1", "1:0000000000000001,1:0000000000000002"} {
		_, err := Load(Sources{Environ: []string{"HOLDFAST_SKIP_ENTRY=" + text}})
		assert.ErrorContains(t, err, "skip.entry", text)
	}
}
