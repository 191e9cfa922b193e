package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/matrix"
	"github.com/latchkey-auth/latchkey/e2e/servers/emulate"
)

// replicated are the providers with which the steps of a login are taken one by one.
func replicated() map[string]peer {
	return map[string]peer{
		"google": {name: "emulate-google", start: startEmulate(emulate.Google())},
		"github": {name: "emulate-github", start: startEmulate(emulate.GitHub())},
	}
}

// proxied are the servers of the matrix that proxy mode stands in front of.
func proxied() []peer {
	replicas := slices.DeleteFunc(replicaPeers(), func(p peer) bool {
		return !slices.Contains([]string{"google-replica", "okta-replica", "entra-replica"}, p.name)
	})
	return append(brokeredPeers(), replicas...)
}

// newReplicas starts two servers with the same variables, and without a store, behind a reverse
// proxy and in front of a provider.
func newReplicas(ctx context.Context, t *testing.T, provider peer, args ...string) *harness.ResourceServer {
	t.Helper()
	resource := &harness.ResourceServer{
		Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t), Replicas: []int{port(ctx, t), port(ctx, t)},
	}
	if provider.binary != nil {
		resource.Binary = provider.binary()
	}
	resource.Server = provider.start(ctx, t, resource.MCPURL())
	if err := resource.Start(ctx, args...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(resource.Stop)
	return resource
}

// TestTwoServersServeEveryClient sends clients that other people wrote through the matrix's
// journey, each of whose requests goes to another server than the one before.
func TestTwoServersServeEveryClient(t *testing.T) {
	t.Parallel()
	cells, err := matrix.Read("cells.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, provider := range proxied() {
		listed, _ := cells.Server(provider.name)
		// All kinds of clients at one provider with refresh tokens and at one without, one client
		// at the others.
		chosen := []string{"ts-v2"}
		if provider.name == "emulate-google" || provider.name == "emulate-github" {
			chosen = []string{"ts-v1", "ts-v2", "mcp-remote", "inspector"}
		}
		for _, client := range clients {
			if !slices.Contains(chosen, client.name) {
				continue
			}
			t.Run(provider.name+"/"+client.name, func(t *testing.T) {
				t.Parallel()
				ctx := testContext(t)
				wanted, _ := cells.Client(client.name)
				j := &journey{
					resource: newReplicas(ctx, t, provider, "--tool-scope", provider.scope()), dir: logDir(t),
					cell: listed.Cells[client.name], steps: cells.Steps, reasons: cells.Reasons, client: wanted, scope: provider.scope(),
				}
				j.travel(ctx, t, client.command(t))
				j.check(ctx, t)
				wantBothServed(t, j.resource)
			})
		}
	}
}

// wantBothServed says that neither server was there for show.
func wantBothServed(t *testing.T, resource *harness.ResourceServer) {
	t.Helper()
	count := map[int]int{}
	for _, request := range resource.Served() {
		count[request.Replica]++
	}
	if count[0] == 0 || count[1] == 0 || max(count[0], count[1])-min(count[0], count[1]) > 1 {
		t.Errorf("the servers got %d and %d requests", count[0], count[1])
	}
}

// stepLogin is one login of a client, step by step. Each step needs what the ones before left in
// the client and in the browser, and nothing else.
type stepLogin struct {
	resource *harness.ResourceServer
	client   *stepClient
	browser  *harness.Browser
	attempt  attempt

	page     *harness.Page // where the browser is
	callback string        // where the provider sends the browser
	tokens   reply
}

// loginRedirect is where the client waits. Nobody listens: the redirect is read, not followed.
const loginRedirect = "http://127.0.0.1:33418/callback"

// step is a step of a login.
type step struct {
	name string
	take func(ctx context.Context, t *testing.T, l *stepLogin)
}

// loginSteps are the requests of a whole login, in their order.
func loginSteps() []step {
	return []step{
		{"registration", func(ctx context.Context, t *testing.T, l *stepLogin) {
			l.client = newStepClient(ctx, t, http.DefaultClient, l.resource.MCPURL())
			l.client.register(ctx, "Failover", loginRedirect)
		}},
		{"authorization request", func(ctx context.Context, t *testing.T, l *stepLogin) {
			l.browser = harness.NewBrowser()
			l.attempt = l.client.request("", nil)
			l.visit(ctx, t, l.attempt.url)
		}},
		{"consent", func(ctx context.Context, t *testing.T, l *stepLogin) {
			form, err := l.page.Form("decision")
			if err == nil {
				err = form.Press("decision", "allow")
			}
			if err != nil {
				t.Fatal(err)
			}
			// The page that answers it leads on to the provider, where its user logs in.
			l.submit(ctx, t, form)
			if form, err = emulate.Pick(l.page); err != nil {
				t.Fatal(err)
			}
			l.submit(ctx, t, form)
			l.callback = l.page.URL.String()
		}},
		{"callback", func(ctx context.Context, t *testing.T, l *stepLogin) {
			page, err := l.browser.Visit(ctx, l.callback, func(u *url.URL) bool { return strings.HasPrefix(u.String(), loginRedirect) })
			if err != nil {
				t.Fatal(err)
			}
			l.page = page
		}},
		{"code exchange", func(ctx context.Context, _ *testing.T, l *stepLogin) {
			code, _ := l.client.code(l.attempt, l.page.URL.String())
			l.tokens = l.client.redeem(ctx, l.attempt, code)
		}},
		{"call", callTool},
		{"refresh", refreshTokens},
		{"call with the new token", callTool},
		{"second refresh", refreshTokens},
		{"third refresh", refreshTokens},
		{"last call", callTool},
	}
}

