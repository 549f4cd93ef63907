package netsuite

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The algorithms that NetSuite takes and that this build signs with. RS256 is refused there.
const (
	PS256 = "PS256"
	ES256 = "ES256"
)

// minRSA is the shortest RSA key that NetSuite takes, in bits.
const minRSA = 3072

// assertionLife is how long a signed assertion may be used: it is used at once, and NetSuite takes
// any life below an hour. backdated is by how much our clock may be ahead of theirs.
const (
	assertionLife = 5 * time.Minute
	backdated     = 30 * time.Second
)

// signingKey is the private key of a certificate that was uploaded to NetSuite.
type signingKey struct {
	method jwt.SigningMethod
	key    crypto.PrivateKey
}

// newSigningKey reads a private key in PEM (PKCS #8, PKCS #1 or SEC 1). The key decides the algorithm.
// It fails for a key that NetSuite would refuse; the error has nothing of the key.
func newSigningKey(pem Secret) (signingKey, error) {
	text := []byte(pem.reveal())
	if key, err := jwt.ParseRSAPrivateKeyFromPEM(text); err == nil {
		if n := key.N.BitLen(); n < minRSA {
			return signingKey{}, fmt.Errorf("the RSA key has %d bits; NetSuite takes 3072 or 4096", n)
		}
		return signingKey{jwt.SigningMethodPS256, key}, nil
	}
	key, err := jwt.ParseECPrivateKeyFromPEM(text)
	if err != nil {
		return signingKey{}, errors.New("private_key is no private key of RSA or EC in PEM")
	}
	if key.Curve != elliptic.P256() {
		return signingKey{}, errors.New("the EC key is of another curve than P-256, which ES256 needs")
	}
	return signingKey{jwt.SigningMethodES256, key}, nil
}

// assertion is who asks for a token.
type assertion struct {
	client      string // the client id of the integration record
	certificate string // the id of the mapping of the certificate
	audience    string // the address of the token endpoint
	at          time.Time
}

// sign makes the JWT of an assertion. Its audience is one text, as in Oracle's example, and no list. It
// fails when the key cannot sign.
func (k signingKey) sign(a assertion) (Secret, error) {
	issued := a.at.Add(-backdated)
	token := jwt.NewWithClaims(k.method, jwt.MapClaims{
		"iss": a.client, "aud": a.audience, "scope": []string{"rest_webservices"},
		"iat": issued.Unix(), "exp": issued.Add(assertionLife).Unix(),
	})
	token.Header["kid"] = a.certificate
	signed, err := token.SignedString(k.key)
	if err != nil {
		return "", fmt.Errorf("sign the assertion: %w", err)
	}
	return Secret(signed), nil
}

// public is the public half, for a test and for a check of the certificate.
func (k signingKey) public() crypto.PublicKey {
	switch key := k.key.(type) {
	case *rsa.PrivateKey:
		return &key.PublicKey
	case *ecdsa.PrivateKey:
		return &key.PublicKey
	}
	return nil
}
