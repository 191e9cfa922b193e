package runtime_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/all"
	"github.com/latchkey-auth/latchkey/providers_gen/custom"
	"github.com/latchkey-auth/latchkey/providers_gen/proxy"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// signer signs tokens for the generic verifier and publishes its key.
type signer struct {
	t      *testing.T
	key    *jose.SigningKey
	client *http.Client
}

func newSigner(t *testing.T) signer {
	t.Helper()
	key, err := jose.GenerateKey(jose.ES256, "k")
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.PublicSet(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer{t: t, key: key, client: &http.Client{Transport: answering(set)}}
}

// token signs the usual claims with some of them changed; nil takes one away.
func (s signer) token(header, changes map[string]any) string {
	s.t.Helper()
	members := map[string]any{"iss": "https://idp.example.com", "sub": "alice", "aud": resource, "exp": 4102444800}
	maps.Copy(members, changes)
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	claims, err := oauth.NewClaims(members)
	if err != nil {
		s.t.Fatal(err)
	}
	text, err := claims.MarshalJSON()
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := s.key.Sign(header, text)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func (s signer) options() []runtime.Option {
	return []runtime.Option{runtime.WithHTTPClient(s.client), runtime.WithLogger(slog.New(slog.DiscardHandler))}
}

func (s signer) verifier(config runtime.JWKSConfig) oauth.TokenVerifier {
	s.t.Helper()
	if config.JWKSURL == "" {
		config.JWKSURL = "https://idp.example.com/jwks"
	}
	if config.Issuer == "" {
		config.Issuer = "https://idp.example.com"
	}
	v, err := runtime.JWKSVerifier(config, s.options()...)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s signer) custom(change func(*custom.Config)) (*runtime.Provider, error) {
	config := custom.Config{
		Issuer: "https://idp.example.com", AuthEndpoint: "https://idp.example.com/authorize", TokenEndpoint: "https://idp.example.com/token",
		VerifyToken: s.verifier(runtime.JWKSConfig{}),
	}
	change(&config)
	return custom.New(config, s.options()...)
}

// identifiers are issuers of real providers that nobody can fetch from.
var identifiers = []string{
	"http://adfs.example.com/adfs/services/trust", "urn:example:issuer", "https://sts.windows.net/72f988bf/", "accounts.example.com", "spiffe://example.com/idp",
}

// covers: R15
func TestAnIssuerThatIsOnlyComparedIsAnyIdentifier(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	for _, issuer := range identifiers {
		token := s.token(nil, map[string]any{"iss": issuer})
		verifier := s.verifier(runtime.JWKSConfig{Issuer: issuer})
		for name, change := range map[string]func(*custom.Config){
			"its own":         func(c *custom.Config) { c.Issuer, c.VerifyToken = issuer, verifier },
			"its tokens' own": func(c *custom.Config) { c.TokenIssuer, c.VerifyToken = issuer, verifier },
		} {
			p, err := s.custom(change)
			if err != nil {
				t.Errorf("custom with %s as %s: %v", issuer, name, err)
				continue
			}
			info, err := p.Verify(t.Context(), presented(token))
			if err != nil || info.Issuer != issuer {
				t.Errorf("custom with %s as %s: got %+v, %v", issuer, name, info, err)
			}
			if _, err := p.Verify(t.Context(), presented(s.token(nil, map[string]any{"iss": issuer + "/"}))); err == nil {
				t.Errorf("custom with %s as %s accepts another issuer", issuer, name)
			}
		}
		_, err := proxy.New(proxy.Config{
			Issuer: issuer, AuthEndpoint: "https://idp.example.com/authorize?p=policy", TokenEndpoint: "https://idp.example.com/token?p=policy",
			ClientID: "mcp", ClientSecret: "test-secret-of-no-application-0123456789", VerifyToken: verifier,
		}, s.options()...)
		if err != nil {
			t.Errorf("proxy with %s: %v", issuer, err)
		}
	}
	for _, wrong := range []string{
		"with space", "https://user:word@idp.example.com", "http://[", "https://idp.example.com/.well-known/openid-configuration", "issu\u00e9r", "a:b c",
	} {
		_, err := s.custom(func(c *custom.Config) { c.Issuer = wrong })
		if problem, ok := errors.AsType[*oauth.ConfigError](err); !ok || problem.Field != "issuer" {
			t.Errorf("%q is accepted as an issuer: %v", wrong, err)
		}
	}
}

// covers: R17
func TestQueriesOfEndpointsAreKept(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	var asked []string
	transport := s.client.Transport
	s.client.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		return transport.RoundTrip(r)
	})
	p, err := s.custom(func(c *custom.Config) {
		c.AuthEndpoint, c.TokenEndpoint = "https://idp.example.com/authorize?p=policy", "https://idp.example.com/token?p=policy&"
		c.JWKSURL, c.UserInfoEndpoint = "https://idp.example.com/keys?appid=abc", "https://idp.example.com/userinfo?schema=openid"
		c.VerifyToken = s.verifier(runtime.JWKSConfig{JWKSURL: "https://idp.example.com/keys?appid=abc"})
	})
	if err != nil {
		t.Fatal(err)
	}
	want := oauth.Endpoints{
		Authorization: "https://idp.example.com/authorize?p=policy", Token: "https://idp.example.com/token?p=policy&",
		JWKS: "https://idp.example.com/keys?appid=abc", UserInfo: "https://idp.example.com/userinfo?schema=openid",
	}
	if got := p.Describe().Endpoints; got != want {
		t.Errorf("got %+v", got)
	}
	if _, err := p.Verify(t.Context(), presented(s.token(nil, nil))); err != nil {
		t.Error(err)
	}
	if !slices.Equal(asked, []string{"https://idp.example.com/keys?appid=abc"}) {
		t.Errorf("asked for %q", asked)
	}
	for _, wrong := range []string{"https://idp.example.com/token#x", "https://user:word@idp.example.com/token", "http://idp.example.com/token", "urn:x"} {
		_, err := s.custom(func(c *custom.Config) { c.TokenEndpoint = wrong })
		if problem, ok := errors.AsType[*oauth.ConfigError](err); !ok || problem.Field != "tokenEndpoint" {
			t.Errorf("%q is accepted as an endpoint: %v", wrong, err)
		}
	}
	in := runtime.NewInputs("Example", append(s.options(), runtime.WithEndpoint("token", "https://gateway.example.com/token?tenant=a"))...)
	overridden, err := runtime.New(in, runtime.Definition{
		Name: "example", Issuer: "https://idp.example.com", Verifier: s.verifier(runtime.JWKSConfig{}),
	})
	if err != nil || overridden.Describe().Endpoints.Token != "https://gateway.example.com/token?tenant=a" {
		t.Errorf("an endpoint that the operator names: %v", err)
	}
}