// visit goes to an address and follows redirects up to the callback.
func (l *stepLogin) visit(ctx context.Context, t *testing.T, address string) {
	t.Helper()
	page, err := l.browser.Visit(ctx, address, l.atCallback)
	if err != nil {
		t.Fatal(err)
	}
	l.page = page
}

func (l *stepLogin) submit(ctx context.Context, t *testing.T, form *harness.Form) {
	t.Helper()
	page, err := l.browser.Submit(ctx, form, l.atCallback)
	if err != nil {
		t.Fatal(err)
	}
	l.page = page
}

func (l *stepLogin) atCallback(u *url.URL) bool {
	return strings.HasPrefix(u.String(), l.resource.MCPURL()+"/oauth/callback")
}

func callTool(ctx context.Context, t *testing.T, l *stepLogin) {
	t.Helper()
	caller, status := l.client.call(ctx, l.tokens.AccessToken)
	if status != http.StatusOK || caller.User.UserID != l.resource.Server.UserID() {
		t.Fatalf("the caller is %q (%d), want %q", caller.User.UserID, status, l.resource.Server.UserID())
	}
}

func refreshTokens(ctx context.Context, _ *testing.T, l *stepLogin) {
	l.tokens = l.client.refresh(ctx, l.tokens.RefreshToken)
}

// start takes the steps of a login up to the named one.
func startLogin(ctx context.Context, t *testing.T, resource *harness.ResourceServer, last string) *stepLogin {
	t.Helper()
	l := &stepLogin{resource: resource}
	for _, step := range loginSteps() {
		step.take(ctx, t, l)
		if step.name == last {
			return l
		}
	}
	t.Fatalf("no step is called %q", last)
	return nil
}

// TestTwoServersShareNothing takes a login's steps, each at another server than the one before,
// beginning with either.
func TestTwoServersShareNothing(t *testing.T) {
	for name, provider := range replicated() {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			resource := newReplicas(ctx, t, provider)
			for first := range resource.Replicas {
				t.Run(fmt.Sprintf("from server %d", first+1), func(t *testing.T) {
					resource.Turn(first)
					startLogin(ctx, t, resource, "last call")
					wantBothServed(t, resource)
				})
			}
		})
	}
}

// TestALoginSurvivesACrashOfAllServers kills all servers between two steps, and starts them again.
func TestALoginSurvivesACrashOfAllServers(t *testing.T) {
	for name, provider := range replicated() {
		t.Run(name, func(t *testing.T) {
			ctx := testContext(t)
			resource := newReplicas(ctx, t, provider)
			crash := func(t *testing.T) {
				t.Helper()
				if err := resource.Crash(ctx); err != nil {
					t.Fatal(err)
				}
			}
			steps := loginSteps()
			for i := 1; i < len(steps); i++ {
				t.Run("between "+steps[i-1].name+" and "+steps[i].name, func(t *testing.T) {
					l := &stepLogin{resource: resource}
					for at, step := range steps {
						if at == i {
							crash(t)
						}
						step.take(ctx, t, l)
					}
				})
			}
			t.Run("between all steps", func(t *testing.T) {
				l := &stepLogin{resource: resource}
				for _, step := range steps {
					step.take(ctx, t, l)
					crash(t)
				}
			})
		})
	}
}

// at is the client's way to one of the servers, past the reverse proxy. It sends what the proxy
// would.
func at(t *testing.T, resource *harness.ResourceServer, replica int) *http.Client {
	t.Helper()
	address := fmt.Sprintf("127.0.0.1:%d", resource.Replicas[replica])
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, address)
	}}
	return &http.Client{Transport: transport}
}

