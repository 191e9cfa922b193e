package broker

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
)

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// signer is a client with a document and keys, at a server of its own.
type signer struct {
	*documentServer

	w      *world
	key    atomic.Pointer[jose.SigningKey]
	more   atomic.Pointer[string] // of the document
	down   atomic.Bool            // the key set
	jwks   atomic.Int32           // fetches of it
	number atomic.Int32
}

// newSigner starts a client that prefers private_key_jwt, in front of some brokers.
func newSigner(t *testing.T, brokers int) *signer {
	t.Helper()
	c := &signer{documentServer: newDocumentServer(t)}
	c.rotate(t, "first")
	c.says(`"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"` + c.URL + `/jwks.json"`)
	c.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/jwks.json" {
			c.jwks.Add(1)
			set, err := jose.PublicSet(c.key.Load())
			if err != nil || c.down.Load() {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_, _ = w.Write(set)
			return
		}
		_, _ = fmt.Fprintf(w, `{"client_id":%q,"client_name":"Signing Client","redirect_uris":[%q],%s}`, c.id(), webRedirect, *c.more.Load())
	}
	c.w = newWorld(t, brokers, func(cfg *Config) { cfg.ClientDocuments.Client = c.Client() })
	return c
}

func (c *signer) says(members string) { c.more.Store(&members) }

func (c *signer) rotate(t *testing.T, kid string) {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, kid)
	if err != nil {
		t.Fatal(err)
	}
	c.key.Store(key)
}

