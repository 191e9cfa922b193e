package e2e

import (
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/servers/emulate"
	"github.com/latchkey-auth/latchkey/oauth"
	githubprovider "github.com/latchkey-auth/latchkey/providers_gen/github"
	"github.com/latchkey-auth/latchkey/providers_gen/google"
	"github.com/latchkey-auth/latchkey/runtime"
)

// serveEmulate starts an emulator and the server in proxy mode in front of it, with further
// variables.
func serveEmulate(t *testing.T, service emulate.Service, variables ...string) (*harness.ResourceServer, *emulate.Server) {
	t.Helper()
	ctx := testContext(t)
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	if service.Custom() {
		resource.Binary = suite.custom
	}
	server := newEmulate(ctx, t, service, resource.MCPURL())
	resource.Server = withVariables{server, variables}
	if err := resource.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	t.Cleanup(func() {
		for _, token := range server.Issued() {
			if strings.Contains(resource.Log(), token) || strings.Contains(server.Log(), token) {
				t.Error("a log holds a token of the provider")
			}
		}
	})
	return resource, server
}

// withVariables is an emulator with further variables for the server in front of it: of two with
// the same name the last one counts.
type withVariables struct {
	*emulate.Server
	variables []string
}

func (s withVariables) Environment() []string { return append(s.Server.Environment(), s.variables...) }

var emulated = map[string]func() emulate.Service{
	"google": emulate.Google, "github": emulate.GitHub, "okta": emulate.Okta, "microsoft": emulate.Microsoft,
}

// TestBrokeredTokens follows the tokens that clients get in proxy mode, at every emulated provider.
// covers: RS-5, AS-14
func TestBrokeredTokens(t *testing.T) {
	t.Parallel()
	for name, service := range emulated {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resource, server := serveEmulate(t, service())
			client := newBrokerClient(t, resource)

			t.Run("a client that sends neither scope nor resource logs in", func(t *testing.T) {
				tokens := client.tokens(t)
				if caller := wantCaller(t, resource, tokens.AccessToken); len(caller.Scopes) == 0 {
					t.Error("the caller has no scopes")
				}
				status, answer := client.refresh(t, tokens.RefreshToken)
				renewed := readTokens(t, status, answer)
				wantCaller(t, resource, renewed.AccessToken)
				if renewed.RefreshToken == tokens.RefreshToken {
					t.Error("the refresh token was not replaced")
				}
			})
			t.Run("a token of another application of the provider is refused", func(t *testing.T) {
				tokens, err := server.OtherTokens(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				wantRefused(t, resource, tokens.AccessToken)
				if tokens.RefreshToken != "" {
					status, answer := client.refresh(t, tokens.RefreshToken)
					wantError(t, status, answer, http.StatusBadRequest, "invalid_grant")
				}
			})
			t.Run("the provider's own token is refused, as is a refresh token", func(t *testing.T) {
				tokens := client.tokens(t)
				for _, token := range append(server.Issued(), tokens.RefreshToken) {
					wantRefused(t, resource, token)
				}
			})
			t.Run("a revoked access token is refused", func(t *testing.T) {
				tokens := client.tokens(t)
				wantCaller(t, resource, tokens.AccessToken)
				client.revoke(t, tokens.AccessToken)
				wantRefused(t, resource, tokens.AccessToken, "reason=inactive")
				status, answer := client.refresh(t, tokens.RefreshToken)
				wantError(t, status, answer, http.StatusBadRequest, "invalid_grant")
			})
			t.Run("a revoked refresh token ends the login, at the provider too", func(t *testing.T) {
				known := server.Issued()
				tokens := client.tokens(t)
				client.revoke(t, tokens.RefreshToken)
				wantRefused(t, resource, tokens.AccessToken, "reason=inactive")
				status, answer := client.refresh(t, tokens.RefreshToken)
				wantError(t, status, answer, http.StatusBadRequest, "invalid_grant")
				for _, token := range server.Issued()[len(known):] {
					if accepted, err := server.Honours(t.Context(), token); err != nil || accepted {
						t.Errorf("the provider still honours one of its tokens: %t, %v", accepted, err)
					}
				}
			})
			t.Run("a login that the user denies ends with access_denied", func(t *testing.T) {
				l := client.begin()
				redirect, err := harness.Walk(t.Context(), l.url, harness.Deny, emulate.Pick)
				if err != nil {
					t.Fatal(err)
				}
				if answer := l.callback(t, redirect); answer.Get("error") != "access_denied" || answer.Has("code") {
					t.Errorf("the client is sent back with error %q", answer.Get("error"))
				}
			})
			t.Run("the client is never shown a token of the provider", func(t *testing.T) {
				if len(server.Issued()) < 6 {
					t.Fatalf("the provider issued %d tokens only", len(server.Issued()))
				}
				if slices.ContainsFunc(server.Issued(), client.wasShown) {
					t.Error("the client was shown a token of the provider")
				}
			})
		})
	}
}

