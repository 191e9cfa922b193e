package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/keys"
)

// loopback is a server on this machine that counts the connections to it.
func loopback(t *testing.T, start func(*httptest.Server)) (server *httptest.Server, connections *atomic.Int64) {
	t.Helper()
	server, connections = httptest.NewUnstartedServer(http.NotFoundHandler()), new(atomic.Int64)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	start(server)
	t.Cleanup(server.Close)
	return server, connections
}

// stray returns a token that is signed with a key that nobody publishes.
func stray(t *testing.T) string {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, "k")
	if err != nil {
		t.Fatal(err)
	}
	token, err := key.Sign(nil, []byte(`{"iss":"https://idp.example.com","sub":"alice","exp":4102444800}`))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// SECURITY.md: outbound requests go to hosts that the operator configured. A host that a spec alone
// names is never on this machine.
func TestProvidersReachLoopbackOnlyWhereTheOperatorWroteIt(t *testing.T) {
	t.Parallel()
	quiet := runtime.WithLogger(slog.New(slog.DiscardHandler))
	for name, c := range map[string]struct {
		start   func(*httptest.Server)
		address func(in *runtime.Inputs, server *httptest.Server) string
		reached bool
	}{
		"a host of the spec": {
			(*httptest.Server).Start, func(_ *runtime.Inputs, s *httptest.Server) string { return s.URL }, false,
		},
		"a URL of the operator": {
			(*httptest.Server).Start,
			func(in *runtime.Inputs, s *httptest.Server) string { return in.URL(s.URL, runtime.Field{}) }, true,
		},
		"a host of the operator": {
			(*httptest.Server).StartTLS,
			func(in *runtime.Inputs, s *httptest.Server) string {
				return "https://" + in.Host(s.Listener.Addr().String(), runtime.Field{})
			}, true,
		},
		"another host of the operator": {
			(*httptest.Server).Start,
			func(in *runtime.Inputs, s *httptest.Server) string {
				in.Host("127.0.0.1:1", runtime.Field{})
				return s.URL
			}, false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, connections := loopback(t, c.start)
			in := runtime.NewInputs("Example", quiet)
			p, err := runtime.New(in, runtime.Definition{
				Name: "example", Issuer: "https://idp.example.com", Endpoints: oauth.Endpoints{JWKS: c.address(in, server)},
				Tokens: facts.Rules{Algorithms: []string{"ES256"}, Audience: facts.Audience{OrResource: true}},
			})
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Verify(t.Context(), presented(stray(t)))
			if !errors.Is(err, oauth.ErrTemporarilyUnavailable) || connections.Load() > 0 != c.reached {
				t.Errorf("got %v after %d connections", err, connections.Load())
			}
		})
	}
}