func TestAnEndpointWithTokensInItsPathIsReplacedByOne(t *testing.T) {
	t.Parallel()
	var asked []string
	client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		return answering(`{"app_id":"us","sub":"alice","expires_in":60}`).RoundTrip(r)
	})}
	replaced := func(with string) (*runtime.Provider, error) {
		in := runtime.NewInputs("Example", runtime.WithHTTPClient(client), runtime.WithLogger(slog.New(slog.DiscardHandler)),
			runtime.WithEndpoint("tokeninfo", with))
		return runtime.New(in, runtime.Definition{
			Name: "example", Issuer: "https://idp.example.com", Endpoints: oauth.Endpoints{TokenInfo: "https://idp.example.com/tokens/{token}"},
			TokenInfo: &facts.TokenInfo{Place: facts.TokenInPath, Expiry: []facts.Expiry{{Claim: "expires_in", Format: facts.ExpiryIn}}},
			Binding:   facts.Binding{ClientIDs: []string{"us"}, ClientClaims: []string{"app_id"}},
		})
	}
	p, err := replaced("https://gateway.example.com/v2/{token}/facts")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Verify(t.Context(), presented("opaque-token-1")); err != nil {
		t.Error(err)
	}
	if !slices.Equal(asked, []string{"https://gateway.example.com/v2/opaque-token-1/facts"}) {
		t.Errorf("asked at %q", asked)
	}
	_, err = replaced("https://gateway.example.com/v2/facts")
	if problem, ok := errors.AsType[*oauth.ConfigError](err); !ok || !strings.Contains(problem.Message, "must have {token}") {
		t.Errorf("got %v", err)
	}
}

