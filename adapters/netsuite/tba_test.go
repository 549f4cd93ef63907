package netsuite

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// oracles are the dummy credentials of Oracle's help, "The Signature for Web Services and RESTlets".
var oracles = tbaKeys{
	consumerKey:    "ef40afdd8abaac111b13825dd5e5e2ddddb44f86d5a0dd6dcf38c20aae6b67e4",
	consumerSecret: "d26ad321a4b2f23b0741c8d38392ce01c3e23e109df6c96eac6d099e9ab9e8b5",
	tokenID:        "2b0ce516420110bcbd36b69e99196d1b7f6de3c6234c5afb799b73d87569f5cc",
	tokenSecret:    "c29a677df7d5439a458c063654187e3d678d73aca8e3c9d8bea1478a3eb0d295",
}

func parsed(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func TestSignaturesAreOracles(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ method, url, signature string }{
		{"POST", "https://123456.restlets.api.netsuite.com/app/site/hosting/restlet.nl?script=6&deploy=1" +
			"&customParam=someValue&testParam=someOtherValue",
			"%2BKK4SKNgz4ZiILGLwOMtfYlgcXSy1eis8ldE9X90azQ%3D"},
		{"GET", "https://123456.suitetalk.api.netsuite.com/services/rest/record/v1/employee/40",
			"B5OIWznZ2YP0OB7VrJrGkYsTh%2B8H%2B5T9Hag%2Bo92q0zY%3D"},
	} {
		header := oracles.authorize(tbaRequest{method: c.method, url: parsed(t, c.url), realm: "123456",
			nonce: "fjaLirsIcCGVZWzBX0pg", at: time.Unix(1508242306, 0)})
		require.Contains(t, header, `oauth_signature="`+c.signature+`"`)
		require.Contains(t, header, `OAuth realm="123456",oauth_consumer_key="`)
		require.NotContains(t, header, oracles.consumerSecret.reveal())
		require.NotContains(t, header, oracles.tokenSecret.reveal())
	}
}

// TestTheBaseStringOfTheRFC is the example of RFC 5849, section 3.4.1.1, without its body parameters,
// which are of a form.
func TestTheBaseStringOfTheRFC(t *testing.T) {
	t.Parallel()
	r := tbaRequest{method: "post", url: parsed(t, "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b")}
	got := baseString(r, [][2]string{{"oauth_consumer_key", "9djdj82h48djs9d2"},
		{"oauth_token", "kkk9d7dh3k39sjv7"}, {"oauth_signature_method", "HMAC-SHA1"},
		{"oauth_timestamp", "137131201"}, {"oauth_nonce", "7d8f3e4a"}, {"c2", ""}, {"a3", "2 q"}})
	require.Equal(t, "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%25"+
		"3D%25253D%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26"+
		"oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7", got)
}
