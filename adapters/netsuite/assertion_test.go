package netsuite

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
)

func pemOf(t *testing.T, key any) Secret {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	return Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func ecKey(t *testing.T, curve elliptic.Curve) Secret {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	require.NoError(t, err)
	return pemOf(t, key)
}

func rsaKey(t *testing.T, bits int) Secret {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	require.NoError(t, err)
	return pemOf(t, key)
}

func unbase(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	require.NoError(t, err)
	return b
}

// TestES256OfTheRFC holds the way that we sign to RFC 7515, appendix A.3: its key, its signature.
func TestES256OfTheRFC(t *testing.T) {
	t.Parallel()
	point := append(append([]byte{4}, unbase(t, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")...),
		unbase(t, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")...)
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	require.NoError(t, err)
	const token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNv" +
		"bS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
	at := strings.LastIndex(token, ".")
	require.NoError(t, jwt.SigningMethodES256.Verify(token[:at], unbase(t, token[at+1:]), key))
	require.Error(t, jwt.SigningMethodES256.Verify(token[:at]+"x", unbase(t, token[at+1:]), key))
}

// TestPS256OfTheLibrary is the published vector of golang-jwt for PS256; NetSuite has none.
func TestPS256OfTheLibrary(t *testing.T) {
	t.Parallel()
	key, err := jwt.ParseRSAPublicKeyFromPEM([]byte(samplePublicKey))
	require.NoError(t, err)
	at := strings.LastIndex(samplePS256, ".")
	require.NoError(t, jwt.SigningMethodPS256.Verify(samplePS256[:at], unbase(t, samplePS256[at+1:]), key))
}

func TestAssertions(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	for alg, pem := range map[string]Secret{PS256: rsaKey(t, 3072), ES256: ecKey(t, elliptic.P256())} {
		key, err := newSigningKey(pem)
		require.NoError(t, err)
		signed, err := key.sign(assertion{client: "client", certificate: "cert-7",
			audience: "https://1.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token", at: now})
		require.NoError(t, err)
		token, err := jwt.Parse(signed.reveal(), func(*jwt.Token) (any, error) { return key.public(), nil },
			jwt.WithValidMethods([]string{alg}), jwt.WithTimeFunc(func() time.Time { return now }),
			jwt.WithIssuer("client"), jwt.WithIssuedAt(), jwt.WithExpirationRequired())
		require.NoError(t, err)
		require.Equal(t, map[string]any{"alg": alg, "typ": "JWT", "kid": "cert-7"}, token.Header)
		claims := token.Claims.(jwt.MapClaims)
		require.Equal(t, "https://1.suitetalk.api.netsuite.com/services/rest/auth/oauth2/v1/token", claims["aud"])
		require.Equal(t, []any{"rest_webservices"}, claims["scope"])
		require.Less(t, claims["exp"].(float64)-claims["iat"].(float64), 3600.0, "below an hour")
	}
}

func TestKeysThatNetSuiteRefuses(t *testing.T) {
	t.Parallel()
	for why, pem := range map[string]Secret{
		"2048 bits": rsaKey(t, 2048), "another curve": ecKey(t, elliptic.P384()),
		"no private key": "-----BEGIN CERTIFICATE-----", "": "",
	} {
		_, err := newSigningKey(pem)
		require.ErrorContains(t, err, why)
		if pem != "" {
			require.NotContains(t, err.Error(), pem.reveal())
		}
	}
}