// roundTrip is a function as an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// covers: R14
func TestScopesAreFoundWhereverAProviderPutsThem(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	for name, c := range map[string]struct {
		claims map[string]any
		claim  []string
	}{
		"scope as text":          {map[string]any{"scope": "read write"}, nil},
		"scope as a list":        {map[string]any{"scope": []string{"read", "write"}}, nil},
		"scp as text":            {map[string]any{"scp": "read write"}, nil},
		"scp as a list":          {map[string]any{"scp": []string{"read", "write"}}, nil},
		"scope before scp":       {map[string]any{"scope": "read write", "scp": "other"}, nil},
		"scopes, which is named": {map[string]any{"scopes": []string{"read", "write"}, "scope": "other"}, []string{"scopes"}},
		"a claim in a claim":     {map[string]any{"ext": map[string]any{"scopes": "read write"}}, []string{"ext.scopes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			direct, err := s.custom(func(config *custom.Config) { config.ScopeClaim = c.claim })
			if err != nil {
				t.Fatal(err)
			}
			standIn, err := proxy.New(proxy.Config{
				Issuer: "https://idp.example.com", AuthEndpoint: "https://idp.example.com/authorize", TokenEndpoint: "https://idp.example.com/token",
				ClientID: "mcp", ClientSecret: "test-secret-of-no-application-0123456789", VerifyToken: s.verifier(runtime.JWKSConfig{}),
				ScopeClaim: c.claim,
			}, s.options()...)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*runtime.Provider{direct, standIn} {
				info, err := p.Verify(t.Context(), presented(s.token(nil, c.claims)))
				if err != nil || !slices.Equal(info.Scopes, []string{"read", "write"}) || !slices.Equal(info.User.Scopes, info.Scopes) {
					t.Errorf("%s: got %+v, %v", p.Describe().Name, info, err)
				}
			}
		})
	}
}

// covers: R16, A15
func TestTheGenericVerifierTakesWhatSpecsCanSay(t *testing.T) {
	t.Parallel()
	s := newSigner(t)
	dex := map[string]any{"at_hash": "x", "nonce": "n", "azp": "mcp"}
	for name, c := range map[string]struct {
		config runtime.JWKSConfig
		token  string
		want   oauth.Reason
	}{
		"Dex":                        {runtime.JWKSConfig{IDTokenShaped: "Dex issues its access tokens so"}, s.token(nil, dex), ""},
		"Dex without a reason":       {runtime.JWKSConfig{}, s.token(nil, dex), oauth.ReasonTokenType},
		"the types":                  {runtime.JWKSConfig{Types: []string{"vnd.acme+jwt"}}, s.token(map[string]any{"typ": "vnd.acme+jwt"}, nil), ""},
		"another type":               {runtime.JWKSConfig{Types: []string{"at+jwt"}}, s.token(map[string]any{"typ": "JWT"}, nil), oauth.ReasonTokenType},
		"a required claim":           {runtime.JWKSConfig{Require: []facts.Requirement{{Claim: "azp", AnyOf: []string{"mcp"}}}}, s.token(nil, map[string]any{"azp": "mcp"}), ""},
		"a required claim's absence": {runtime.JWKSConfig{Require: []facts.Requirement{{Claim: "azp"}}}, s.token(nil, nil), oauth.ReasonClaim},
		"a numeric subject":          {runtime.JWKSConfig{NumericSubject: "it numbers its users"}, s.token(nil, map[string]any{"sub": 7}), ""},
		"one without a reason":       {runtime.JWKSConfig{}, s.token(nil, map[string]any{"sub": 7}), oauth.ReasonClaim},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := s.custom(func(config *custom.Config) { config.VerifyToken = s.verifier(c.config) })
			if err != nil {
				t.Fatal(err)
			}
			_, err = p.Verify(t.Context(), presented(c.token))
			if c.want == "" && err != nil || c.want != "" && !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: c.want}) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// People paste the address that they have at hand. It is refused with the sentence that helps.