// RS-5: the function that most custom providers use checks the audience although nobody names one.
// covers: T-TOK-11, RS-5
func TestJWKSVerifierChecksTheAudience(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.example.com"
	key, err := jose.GenerateKey(jose.ES256, "k")
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: answering(set)}
	token := func(audience string) string {
		signed, err := key.Sign(nil, fmt.Appendf(nil, `{"iss":%q,"sub":"alice","exp":4102444800,"aud":%q}`, issuer, audience))
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for name, c := range map[string]struct {
		configured, audience string
		opts                 []runtime.Option
		want                 error
	}{
		"accepts the resource":                       {"", resource, nil, nil},
		"refuses another server":                     {"", "https://other.example.com", nil, oauth.ErrInvalidToken},
		"refuses an empty audience":                  {"", "", nil, oauth.ErrInvalidToken},
		"accepts the configured audience":            {"api://mcp", "api://mcp", nil, nil},
		"refuses the resource beside the configured": {"api://mcp", resource, nil, oauth.ErrInvalidToken},
		"accepts any only when told to": {
			"", "https://other.example.com", []runtime.Option{runtime.InsecureSkipAudience()}, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := append([]runtime.Option{runtime.WithHTTPClient(client), runtime.WithLogger(slog.New(slog.DiscardHandler))}, c.opts...)
			v, err := runtime.JWKSVerifier(runtime.JWKSConfig{JWKSURL: issuer + "/jwks", Issuer: issuer, Audience: c.configured}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.VerifyToken(t.Context(), presented(token(c.audience))); !errors.Is(err, c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The rules of a definition are those for opaque tokens too, where their way of asking does not say
// otherwise.
func TestRulesForTokensHoldForOpaqueOnes(t *testing.T) {
	t.Parallel()
	answer := func(more string) string {
		return `{"active":true,"token_type":"Bearer","sub":"alice","client_id":"mine","exp":4102444800` + more + `}`
	}
	refused := func(reason oauth.Reason) error { return &oauth.Error{Code: oauth.CodeInvalidToken, Reason: reason} }
	audience := func(d *runtime.Definition) { d.Tokens.Audience = facts.Audience{AnyOf: []string{"api://mcp"}} }
	ofResource := func(d *runtime.Definition) { d.Tokens.Audience = facts.Audience{OrResource: true} }
	own := func(d *runtime.Definition) {
		audience(d)
		d.Binding.Audience = facts.Audience{AnyOf: []string{"api://other"}}
	}
	require := func(d *runtime.Definition) {
		d.Tokens.Require = []facts.Requirement{{Claim: "hd", AnyOf: []string{"example.com"}}}
	}
	for name, c := range map[string]struct {
		change func(*runtime.Definition)
		answer string
		want   error
	}{
		"accepts the audience":                       {audience, answer(`,"aud":"api://mcp"`), nil},
		"refuses another audience":                   {audience, answer(`,"aud":"api://other"`), refused(oauth.ReasonAudience)},
		"accepts the resource":                       {ofResource, answer(`,"aud":"` + resource + `"`), nil},
		"refuses another resource":                   {ofResource, answer(`,"aud":"https://other.example.com"`), refused(oauth.ReasonAudience)},
		"accepts the audience of the binding itself": {own, answer(`,"aud":"api://other"`), nil},
		"refuses the rules' beside it":               {own, answer(`,"aud":"api://mcp"`), refused(oauth.ReasonAudience)},
		"accepts a required claim":                   {require, answer(`,"hd":"example.com"`), nil},
		"refuses another value of it":                {require, answer(`,"hd":"example.org"`), refused(oauth.ReasonClaim)},
		"refuses an answer without it":               {require, answer(""), refused(oauth.ReasonClaim)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := introspecting(t, &http.Client{Transport: answering(c.answer)}, c.change)
			if _, err := p.Verify(t.Context(), presented("opaque-token")); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// The option is for all providers: where there is no signature to skip, nothing else is skipped.
func TestInsecureSkipSignatureMeansNothingForOpaqueTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer string
		want   error
	}{
		"a good token": {`{"active":true,"token_type":"Bearer","sub":"alice","client_id":"mine","exp":4102444800}`, nil},
		"a token of another application": {
			`{"active":true,"token_type":"Bearer","sub":"alice","client_id":"other","exp":4102444800}`, oauth.ErrInvalidToken,
		},
		"an inactive token": {`{"active":false}`, oauth.ErrInvalidToken},
	} {
		p := introspecting(t, &http.Client{Transport: answering(c.answer)}, nil, runtime.InsecureSkipSignature())
		if _, err := p.Verify(t.Context(), presented("opaque-token")); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// The clock is that of the provider's keys too: when their time is over, they are fetched again.
func TestTheClockIsAlsoThatOfTheKeys(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_900_000_000, 0)
	var published [2][]byte
	var signing *jose.SigningKey
	for i := range published {
		key, err := jose.GenerateKey(jose.ES256, fmt.Sprint("k", i))
		if err != nil {
			t.Fatal(err)
		}
		if published[i], err = jose.PublicSet(key); err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			signing = key
		}
	}
	token, err := signing.Sign(nil, fmt.Appendf(nil, `{"iss":%q,"sub":"alice","exp":4102444800,"aud":%q}`, idpIssuer, resource))
	if err != nil {
		t.Fatal(err)
	}
	var later, rotated atomic.Int64
	client := &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		return answering(published[rotated.Load()]).RoundTrip(r)
	})}
	opts := []runtime.Option{
		runtime.WithHTTPClient(client), runtime.WithLogger(slog.New(slog.DiscardHandler)), runtime.WithoutTokenCache(),
		runtime.WithClock(func() time.Time { return now.Add(time.Duration(later.Load())) }),
	}
	p, err := runtime.New(runtime.NewInputs("Example", opts...), runtime.Definition{
		Name: "example", Issuer: idpIssuer, Endpoints: oauth.Endpoints{JWKS: idpIssuer + "/jwks"},
		Tokens: facts.Rules{Algorithms: []string{"ES256"}, Audience: facts.Audience{OrResource: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := runtime.JWKSVerifier(runtime.JWKSConfig{JWKSURL: idpIssuer + "/jwks", Issuer: idpIssuer}, opts...)
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range map[string]func() error{
		"a provider": func() error { _, err := p.Verify(t.Context(), presented(token)); return err },
		"a verifier": func() error { _, err := v.VerifyToken(t.Context(), presented(token)); return err },
	} {
		later.Store(0)
		rotated.Store(0)
		if err := check(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rotated.Store(1)
		later.Store(int64(keys.DefaultHardExpiry))
		if err := check(); !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonUnknownKey}) {
			t.Errorf("%s: got %v when the key's time was over", name, err)
		}
	}
}

func TestJWKSVerifierKeepsToTheLimitsOfTheCache(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.example.com"
	_, err := runtime.JWKSVerifier(runtime.JWKSConfig{JWKSURL: issuer + "/jwks", Issuer: issuer},
		runtime.WithTokenCache(runtime.TokenCache{MaxEntries: -1}))
	if err == nil || !strings.Contains(err.Error(), "cache") {
		t.Errorf("got %v for a negative limit", err)
	}
}

// answering is a network whose every host answers with this document.
type answering []byte

func (a answering) RoundTrip(*http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	_, err := w.Write(a)
	return w.Result(), err
}

// covers: T-TOK-12, R20
func TestLeewayIs30SecondsByDefault(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	for name, c := range map[string]struct {
		claims map[string]any
		want   error
	}{
		"expired 29 seconds ago":   {map[string]any{"exp": now.Unix() - 29}, nil},
		"expired 30 seconds ago":   {map[string]any{"exp": now.Unix() - 30}, oauth.ErrInvalidToken},
		"valid in 30 seconds":      {map[string]any{"nbf": now.Unix() + 30}, nil},
		"valid in 31 seconds":      {map[string]any{"nbf": now.Unix() + 31}, oauth.ErrInvalidToken},
		"issued in 31 seconds":     {map[string]any{"iat": now.Unix() + 31}, nil},
		"valid from now on and on": {map[string]any{}, nil},
	} {
		c.claims["sub"] = "alice"
		in := runtime.NewInputs("Example", runtime.WithClock(func() time.Time { return now }))
		p, err := runtime.New(in, runtime.Definition{
			Name: "example", Issuer: "https://idp.example.com",
			Verifier: oauth.TokenVerifierFunc(func(context.Context, oauth.Presented) (oauth.Claims, error) { return oauth.NewClaims(c.claims) }),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Verify(t.Context(), presented("token")); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// presented is a bearer token as a guard presents it.
func presented(token string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource}
}
