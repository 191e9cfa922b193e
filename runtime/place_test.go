package runtime_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/echoadapter"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// covers: R8, R9
func TestALoginWhereverTheResourceIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		where  place
		sealed bool
	}{
		"R8: a slash at the end, on Echo":              {place{path: "/mcp/"}, true},
		"R8: a slash at the end, on net/http":          {place{path: "/mcp/", netHTTP: true}, true},
		"R8: a slash at the end, tokens passed":        {place{path: "/mcp/"}, false},
		"R9: behind a prefix that is stripped":         {place{path: "/mcp", prefix: "/api"}, true},
		"R9: a stripped prefix, on net/http":           {place{path: "/mcp", prefix: "/api/v1", netHTTP: true}, true},
		"R8: a stripped prefix and a slash at the end": {place{path: "/mcp/", prefix: "/api", netHTTP: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider := generic
			if !c.sealed {
				provider = introspectedJWTs
			}
			f := newFrontAt(t, c.where, jwtTokens, provider, func(p oauth.Provider) oauth.Provider { return p })
			s := f.newSession(t)
			s.logIn("alice") // which compares iss with the resource
			s.checkAddresses()
			for _, address := range []string{f.resource, otherSpelling(f.resource)} {
				if answer := s.get(address, s.tokens.AccessToken); answer.StatusCode != http.StatusOK {
					t.Errorf("%s answers %s", address, answer.Status)
				}
				answer := s.get(address, "")
				if challenge := challengeOf(t, answer); !strings.HasPrefix(challenge.ResourceMetadata, strings.TrimSuffix(f.resource, c.where.prefix+c.where.path)) {
					t.Errorf("%s: the challenge is %q", address, challenge)
				}
			}
			s.asks = otherSpelling(f.resource)
			s.refresh(http.StatusOK)
			s.logIn("alice")
			if user := s.whoIs(); user["userId"] != "user-alice" {
				t.Errorf("the caller is %v", user)
			}
		})
	}
}

// checkAddresses makes sure that clients are told addresses that lead here.
func (s *session) checkAddresses() {
	s.t.Helper()
	base := strings.TrimSuffix(s.resource, "/")
	m := s.metadata
	for _, address := range []string{m.AuthorizationEndpoint, m.TokenEndpoint, m.RegistrationEndpoint, m.RevocationEndpoint} {
		if rest, below := strings.CutPrefix(address, base+"/"); !below || strings.Contains(rest, "/") {
			s.t.Errorf("an endpoint is %s", address)
		}
	}
}

func otherSpelling(address string) string {
	if trimmed, slash := strings.CutSuffix(address, "/"); slash {
		return trimmed
	}
	return address + "/"
}

// A token is for the resource as it is configured, whichever spelling its request has.
// covers: R8, RS-2
func TestTheIdentifierIsTheConfiguredOne(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{host + "/mcp", host + "/mcp/", host, host + "/"} {
		t.Run("R8: "+resource, func(t *testing.T) {
			t.Parallel()
			asked := map[string]bool{}
			p := alice()
			p.asked = func(_, resource string) { asked[resource] = true }
			g := newGuard(t, p, func(c *runtime.GuardConfig) { c.Resource = resource })
			onEcho := echo.New()
			if _, err := echoadapter.Mount(onEcho, p, runtime.GuardConfig{Resource: resource}); err != nil {
				t.Fatal(err)
			}
			if g.Resource() != resource {
				t.Errorf("the resource is %s", g.Resource())
			}
			for _, address := range []string{resource, otherSpelling(resource)} {
				protected := g.Protect(whoever)
				if response := send(protected, http.MethodPost, address, http.Header{"Authorization": {"Bearer good"}}); response.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", address, response.Status)
				}
				want := oauth.ProtectedResourceMetadataURL(resource)
				if got := challengeOf(t, send(protected, http.MethodPost, address, nil)); got.ResourceMetadata != want {
					t.Errorf("%s: the challenge names %s, want %s", address, got.ResourceMetadata, want)
				}
				for name, h := range map[string]http.Handler{"net/http": g.Handler(), "Echo": onEcho} {
					response := send(h, http.MethodGet, oauth.ProtectedResourceMetadataURL(address), nil)
					if response.StatusCode != http.StatusOK || bodyOf(t, response)["resource"] != resource {
						t.Errorf("%s: the metadata for %s: %s", name, address, response.Status)
					}
				}
			}
			if got := slices.Collect(maps.Keys(asked)); !slices.Equal(got, []string{resource}) {
				t.Errorf("tokens were checked for %q", got)
			}
		})
	}
}