// covers: D3
func TestAddressesThatAreNotThoseAskedForAreRefused(t *testing.T) {
	t.Parallel()
	const keycloakURL, realm = "MCP_USE_OAUTH_KEYCLOAK_SERVER_URL", "MCP_USE_OAUTH_KEYCLOAK_REALM"
	for _, c := range []struct {
		provider, variable, good string
		wrong                    []string
		sentence                 string
	}{
		{
			"keycloak", keycloakURL, "https://kc.example.com/auth", []string{
				"https://kc.example.com/realms/x", "https://kc.example.com/auth/realms/x/", "kc.example.com/realms/x",
				"https://kc.example.com/admin/master/console", "https://kc.example.com/REALMS/x",
			}, "which ends before /realms/",
		},
		{
			"supabase", "MCP_USE_OAUTH_SUPABASE_URL", "https://db.example.com/base", []string{
				"https://db.example.com/auth/v1", "https://db.example.com/auth/v1/", "https://db.example.com/rest/v1",
				"https://supabase.com/dashboard/project/abcdefghijklmnopqrst",
			}, "without /auth/v1",
		},
		{
			"betterauth", "MCP_USE_OAUTH_BETTER_AUTH_URL", "https://app.example.com/api/auth", []string{
				"https://app.example.com/api/auth/oauth2/authorize", "https://app.example.com/api/auth/mcp/register", "https://app.example.com/api/auth/jwks",
			}, "without the path of an endpoint",
		},
		{
			"clerk", "MCP_USE_OAUTH_CLERK_FRONTEND_API_URL", "https://clerk.example.com", []string{
				"https://api.clerk.com", "https://api.clerk.com/v1", "https://dashboard.clerk.com/apps/x", "https://clerk.example.com/oauth/authorize",
			}, "the Frontend API URL",
		},
		{
			"github", "MCP_USE_OAUTH_GITHUB_ENTERPRISE_URL", "https://github.example.com", []string{
				"https://github.example.com/login/oauth", "https://github.example.com/api/v3", "https://github.com/enterprises/acme",
			}, "without /login/oauth",
		},
	} {
		entry, ok := all.Lookup(c.provider)
		if !ok {
			t.Fatal(c.provider)
		}
		problemOf := func(value string) string {
			variables := map[string]string{c.variable: value, realm: "x"}
			_, err := entry.New(runtime.WithLookupEnv(func(name string) (string, bool) { v, ok := variables[name]; return v, ok }))
			for line := range strings.SplitSeq(fmt.Sprint(err), "\n") {
				if strings.Contains(line, c.variable) {
					return line
				}
			}
			return ""
		}
		if problem := problemOf(c.good); problem != "" {
			t.Errorf("%s: %s is refused: %s", c.provider, c.good, problem)
		}
		for _, wrong := range c.wrong {
			if problem := problemOf(wrong); !strings.Contains(problem, c.sentence) || strings.Contains(problem, wrong) {
				t.Errorf("%s: %s is answered with %q, want %q in it", c.provider, wrong, problem, c.sentence)
			}
		}
		metadata := c.good + "/.well-known/openid-configuration"
		if problem := problemOf(metadata); problem == "" {
			t.Errorf("%s: %s is accepted", c.provider, metadata)
		}
	}
}
