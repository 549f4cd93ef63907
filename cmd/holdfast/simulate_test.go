package main

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"holdfast/adapters/amazon"
	"holdfast/adapters/amazon/queue"
	"holdfast/adapters/amazon/spapi"
	"holdfast/adapters/connections"
	"holdfast/adapters/netsuite"
)

// TestSimulate runs the command as a process: its ready line, the bodies of connections, a call that
// a fault of the file answers, one that is answered truly, and a signal that ends it with 0.
func TestSimulate(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	faults, file := filepath.Join(folder, "faults.yaml"), filepath.Join(folder, "conn.json")
	require.NoError(t, os.WriteFile(faults,
		[]byte("shopify: {faults: [{id: one, kind: locked, count: 1}]}\n"+
			"amazon: {faults: [{id: two, kind: throttled, operation: token, count: 1}]}\n"+
			"netsuite: {faults: [{id: three, kind: concurrency, count: 1}]}\n"), 0o600))
	cmd := exec.Command(os.Args[0], "simulate", "--speed", "60", "--skus", "3", "--faults", faults,
		"--connections", file)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	ready := regexp.MustCompile(`^holdfast simulate ready shopify=(\S+) amazon=(\S+) sqs=(\S+) ` +
		`netsuite=(\S+)\n$`).FindStringSubmatch(line)
	require.NotNil(t, ready, line)
	addr := ready[1]

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var bodies map[string]connections.Connection
	require.NoError(t, json.Unmarshal(text, &bodies))
	require.Len(t, bodies, 5)
	c := bodies["shopify-beta"]
	assert.Equal(t, []string{"shopify", "observe", "http://" + addr + "/beta", "beta.myshopify.com"},
		[]string{c.Kind, c.Mode, c.Endpoint, c.Account})
	assert.Len(t, c.Locations, 2)
	assert.Equal(t, "http://"+ready[2]+"/eu", bodies["amazon-de"].Endpoint)
	assert.Equal(t, "http://"+ready[4], bodies["netsuite"].Endpoint)
	require.NotContains(t, string(text), "shpat_", "no secret is in the bodies")
	token, err := os.ReadFile(strings.TrimPrefix(c.Secrets["token"], "file:"))
	require.NoError(t, err)

	call := func() (int, string) {
		r, err := http.NewRequest("POST", c.Endpoint+"/admin/api/2026-10/graphql.json",
			strings.NewReader(`{"query":"{ shop { name } }"}`))
		require.NoError(t, err)
		r.Header.Set("X-Shopify-Access-Token", strings.TrimSpace(string(token)))
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		defer res.Body.Close()
		assert.Equal(t, "60", res.Header.Get("X-Simulate-Speed"))
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return res.StatusCode, string(body)
	}
	status, _ := call()
	assert.Equal(t, http.StatusLocked, status)
	status, body := call()
	assert.Equal(t, http.StatusOK, status)
	assert.Contains(t, body, `"name":"beta"`)

	checkSeller(t, bodies["amazon-de"], ready[3])
	checkBooks(t, bodies["netsuite"])
	controlAll(t, ready[1:])

	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	assert.NoError(t, cmd.Wait(), "it ends with 0")
}

// checkSeller works with the body of a seller as a node would: its adapter takes it, a call that is
// throttled at first is answered, and a message is read off its queue.
func checkSeller(t *testing.T, c connections.Connection, addr string) {
	require.NoError(t, amazon.Kind{}.Check(c))
	assert.Empty(t, amazon.Obstacles(c))
	var set amazon.Settings
	require.NoError(t, json.Unmarshal(c.Settings, &set))
	assert.Equal(t, 60, set.Speed)
	secrets := (*connections.Vault)(nil).Of(c, nil)
	client, err := spapi.NewClient(spapi.Config{Endpoint: c.Endpoint, TokenEndpoint: set.TokenEndpoint,
		Secret: secrets.Read, Speed: set.Speed, Now: time.Now})
	require.NoError(t, err)
	listing, err := client.Listing(t.Context(), spapi.ListingKey{SellerID: c.Account, SKU: "SKU-0001",
		Marketplaces: c.Marketplaces[:1]}, spapi.WithAvailability)
	require.NoError(t, err)
	assert.Equal(t, "SKU-0001", listing.SKU)

	assert.Equal(t, "http://"+addr, set.QueueEndpoint)
	api, err := queue.Open(queue.Access{URL: set.Queue, Region: set.QueueRegion,
		Endpoint: set.QueueEndpoint, Key: func() (id, secret, session string, err error) {
			return "simulated", "simulated", "", nil
		}})
	require.NoError(t, err)
	_, err = api.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &set.Queue})
	require.NoError(t, err)
}

// checkBooks works with the body of the account of NetSuite: its adapter takes it, and it logs in
// though it was told once that too many calls are under way.
func checkBooks(t *testing.T, c connections.Connection) {
	require.NoError(t, netsuite.Kind{}.Check(c))
	secrets := (*connections.Vault)(nil).Of(c, nil)
	client, err := netsuite.NewClient(netsuite.ClientConfig{Account: netsuite.AccountID(c.Account),
		Endpoint: c.Endpoint, Auth: netsuite.Certificate,
		Secret: func(name string) (netsuite.Secret, error) {
			secret, err := secrets.Read(name)
			return netsuite.Secret(secret.Reveal()), err
		}})
	require.NoError(t, err)
	var rows []netsuite.Row
	require.NoError(t, client.Query(t.Context(), "F7", "SELECT id FROM location WHERE id = 1",
		func(page []netsuite.Row) error { rows = append(rows, page...); return nil }))
	assert.Len(t, rows, 1)
}

// controlAll tries the controls that every simulator has.
func controlAll(t *testing.T, addrs []string) {
	for _, addr := range []string{addrs[0], addrs[1], addrs[3]} {
		for path, body := range map[string]string{"sales": `{"count":2}`, "stock": `{}`, "edits": `{}`,
			"cancel": `{"orders":[]}`, "faults": `{"clear":true}`} {
			res, err := http.Post("http://"+addr+"/_sim/"+path, "application/json",
				strings.NewReader(body))
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			assert.Equal(t, http.StatusOK, res.StatusCode, "%s %s", addr, path)
		}
		for _, path := range []string{"returns", "clock"} { // no such order; not a manual clock
			res, err := http.Post("http://"+addr+"/_sim/"+path, "application/json",
				strings.NewReader(`{"advance_ms":1,"order":"none"}`))
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			assert.Equal(t, http.StatusBadRequest, res.StatusCode, "%s %s", addr, path)
		}
		for _, path := range []string{"state", "journal"} {
			res, err := http.Get("http://" + addr + "/_sim/" + path)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			assert.Equal(t, http.StatusOK, res.StatusCode, "%s %s", addr, path)
		}
	}
}