// covers: R8
func TestTwoSpellingsAreNoTwoEndpoints(t *testing.T) {
	t.Parallel()
	for _, subpaths := range [][]string{{"/"}, {"/sse", "/sse/"}, {"/sse/", "/sse"}, {"/sse//"}} {
		if _, err := runtime.NewGuard(alice(), runtime.GuardConfig{Resource: resource, Subpaths: subpaths}); err == nil {
			t.Errorf("R8: subpaths %q were accepted", subpaths)
		}
	}
	first, second := guardOf(t, alice(), host+"/mcp"), guardOf(t, alice(), host+"/mcp/")
	if _, err := runtime.NewSite(first, second); err == nil {
		t.Error("R8: two guards share an endpoint")
	}
	g := guardOf(t, alice(), host+"/mcp/", "/sse/")
	if got := g.EndpointPaths(); !slices.Equal(got, []string{"/mcp/", "/mcp/sse/"}) {
		t.Errorf("R8: the endpoints are %q", got)
	}
	if got := challengeOf(t, send(g.Protect(whoever), http.MethodGet, "/mcp/sse", nil)); !strings.HasSuffix(got.ResourceMetadata, "/mcp/sse/") {
		t.Errorf("R8: the challenge of the subpath names %s", got.ResourceMetadata)
	}
}

// covers: R9
func TestAPrefixThatIsTakenAway(t *testing.T) {
	t.Parallel()
	g := newGuard(t, newGoogle(t), func(c *runtime.GuardConfig) {
		c.Resource, c.ExternalPrefix, c.Subpaths = host+"/api/mcp", "/api", []string{"/sse"}
	})
	var paths []string
	for _, route := range g.Routes() {
		paths = append(paths, route.Path)
	}
	for _, want := range []string{
		"/mcp/.well-known/oauth-protected-resource", "/mcp/sse/.well-known/oauth-protected-resource",
		"/mcp/.well-known/oauth-authorization-server", "/mcp/.well-known/openid-configuration",
		"/mcp/register", "/mcp/authorize", "/mcp/token", "/mcp/oauth/callback",
		// Where the proxy passes these on they are as clients wrote them, or stripped like any other.
		"/.well-known/oauth-protected-resource/api/mcp", "/.well-known/oauth-authorization-server/api/mcp",
		"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-authorization-server/mcp",
	} {
		if !slices.Contains(paths, want) {
			t.Errorf("R9: no request for %s is answered, only for %q", want, paths)
		}
	}
	if slices.ContainsFunc(paths, func(path string) bool { return strings.HasPrefix(path, "/api/") }) {
		t.Errorf("R9: paths with the prefix, which never arrive: %q", paths)
	}
	if got := g.EndpointPaths(); !slices.Equal(got, []string{"/mcp", "/mcp/sse"}) {
		t.Errorf("R9: the endpoints are %q", got)
	}
	for path, want := range map[string]string{"/mcp": "/api/mcp", "/mcp/sse": "/api/mcp/sse"} {
		got := challengeOf(t, send(g.Protect(whoever), http.MethodGet, path, nil)).ResourceMetadata
		if got != host+want+"/.well-known/oauth-protected-resource" {
			t.Errorf("R9: the challenge at %s names %s", path, got)
		}
		response := send(g.Handler(), http.MethodGet, strings.TrimPrefix(got, host+"/api"), nil)
		if body := bodyOf(t, response); body["resource"] != host+want {
			t.Errorf("R9: the metadata of %s is %v", path, body)
		}
	}
}

// The proof of a key is about the URL that the client wrote, which a prefix is a part of.
// covers: R9
func TestWhatAProofIsBoundToHasThePrefix(t *testing.T) {
	t.Parallel()
	var urls []string
	p := presentedTo{alice(), func(presented oauth.Presented) { urls = append(urls, presented.URL) }}
	g := newGuard(t, p, func(c *runtime.GuardConfig) { c.Resource, c.ExternalPrefix = host+"/api/mcp", "/api" })
	for _, path := range []string{"/mcp", "/mcp/x"} {
		send(g.Protect(whoever), http.MethodGet, path, http.Header{"Authorization": {"Bearer good"}})
	}
	if want := []string{host + "/api/mcp", host + "/api/mcp/x"}; !slices.Equal(urls, want) {
		t.Errorf("R9: got %q, want %q", urls, want)
	}
}

// presentedTo is a provider with a look at what is presented to it.
type presentedTo struct {
	oauth.Provider

	look func(oauth.Presented)
}

func (p presentedTo) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	p.look(presented)
	return p.Provider.Verify(ctx, presented)
}

// covers: R9
func TestAChallengeNamesTheMetadataThatIsConfigured(t *testing.T) {
	t.Parallel()
	const elsewhere = "https://docs.example.com/mcp/metadata?of=mcp"
	g := newGuard(t, alice(), func(c *runtime.GuardConfig) {
		c.ResourceMetadataURL, c.Subpaths = elsewhere, []string{"/sse"}
	})
	for path, want := range map[string]string{
		"/mcp": elsewhere, "/mcp/": elsewhere, "/mcp/sse": host + "/.well-known/oauth-protected-resource/mcp/sse",
	} {
		w := httptest.NewRecorder()
		g.Protect(whoever).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, host+path, nil))
		if got := challengeOf(t, w.Result()).ResourceMetadata; got != want {
			t.Errorf("R9: %s: the challenge names %q, want %q", path, got, want)
		}
	}
}