// assertion signs what a good assertion says, after changes.
func (c *signer) assertion(t *testing.T, change func(claims map[string]any)) string {
	t.Helper()
	claims := map[string]any{
		"iss": c.id(), "sub": c.id(), "aud": testResource, "jti": fmt.Sprint("assertion-", c.number.Add(1)),
		"iat": c.w.now().Unix(), "exp": c.w.now().Add(time.Minute).Unix(),
	}
	if change != nil {
		change(claims)
	}
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := c.key.Load().Sign(nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// signed adds an assertion to a form.
func (c *signer) signed(t *testing.T, form url.Values) url.Values {
	t.Helper()
	form = maps.Clone(form)
	form.Set("client_assertion_type", jwtBearer)
	form.Set("client_assertion", c.assertion(t, nil))
	return form
}

// login logs the client in.
func (c *signer) login(t *testing.T) oauth.TokenResponse {
	t.Helper()
	code := c.w.newBrowser().code(c.id(), webRedirect)
	rec := c.w.post("/token", c.signed(t, redeemForm(c.id(), webRedirect, code)))
	if rec.Code != http.StatusOK {
		t.Fatalf("token: %d %s", rec.Code, rec.Body)
	}
	return decode[oauth.TokenResponse](t, rec)
}

// ChatGPT signs.
// covers: R1
func TestAClientThatSignsLogsIn(t *testing.T) {
	t.Parallel()
	c := newSigner(t, 2)
	tokens := c.login(t)
	info, err := c.w.broker().VerifyAccessToken(t.Context(), tokens.AccessToken, testResource)
	if err != nil || info.ClientID != c.id() {
		t.Fatal(err)
	}
	rec := c.w.post("/token", c.signed(t, refreshForm(c.id(), tokens.RefreshToken)))
	if rec.Code != http.StatusOK {
		t.Fatalf("refresh: %d %s", rec.Code, rec.Body)
	}
	tokens = decode[oauth.TokenResponse](t, rec)
	// Its assertion says who it is (RFC 7521 section 4.2), and may be for the token endpoint, or be
	// a list.
	form := c.signed(t, refreshForm("", tokens.RefreshToken, "client_id", ""))
	form.Set("client_assertion", c.assertion(t, func(claims map[string]any) { claims["aud"] = []string{testResource + "/token"} }))
	if rec := c.w.post("/token", form); rec.Code != http.StatusOK {
		t.Errorf("refresh without client_id: %d %s", rec.Code, rec.Body)
	}
	if n := c.jwks.Load(); n > 2 { // one per broker
		t.Errorf("the key set was fetched %d times", n)
	}
	if log := c.w.log.String(); strings.Contains(log, strings.Split(c.assertion(t, nil), ".")[0]) {
		t.Error("the log has an assertion")
	}
}

// covers: R1
func TestMetadataSaysHowClientsSign(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	rec := w.do(httptest.NewRequest(http.MethodGet, "https://mcp.example.com/.well-known/oauth-authorization-server/mcp", nil))
	m := decode[serverMetadata](t, rec)
	methods := []string{"none", "private_key_jwt"}
	if !slices.Equal(m.TokenEndpointAuthMethodsSupported, methods) || !slices.Equal(m.RevocationEndpointAuthMethodsSupported, methods) ||
		!slices.Contains(m.TokenEndpointAuthSigningAlgValuesSupported, "RS256") || !m.ClientIDMetadataDocumentSupported ||
		slices.ContainsFunc(m.TokenEndpointAuthSigningAlgValuesSupported, func(a string) bool { return a == "none" || strings.HasPrefix(a, "HS") }) {
		t.Errorf("metadata %s", rec.Body)
	}
}

// A login that began as a client that signs ends so: its code, its tokens and its revocation need
// an assertion, whatever the document says by then.
// covers: R1
func TestALoginNeverWeakens(t *testing.T) {
	t.Parallel()
	c := newSigner(t, 1)
	code := c.w.newBrowser().code(c.id(), webRedirect)
	wantError(t, c.w.post("/token", redeemForm(c.id(), webRedirect, code)), http.StatusUnauthorized, oauth.CodeInvalidClient)
	rec := c.w.post("/token", c.signed(t, redeemForm(c.id(), webRedirect, code))) // a failed try uses nothing up
	if rec.Code != http.StatusOK {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	tokens := decode[oauth.TokenResponse](t, rec)
	c.says(`"token_endpoint_auth_method":"none"`)
	c.w.add(time.Hour) // the document is fetched again
	wantError(t, c.w.post("/token", refreshForm(c.id(), tokens.RefreshToken)), http.StatusUnauthorized, oauth.CodeInvalidClient)
	for _, token := range []string{tokens.RefreshToken, c.loginAgain(t).AccessToken} {
		form := url.Values{"token": {token}, "client_id": {c.id()}}
		wantError(t, c.w.post("/revoke", form), http.StatusUnauthorized, oauth.CodeInvalidClient)
	}
}

func (c *signer) loginAgain(t *testing.T) oauth.TokenResponse {
	t.Helper()
	c.says(`"token_endpoint_auth_method":"private_key_jwt","jwks_uri":"` + c.URL + `/jwks.json"`)
	c.w.add(time.Hour)
	return c.login(t)
}

// The shared document of ChatGPT prefers to sign, and lists that it can do without.
// covers: R1
func TestAPreferredWayToAuthenticateIsNotTheOnlyOne(t *testing.T) {
	t.Parallel()
	c := newSigner(t, 1)
	c.says(`"token_endpoint_auth_method":"private_key_jwt","token_endpoint_auth_methods_supported":["none","private_key_jwt"],
		"token_endpoint_auth_signing_alg":"ES256","jwks_uri":"` + c.URL + `/jwks.json"`)
	tokens := c.login(t) // signs all the same
	c.w.refreshed(c.id(), tokens.RefreshToken)
	form := c.signed(t, refreshForm(c.id(), tokens.RefreshToken))
	form.Set("client_assertion", c.assertion(t, func(claims map[string]any) { claims["aud"] = "https://evil.example" }))
	wantError(t, c.w.post("/token", form), http.StatusUnauthorized, oauth.CodeInvalidClient) // what it signs has to be right
}

// covers: R1
func TestAssertionsAreRefused(t *testing.T) {
	t.Parallel()
	set := func(name string, value any) func(map[string]any) {
		return func(claims map[string]any) { claims[name] = value }
	}
	c := newSigner(t, 1)
	now := c.w.now()
	tokens := c.login(t)
	refuse := func(name, assertion string, changes ...string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			form := refreshForm(c.id(), tokens.RefreshToken, append([]string{"client_assertion_type", jwtBearer, "client_assertion", assertion}, changes...)...)
			wantError(t, c.w.post("/token", form), http.StatusUnauthorized, oauth.CodeInvalidClient)
		})
	}
	for name, change := range map[string]func(map[string]any){
		"for another server":            set("aud", "https://evil.example/mcp"),
		"for another server besides":    set("aud", []string{testResource, "https://evil.example/mcp"}),
		"for nobody":                    set("aud", nil),
		"of another issuer":             set("iss", c.id()+"x"),
		"of another subject":            set("sub", c.id()+"x"),
		"without a subject":             set("sub", nil),
		"without an end":                set("exp", nil),
		"that is expired":               set("exp", now.Add(-time.Minute).Unix()),
		"that is good for an hour":      set("exp", now.Add(time.Hour).Unix()),
		"from the future":               set("iat", now.Add(time.Hour).Unix()),
		"that is not good yet":          set("nbf", now.Add(time.Hour).Unix()),
		"with an iat that is no number": set("iat", "now"),
		"without a jti":                 set("jti", nil),
		"with a jti that is no text":    set("jti", 1),
	} {
		refuse(name, c.assertion(t, change))
	}
	good := c.assertion(t, nil)
	parts := strings.Split(good, ".")
	refuse("of another type", good, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer")
	refuse("of no type", good, "client_assertion_type", "")
	refuse("with another client_id", good, "client_id", c.w.newClient(webRedirect))
	refuse("with a secret beside it", good, "client_secret", "x")
	refuse("that is no JWT", "x")
	refuse("that is too long", strings.Repeat("x", 9<<10))
	refuse("with another signature", parts[0]+"."+parts[1]+"."+strings.Split(c.assertion(t, nil), ".")[2])
	symmetric, err := jose.NewSecretSigningKey(jose.HS256, []byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(map[string]any{"iss": c.id(), "sub": c.id(), "aud": testResource, "jti": "x", "exp": now.Add(time.Minute).Unix()})
	if err != nil {
		t.Fatal(err)
	}
	signed, err := symmetric.Sign(nil, payload)
	if err != nil {
		t.Fatal(err)
	}
	refuse("signed with a secret", signed)
	t.Run("used twice", func(t *testing.T) {
		t.Parallel()
		form := refreshForm(c.id(), "nonsense", "client_assertion_type", jwtBearer, "client_assertion", good)
		wantError(t, c.w.post("/token", form), http.StatusBadRequest, oauth.CodeInvalidGrant)
		wantError(t, c.w.post("/token", form), http.StatusUnauthorized, oauth.CodeInvalidClient)
	})
	t.Run("of a client that registered", func(t *testing.T) {
		t.Parallel()
		id := c.w.newClient(webRedirect)
		assertion := c.assertion(t, func(claims map[string]any) { claims["iss"], claims["sub"] = id, id })
		form := refreshForm(id, tokens.RefreshToken, "client_assertion_type", jwtBearer, "client_assertion", assertion)
		wantError(t, c.w.post("/token", form), http.StatusUnauthorized, oauth.CodeInvalidClient)
	})
}

// Keys rotate as those of a provider do, and an outage of the client's server is no wrong
// assertion.
// covers: R1
func TestKeysOfClientsRotate(t *testing.T) {
	t.Parallel()
	c := newSigner(t, 1)
	tokens := c.login(t)
	refresh := func(want int) {
		t.Helper()
		rec := c.w.post("/token", c.signed(t, refreshForm(c.id(), tokens.RefreshToken)))
		if rec.Code != want {
			t.Fatalf("%d %s, want %d", rec.Code, rec.Body, want)
		}
		if rec.Code == http.StatusOK {
			tokens = decode[oauth.TokenResponse](t, rec)
		} else if rec.Header().Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	c.w.add(time.Minute)
	c.rotate(t, "second")
	refresh(http.StatusOK)
	c.w.add(time.Minute)
	c.rotate(t, "second") // another key under the same name
	refresh(http.StatusOK)
	c.w.add(time.Minute)
	c.down.Store(true)
	c.rotate(t, "third")
	refresh(http.StatusServiceUnavailable)
	c.down.Store(false)
	c.w.add(time.Minute)
	refresh(http.StatusOK)
}

// covers: R1
func TestDocumentsOfClientsThatSign(t *testing.T) {
	t.Parallel()
	key, err := jose.GenerateKey(jose.RS256, "inline")
	if err != nil {
		t.Fatal(err)
	}
	public, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	secret := `{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}`
	const method = `"token_endpoint_auth_method":"private_key_jwt"`
	for name, c := range map[string]struct {
		members string
		good    bool
	}{
		"keys inside":                       {method + `,"jwks":` + string(public), true},
		"keys at another host":              {method + `,"jwks_uri":"https://evil.example/jwks.json"`, false},
		"keys at a host that looks alike":   {method + `,"jwks_uri":"{url}.evil.example/jwks.json"`, false},
		"keys by plain http":                {method + `,"jwks_uri":"http://client.example.com/jwks.json"`, false},
		"no keys":                           {method, false},
		"keys inside and at an address":     {method + `,"jwks":` + string(public) + `,"jwks_uri":"{url}/jwks.json"`, false},
		"a shared secret for a key":         {method + `,"jwks":` + secret, false},
		"a secret that nobody gave it":      {`"token_endpoint_auth_method":"client_secret_basic"`, false},
		"no method":                         {`"x":1`, true},
		"none beside a broken address":      {`"token_endpoint_auth_method":"none","jwks_uri":"http://x"`, true},
		"none among what it can do":         {`"token_endpoint_auth_method":"client_secret_post","token_endpoint_auth_methods_supported":["none"]`, true},
		"a method that is a list of others": {`"token_endpoint_auth_method":["none"]`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSigner(t, 1)
			s.says(strings.ReplaceAll(c.members, "{url}", s.URL))
			rec := s.w.newBrowser().open(authorizeURL(s.id(), webRedirect))
			if (rec.Code == http.StatusOK) != c.good {
				t.Errorf("got %d: %s", rec.Code, s.w.log)
			}
		})
	}
}
