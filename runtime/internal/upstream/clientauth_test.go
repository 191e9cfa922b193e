package upstream

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// newKey returns a key pair, the private part in PEM.
func newKey(t *testing.T) (ed25519.PublicKey, oauth.Secret) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return public, oauth.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestCredentialsTravelAsTheirMethodSays(t *testing.T) {
	t.Parallel()
	_, key := newKey(t)
	for method, c := range map[facts.AuthMethod]struct {
		authorization string
		members       []string
		body, header  bool
	}{
		facts.AuthBasic:         {"Basic " + base64.StdEncoding.EncodeToString([]byte("my+client%2F1:test+secret%26")), nil, false, true},
		facts.AuthBearer:        {"Bearer test secret&", nil, false, true},
		facts.AuthPost:          {"", []string{"client_id", "client_secret"}, true, false},
		facts.AuthPrivateKeyJWT: {"", []string{"client_assertion", "client_assertion_type", "client_id"}, true, false},
		facts.AuthNone:          {"", []string{"client_id"}, false, false},
	} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			auth, err := NewClientAuth(facts.Credentials{
				ClientID: "my client/1", ClientSecret: "test secret&", AuthMethod: method, ClientKey: key,
			}, "https://idp.example.com/token", time.Now)
			if err != nil {
				t.Fatal(err)
			}
			header, members := http.Header{}, url.Values{}
			if err := auth.Add(header, members); err != nil {
				t.Fatal(err)
			}
			var names []string
			for name := range members {
				names = append(names, name)
			}
			slices.Sort(names)
			if header.Get("Authorization") != c.authorization || !slices.Equal(names, c.members) {
				t.Errorf("header %q, members %q", header.Get("Authorization"), names)
			}
			if auth.NeedsBody() != c.body || auth.NeedsHeader() != c.header || auth.Method() != method {
				t.Errorf("needs a body: %t, needs the header: %t", auth.NeedsBody(), auth.NeedsHeader())
			}
			if text := fmt.Sprintf("%v %+v %#v", auth, *auth, auth); strings.Contains(text, "test secret") || strings.Contains(text, "PRIVATE") {
				t.Error("it prints what is secret")
			}
		})
	}
}

func TestCredentialsThatCannotBeSent(t *testing.T) {
	t.Parallel()
	_, key := newKey(t)
	for name, c := range map[string]struct {
		credentials facts.Credentials
		audience    string
		want        string
	}{
		"no method":       {facts.Credentials{ClientID: "c"}, "a", "is not known"},
		"another method":  {facts.Credentials{ClientID: "c", AuthMethod: "tls_client_auth"}, "a", `"tls_client_auth" is not known`},
		"no client id":    {facts.Credentials{ClientSecret: "s", AuthMethod: facts.AuthPost}, "a", "ClientID is required"},
		"no secret":       {facts.Credentials{ClientID: "c", AuthMethod: facts.AuthBasic}, "a", "ClientSecret is required"},
		"no API key":      {facts.Credentials{AuthMethod: facts.AuthBearer}, "a", "ClientSecret is required"},
		"no key":          {facts.Credentials{ClientID: "c", AuthMethod: facts.AuthPrivateKeyJWT}, "a", "not a private key in PEM"},
		"a secret as key": {facts.Credentials{ClientID: "c", AuthMethod: facts.AuthPrivateKeyJWT, ClientKey: "test-key"}, "a", "not a private key in PEM"},
		"no audience":     {facts.Credentials{ClientID: "c", AuthMethod: facts.AuthPrivateKeyJWT, ClientKey: key}, "", "needs an audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := NewClientAuth(c.credentials, c.audience, time.Now)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "test-key") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// An assertion is signed, for one audience, good for a minute, and different each time (RFC 7523
// section 3).
func TestAssertions(t *testing.T) {
	t.Parallel()
	public, key := newKey(t)
	now := time.Unix(1_800_000_000, 0)
	auth, err := NewClientAuth(facts.Credentials{
		ClientID: "client-1", AuthMethod: facts.AuthPrivateKeyJWT, ClientKey: key, ClientKeyID: "key-1",
	}, "https://idp.example.com/token", func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for range 3 {
		members := url.Values{}
		if err := auth.Add(http.Header{}, members); err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(members.Get("client_assertion"), ".")
		if len(parts) != 3 || members.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
			t.Fatalf("%d parts of type %q", len(parts), members.Get("client_assertion_type"))
		}
		signature, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil || !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), signature) {
			t.Fatal("the signature is not ours")
		}
		var header struct{ Alg, Kid string }
		var claims struct {
			Iss, Sub, Aud, Jti string
			Iat, Exp           int64
		}
		for i, into := range []any{&header, &claims} {
			text, err := base64.RawURLEncoding.DecodeString(parts[i])
			if err != nil || json.Unmarshal(text, into) != nil {
				t.Fatal("not JSON")
			}
		}
		ids[claims.Jti] = true
		if header.Alg != "EdDSA" || header.Kid != "key-1" || claims.Iss != "client-1" || claims.Sub != "client-1" ||
			claims.Aud != "https://idp.example.com/token" || claims.Iat != now.Unix() || claims.Exp != now.Unix()+60 {
			t.Errorf("header %+v, claims %+v", header, claims)
		}
	}
	if len(ids) != 3 {
		t.Errorf("%d different jti in three assertions", len(ids))
	}
}
