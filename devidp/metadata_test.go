package devidp_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
)

func TestMetadata(t *testing.T) {
	t.Parallel()
	t.Run("is at both well-known places of an issuer without a path", func(t *testing.T) { // AS-1
		t.Parallel()
		idp := devidp.Start(t)
		for _, path := range []string{"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"} {
			m := get(t, idp, idp.URL(path)).json(t)
			for name, want := range map[string]string{
				"issuer": idp.Issuer(), "authorization_endpoint": idp.URL("/authorize"), "token_endpoint": idp.URL("/token"),
				"jwks_uri": idp.URL("/jwks"), "registration_endpoint": idp.URL("/register"), "userinfo_endpoint": idp.URL("/userinfo"),
				"introspection_endpoint": idp.URL("/introspect"), "revocation_endpoint": idp.URL("/revoke"),
			} {
				if m[name] != want {
					t.Errorf("%s: %s is %v, want %s", path, name, m[name], want)
				}
			}
			methods, _ := m["code_challenge_methods_supported"].([]any)
			if len(methods) != 1 || methods[0] != "S256" { // AS-2
				t.Errorf("code_challenge_methods_supported is %v", methods)
			}
			if m["authorization_response_iss_parameter_supported"] != true { // AS-3
				t.Error("iss in authorization responses is not announced")
			}
			if m["client_id_metadata_document_supported"] != nil {
				t.Error("client metadata documents are announced, though they are off")
			}
		}
	})
	for name, suffix := range map[string]string{"with a path": "/realms/dev", "with a path and a slash": "/realms/dev/"} {
		t.Run("is inserted and appended for an issuer "+name, func(t *testing.T) { // AS-1, RFC 8414 section 3.1
			t.Parallel()
			idp := devidp.Start(t, func(c *devidp.Config) { c.Issuer += suffix })
			places := oauth.AuthorizationServerMetadataURLs(idp.Issuer())
			places = append(places, oauth.AppendWellKnown(idp.Issuer(), oauth.WellKnownAuthorizationServer))
			for _, place := range places {
				if m := get(t, idp, place).json(t); m["issuer"] != idp.Issuer() {
					t.Errorf("%s: issuer is %v", place, m["issuer"])
				}
			}
			for _, suffix := range []string{oauth.WellKnownAuthorizationServer, oauth.WellKnownOpenID} {
				if answer := get(t, idp, oauth.RootWellKnown(idp.Issuer(), suffix)); answer.status != http.StatusNotFound {
					t.Errorf("root form: status %d", answer.status)
				}
			}
		})
	}
	t.Run("announces the configured scopes", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t, func(c *devidp.Config) { c.Scopes = []string{"openid", "tools:read"} })
		if got := idp.Metadata().ScopesSupported; !slices.Equal(got, []string{"openid", "tools:read"}) {
			t.Errorf("scopes are %v", got)
		}
	})
}

func keySet(t *testing.T, idp *devidp.TestServer) *jose.Set {
	t.Helper()
	set, err := jose.ParseSet([]byte(get(t, idp, idp.URL("/jwks")).text))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestRotation(t *testing.T) {
	t.Parallel()
	request := devidp.TokenRequest{User: "alice"}
	parse := func(t *testing.T, token string) *jose.JWS {
		t.Helper()
		var parsed jose.JWS
		if err := parsed.Parse(token); err != nil {
			t.Fatal(err)
		}
		return &parsed
	}
	t.Run("with overlap keeps the old key", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t)
		before := parse(t, idp.Token(request))
		if err := idp.Rotate(); err != nil {
			t.Fatal(err)
		}
		after := parse(t, idp.Token(request))
		if before.KeyID == after.KeyID {
			t.Error("the key that signs did not change")
		}
		for _, token := range []*jose.JWS{before, after} {
			if found := keySet(t, idp).Find(token.KeyID, token.Algorithm); found.Len() != 1 {
				t.Errorf("%d keys for a token", found.Len())
			}
		}
	})
	t.Run("without overlap drops the old key", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t)
		before := parse(t, idp.Token(request))
		if err := idp.RotateWithoutOverlap(); err != nil {
			t.Fatal(err)
		}
		if found := keySet(t, idp).Find(before.KeyID, before.Algorithm); found.Len() > 0 {
			t.Error("the old key is still there")
		}
		verified(t, idp, idp.Token(request))
	})
	t.Run("keeps a bounded number of keys", func(t *testing.T) {
		t.Parallel()
		idp := devidp.Start(t)
		for range 20 {
			if err := idp.Rotate(); err != nil {
				t.Fatal(err)
			}
		}
		if n := keySet(t, idp).Len(); n != 8 {
			t.Errorf("%d keys", n)
		}
	})
}