// TestBrokeredBinding asks the providers themselves, without the broker that hands them no token
// from outside: the check at Google's tokeninfo and at GitHub's API ties a token to our
// application.
func TestBrokeredBinding(t *testing.T) {
	t.Parallel()
	resource, server := serveEmulate(t, emulate.Google())
	github, githubServer := serveEmulate(t, emulate.GitHub())
	for name, c := range map[string]struct {
		resource *harness.ResourceServer
		server   *emulate.Server
		build    func(...runtime.Option) (*runtime.Provider, error)
	}{
		"google": {resource, server, func(o ...runtime.Option) (*runtime.Provider, error) { return google.New(google.Config{}, o...) }},
		"github": {github, githubServer, func(o ...runtime.Option) (*runtime.Provider, error) {
			return githubprovider.New(githubprovider.Config{}, o...)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provider, err := c.build(optionsOf(c.server)...)
			if err != nil {
				t.Fatal(err)
			}
			own, err := c.server.OwnTokens(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			other, err := c.server.OtherTokens(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			info, err := provider.Verify(t.Context(), presented(own.AccessToken, c.resource.MCPURL()))
			if err != nil || info.User.ID != c.server.UserID() {
				t.Errorf("a token of our application: %v", err)
			}
			for what, token := range map[string]string{"another application's token": other.AccessToken, "a made-up token": "made-up-token"} {
				if _, err := provider.Verify(t.Context(), presented(token, c.resource.MCPURL())); !errors.Is(err, oauth.ErrInvalidToken) {
					t.Errorf("%s: %v, want a refusal", what, err)
				}
			}
		})
	}
}

// optionsOf are those that the command line of `latchkey serve` stands for.
func optionsOf(server *emulate.Server) []runtime.Option {
	environment := server.Environment()
	options := []runtime.Option{runtime.WithoutTokenCache(), runtime.WithLookupEnv(func(name string) (string, bool) {
		for _, entry := range environment {
			if value, found := strings.CutPrefix(entry, name+"="); found {
				return value, true
			}
		}
		return "", false
	})}
	for _, argument := range server.Command("127.0.0.1:1") {
		if name, address, found := strings.Cut(argument, "="); found {
			options = append(options, runtime.WithEndpoint(name, address))
		}
	}
	return options
}

// TestBrokeredErrors shows what a client is told when something fails at the provider. GitHub
// answers such errors with status 200, and with codes of its own.
func TestBrokeredErrors(t *testing.T) {
	t.Parallel()
	for name, service := range emulated {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resource, server := serveEmulate(t, service())
			client := newBrokerClient(t, resource)

			t.Run("a login that is refused at the provider", func(t *testing.T) {
				l := client.begin()
				answer := l.callback(t, answerInstead(t, resource, l, url.Values{
					"error": {"access_denied"}, "error_description": {"The user has denied your application access."},
				}))
				if answer.Get("error") != "access_denied" || answer.Has("code") {
					t.Errorf("the client is sent back with error %q", answer.Get("error"))
				}
			})
			t.Run("a code that the provider does not know", func(t *testing.T) {
				l := client.begin()
				answer := l.callback(t, answerInstead(t, resource, l, url.Values{"code": {"a-code-of-nobody"}}))
				status, tokens := l.redeem(t, answer.Get("code"))
				wantError(t, status, tokens, http.StatusBadRequest, "invalid_grant")
			})
			t.Run("an access that the user took back", func(t *testing.T) {
				tokens := client.tokens(t)
				if err := server.TakeBack(t.Context()); err != nil {
					t.Fatal(err)
				}
				status, answer := client.refresh(t, tokens.RefreshToken)
				wantError(t, status, answer, http.StatusBadRequest, "invalid_grant")
			})
		})
		t.Run(name+" with a wrong client secret", func(t *testing.T) {
			t.Parallel()
			secret := strings.Repeat("wrong-client-secret-", 3)
			resource, _ := serveEmulate(t, service(), service().SecretVariable()+"="+secret)
			client := newBrokerClient(t, resource)
			l := client.begin()
			redirect, err := resource.Server.Login(t.Context(), l.url)
			if err != nil {
				t.Fatal(err)
			}
			// It is the operator's mistake: invalid_client would send the client to register again.
			status, answer := l.redeem(t, l.callback(t, redirect).Get("code"))
			wantError(t, status, answer, http.StatusInternalServerError, "server_error")
			if log := resource.Log(); !strings.Contains(log, "reason=own_credentials") || strings.Contains(log, secret) {
				t.Errorf("the log does not say what is wrong, or holds the secret:\n%s", log)
			}
		})
	}
}