// TestWhatTwoServersForget holds docs/proxy-mode.md to its word: what servers without a shared
// store know of each other, and after a crash, and what the provider makes good.
func TestWhatTwoServersForget(t *testing.T) {
	ctx := testContext(t)
	resource := newReplicas(ctx, t, replicated()["google"])
	first, second := at(t, resource, 0), at(t, resource, 1)
	wantStatus := func(t *testing.T, l *stepLogin, way *http.Client, token string, want int) {
		t.Helper()
		l.client.http = way
		if _, status := l.client.call(ctx, token); status != want {
			t.Errorf("the access token is answered with %d, want %d", status, want)
		}
	}
	wantGrant := func(t *testing.T, r reply, want string) {
		t.Helper()
		if r.Error != want || (want == "") != (r.status == http.StatusOK) {
			t.Errorf("the grant is answered with %d %q, want %q", r.status, r.Error, want)
		}
	}

	t.Run("a revoked access token ends at the server that was asked, until that crashes", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "code exchange")
		l.client.http = first
		l.client.revoke(ctx, l.tokens.AccessToken, "access_token")
		wantStatus(t, l, first, l.tokens.AccessToken, http.StatusUnauthorized)
		wantStatus(t, l, second, l.tokens.AccessToken, http.StatusOK)
		if err := resource.Crash(ctx); err != nil {
			t.Fatal(err)
		}
		wantStatus(t, l, first, l.tokens.AccessToken, http.StatusOK)
	})
	t.Run("a revoked refresh token ends at the provider too", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "code exchange")
		l.client.http = first
		l.client.revoke(ctx, l.tokens.RefreshToken, "refresh_token")
		wantStatus(t, l, first, l.tokens.AccessToken, http.StatusUnauthorized)
		wantGrant(t, l.client.tryRefresh(ctx, l.tokens.RefreshToken), "invalid_grant")
		l.client.http = second
		wantGrant(t, l.client.tryRefresh(ctx, l.tokens.RefreshToken), "invalid_grant")
		if err := resource.Crash(ctx); err != nil {
			t.Fatal(err)
		}
		l.client.http = first
		wantGrant(t, l.client.tryRefresh(ctx, l.tokens.RefreshToken), "invalid_grant")
	})
	t.Run("a code's second use ends the login where the first was", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "callback")
		code, _ := l.client.code(l.attempt, l.page.URL.String())
		l.client.http = first
		tokens := l.client.redeem(ctx, l.attempt, code)
		wantGrant(t, l.client.tryRedeem(ctx, l.attempt, code), "invalid_grant")
		wantStatus(t, l, first, tokens.AccessToken, http.StatusUnauthorized)
	})
	t.Run("elsewhere, and after a crash, the provider refuses it", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "callback")
		code, _ := l.client.code(l.attempt, l.page.URL.String())
		l.client.http = first
		tokens := l.client.redeem(ctx, l.attempt, code)
		l.client.http = second
		wantGrant(t, l.client.tryRedeem(ctx, l.attempt, code), "invalid_grant")
		wantStatus(t, l, first, tokens.AccessToken, http.StatusOK)
		if err := resource.Crash(ctx); err != nil {
			t.Fatal(err)
		}
		wantGrant(t, l.client.tryRedeem(ctx, l.attempt, code), "invalid_grant")
	})
	t.Run("a callback works once in a browser, wherever", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "callback")
		for range 2 {
			page, err := l.browser.Visit(ctx, l.callback, nil)
			if err != nil || page.Status != http.StatusBadRequest {
				t.Errorf("the callback is answered again: %v", err)
			}
		}
	})
	t.Run("a replayed refresh token ends the login where a later one is known", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "code exchange")
		l.client.http = first
		old := l.tokens.RefreshToken
		next := l.client.refresh(ctx, old)
		if again := l.client.refresh(ctx, old); again.RefreshToken != next.RefreshToken {
			t.Error("an immediate retry gets another answer")
		}
		last := l.client.refresh(ctx, next.RefreshToken)
		l.client.http = second
		fork := l.client.refresh(ctx, old) // nothing is known here, and Google's refresh tokens stay
		l.client.http = first
		wantGrant(t, l.client.tryRefresh(ctx, fork.RefreshToken), "invalid_grant")
		wantGrant(t, l.client.tryRefresh(ctx, last.RefreshToken), "invalid_grant")
		wantStatus(t, l, first, last.AccessToken, http.StatusUnauthorized)
	})
	t.Run("a crash forgets that a refresh token was used", func(t *testing.T) {
		l := startLogin(ctx, t, resource, "code exchange")
		l.client.http = first
		l.client.refresh(ctx, l.tokens.RefreshToken)
		if err := resource.Crash(ctx); err != nil {
			t.Fatal(err)
		}
		wantGrant(t, l.client.tryRefresh(ctx, l.tokens.RefreshToken), "")
	})
}
