package connections

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/engine"
)

// shop is a document that is valid.
func shop() Connection {
	return Connection{ID: "shop", Kind: "shopify", Mode: Observe, Endpoint: "https://shop.example",
		Account: "shop.example", Secrets: map[string]string{"token": "env:SHOP_TOKEN"},
		Flows: map[string]Flow{"publish": {On: OnEvent}}}
}

func TestEveryFaultNamesItsField(t *testing.T) {
	t.Parallel()
	c := shop()
	require.NoError(t, c.Validate())
	flow := func(f Flow) func(*Connection) {
		return func(c *Connection) { c.Flows = map[string]Flow{"publish": f} }
	}
	secret := func(ref string) func(*Connection) {
		return func(c *Connection) { c.Secrets = map[string]string{"token": ref} }
	}
	for i, x := range []struct {
		change func(*Connection)
		field  string
	}{
		{func(c *Connection) { c.ID = "" }, "id"},
		{func(c *Connection) { c.ID = "a/b" }, "id"},
		{func(c *Connection) { c.ID = "a:b" }, "id"},
		{func(c *Connection) { c.Kind = "magento" }, "kind"},
		{func(c *Connection) { c.Mode = "off" }, "mode"},
		{func(c *Connection) { c.Channel = "a b" }, "channel"},
		{func(c *Connection) { c.Endpoint = "shop.example" }, "endpoint"},
		{func(c *Connection) { c.Endpoint = "ftp://shop.example" }, "endpoint"},
		{func(c *Connection) { c.Endpoint = "http://shop.example" }, "endpoint"},
		{func(c *Connection) { c.Endpoint = "https://me:pw@shop.example" }, "endpoint"},
		{func(c *Connection) { c.Endpoint = "https://shop.example?token=x" }, "endpoint"},
		{func(c *Connection) { c.Account = "a\nb" }, "account"},
		{func(c *Connection) { c.Marketplaces = []string{"A", "A"} }, "marketplaces[1]"},
		{func(c *Connection) { c.Marketplaces = []string{""} }, "marketplaces[0]"},
		{func(c *Connection) { c.OrdersFrom = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC) }, "orders_from"},
		{func(c *Connection) { c.Secrets = map[string]string{"To Ken": "env:X"} }, "secrets"},
		{secret("shpat_0123456789"), "secrets.token"},
		{secret("env:"), "secrets.token"},
		{secret("env:A B"), "secrets.token"},
		{secret("file:token"), "secrets.token"},
		{secret("file:/a/../b"), "secrets.token"},
		{func(c *Connection) { c.Flows = map[string]Flow{"Publish": {}} }, "flows"},
		{flow(Flow{On: "sometimes"}), "flows.publish.on"},
		{flow(Flow{On: OnSchedule}), "flows.publish.cron"},
		{flow(Flow{On: OnOff, Cron: "* * * * *"}), "flows.publish.cron"},
		{flow(Flow{On: OnSchedule, Cron: "* * *"}), "flows.publish.cron"},
		{flow(Flow{On: OnSchedule, Cron: "* * * * *", Zone: "Mars/Base"}), "flows.publish.zone"},
		{flow(Flow{On: OnEvent, Quiet: "all day"}), "flows.publish.quiet"},
		{func(c *Connection) { c.Locations = map[string]string{"1": "a b"} }, "locations.1"},
		{func(c *Connection) { c.Locations = map[string]string{"": "main"} }, "locations"},
		{func(c *Connection) { c.Settings = json.RawMessage(`[1]`) }, "settings"},
		{func(c *Connection) { c.Settings = json.RawMessage(`null`) }, "settings"},
		{func(c *Connection) {
			c.Settings = json.RawMessage(`{"a":"` + strings.Repeat("x", maxSettings) + `"}`)
		}, "settings"},
	} {
		c := shop()
		x.change(&c)
		err := c.Validate()
		var fault *engine.FieldError
		require.True(t, errors.As(err, &fault), "%d: %v", i, err)
		require.Equal(t, x.field, fault.Field, "%d: %s", i, fault.Reason)
		require.NotContains(t, err.Error(), "shpat_", "a fault never repeats a secret")
	}
	bad := shop()
	bad.Kind, bad.Mode, bad.Account = "x", "y", "\x01"
	for _, field := range []string{"kind", "mode", "account"} {
		require.ErrorContains(t, bad.Validate(), field, "all faults at once")
	}
}

func TestEndpointsThatAreNear(t *testing.T) {
	t.Parallel()
	for host, good := range map[string]bool{"127.0.0.1:8080": true, "[::1]:80": true, "10.1.2.3": true,
		"simulator:9000": true, "localhost": true, "shop.localhost": true, "8.8.8.8": false,
		"shop.example": false} {
		c := shop()
		c.Endpoint = "http://" + host
		require.Equal(t, good, c.Validate() == nil, host)
	}
}

func TestSecretsAreReadWhenTheyAreUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "token")
	c := shop()
	c.Secrets = map[string]string{"token": "file:" + file, "key": "env:KEY", "gone": "env:GONE"}
	s := NewSecrets(c, func(name string) (string, bool) {
		return map[string]string{"KEY": "hush-env"}[name], name == "KEY"
	})
	_, err := s.Read("token")
	require.ErrorContains(t, err, file, "it says where it looked")
	require.NoError(t, os.WriteFile(file, []byte("hush-1\n"), 0o600))
	first, err := s.Read("token")
	require.NoError(t, err)
	require.Equal(t, "hush-1", first.Reveal())
	require.NoError(t, os.WriteFile(file, []byte("hush-2\r\n"), 0o600))
	second, err := s.Read("token")
	require.NoError(t, err)
	require.Equal(t, "hush-2", second.Reveal(), "a rotated secret is the next one that is used")
	key, err := s.Read("key")
	require.NoError(t, err)
	require.Equal(t, "hush-env", key.Reveal())
	var missing *SecretError
	for _, name := range []string{"gone", "other"} {
		_, err = s.Read(name)
		require.ErrorAs(t, err, &missing)
		require.Equal(t, name, missing.Name)
	}
	require.NoError(t, os.WriteFile(file, []byte("\n"), 0o600))
	_, err = s.Read("token")
	require.ErrorContains(t, err, "empty")
	require.NoError(t, os.WriteFile(file, make([]byte, maxSecret+1), 0o600))
	_, err = s.Read("token")
	require.ErrorContains(t, err, "over 65536 bytes")

	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", second, "all", s)
	text, err := json.Marshal(map[string]any{"s": second})
	require.NoError(t, err)
	shown := log.String() + string(text) + fmt.Sprintf("%v %+v %#v %s %q %x %d", second, second, second,
		second, second, second, second)
	require.NotContains(t, shown, "hush")
	require.NotContains(t, shown, fmt.Sprintf("%x", "hush"))
	require.Contains(t, shown, "***")
}

func TestOrdersFrom(t *testing.T) {
	t.Parallel()
	c := shop()
	then := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	require.True(t, c.Forwards(then), "without it every order is")
	c.OrdersFrom = then
	require.True(t, c.Forwards(then))
	require.False(t, c.Forwards(then.Add(-time.Nanosecond)))
}