// answerInstead goes through our consent page and comes back from the provider with an answer that
// the test made.
func answerInstead(t *testing.T, resource *harness.ResourceServer, l brokerLogin, answer url.Values) string {
	t.Helper()
	redirect, err := harness.Walk(t.Context(), l.url, harness.Allow, func(page *harness.Page) (*harness.Form, error) {
		if page.Status != http.StatusOK {
			t.Errorf("the provider answers %d", page.Status)
		}
		answer.Set("state", page.URL.Query().Get("state"))
		callback, err := url.Parse(resource.MCPURL() + "/oauth/callback")
		return &harness.Form{Action: callback, Method: http.MethodGet, Values: answer}, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return redirect
}

// TestBrokeredHostedDomain: Google is asked for the users of one Workspace domain, and not trusted
// to give no others.
func TestBrokeredHostedDomain(t *testing.T) {
	t.Parallel()
	for domain, allowed := range map[string]bool{"example.com": true, "another.example": false} {
		t.Run(domain, func(t *testing.T) {
			t.Parallel()
			resource, _ := serveEmulate(t, emulate.Google(), "MCP_USE_OAUTH_GOOGLE_HOSTED_DOMAIN="+domain)
			client := newBrokerClient(t, resource)
			if allowed {
				wantCaller(t, resource, client.tokens(t).AccessToken)
				return
			}
			l := client.begin()
			redirect, err := resource.Server.Login(t.Context(), l.url)
			if err != nil {
				t.Fatal(err)
			}
			status, answer := l.redeem(t, l.callback(t, redirect).Get("code"))
			if status == http.StatusOK || answer["access_token"] != nil {
				t.Error("a user of another domain gets in")
			}
			if !strings.Contains(resource.Log(), "not of the configured Workspace domain") {
				t.Errorf("the log does not say why:\n%s", resource.Log())
			}
		})
	}
}

// TestProxiedJWTs: what clients can use of a provider that issues JWTs, in both token modes.
func TestProxiedJWTs(t *testing.T) {
	t.Parallel()
	for name, passthrough := range map[string]bool{"sealed": false, "passthrough": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := testContext(t)
			resource := &harness.ResourceServer{Binary: suite.custom, LogDir: logDir(t), Port: port(ctx, t)}
			server := newUpstream(ctx, t, resource.MCPURL(), passthrough)
			resource.Server = server
			if err := resource.Start(ctx); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(resource.Stop)
			client := newBrokerClient(t, resource)
			tokens := client.tokens(t)
			t.Run("clients get tokens of the mode", func(t *testing.T) {
				wantCaller(t, resource, tokens.AccessToken)
				if _, err := tokenHeader(tokens.AccessToken); (err == nil) != passthrough {
					t.Errorf("the client gets a JWT: %t, want %t", err == nil, passthrough)
				}
			})
			t.Run("a token of another application of the provider is refused", func(t *testing.T) {
				other, err := server.OtherTokens(ctx)
				if err != nil {
					t.Fatal(err)
				}
				reason := map[bool]string{true: "reason=audience", false: "not a sealed value"}[passthrough]
				wantRefused(t, resource, other.AccessToken, reason)
				wantRefused(t, resource, other.IDToken)
			})
			t.Run("a refresh token is no access token", func(t *testing.T) {
				wantRefused(t, resource, tokens.RefreshToken)
			})
			t.Run("the provider's refresh token stays here", func(t *testing.T) {
				status, answer := client.refresh(t, tokens.RefreshToken)
				wantCaller(t, resource, readTokens(t, status, answer).AccessToken)
				if len(tokens.RefreshToken) < 100 {
					t.Error("the refresh token is the provider's own")
				}
			})
			t.Run("a revoked login is not renewed", func(t *testing.T) {
				tokens := client.tokens(t)
				client.revoke(t, tokens.RefreshToken)
				status, answer := client.refresh(t, tokens.RefreshToken)
				wantError(t, status, answer, http.StatusBadRequest, "invalid_grant")
			})
		})
	}
}

// checkLeaks searches all logs of a cell for tokens that the provider issued to the server in proxy
// mode.
func checkLeaks(t *testing.T, dir string, server harness.Server) {
	t.Helper()
	provider, ok := server.(interface{ Issued() []string })
	if !ok {
		return
	}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, token := range provider.Issued() {
			if strings.Contains(string(content), token) {
				t.Errorf("%s holds a token of the provider", path)
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// presented is a bearer token as a guard presents it.
func presented(token, resource string) oauth.Presented {
	return oauth.Presented{Token: oauth.Secret(token), Scheme: oauth.SchemeBearer, Resource: resource}
}
