package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// TestFaults makes servers fail while callers ask, and counts what the callers see. The faults run
// beside each other: most of the time they wait, for starts and for the next fetch of a key set.
func TestFaults(t *testing.T) {
	report := &faultReport{}
	t.Run("while callers ask", func(t *testing.T) {
		for _, f := range []struct {
			name   string
			titles []string
			make   func(*testing.T, *faultReport)
		}{
			{"Keycloak restarts", []string{titleKeycloakTerm, titleKeycloakKill}, keycloakRestarts},
			{"Keycloak rotates its keys", []string{titleRotation}, keycloakRotates},
			{"Better Auth restarts and keeps its keys", []string{titleBetterAuthKept}, betterAuthRestarts},
			{"Better Auth restarts and loses its keys", []string{titleBetterAuthLost}, betterAuthForgets},
			{"Keycloak's key set is late", []string{titleLate}, keySetLate},
			{"Better Auth's key set drips", []string{titleDrip}, keySetDrips},
			{"latchkey restarts", []string{titleServe}, serveRestarts},
		} {
			report.titles = append(report.titles, f.titles...)
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				f.make(t, report)
			})
		}
	})
	report.finish(t)
}

// The kinds of callers.
const (
	known    = "20 with tokens that were seen before"
	firstUse = "20 with tokens that were never seen, of a known key"
	stranger = "20 with a key id that nobody knows"
	prober   = "one with a key id that nobody knows"
	metadata = "2 who look for the authorization server's metadata"
	newLogin = "one who logs in"
	newToken = "one with a token of a new login"
)

const callers = 20

// loggedIn is counted for a login that worked.
const loggedIn = "logged in"

// faultContext bounds one fault: several waits for the 30 seconds between two fetches, and starts
// of Keycloak.
func faultContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 12*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// site is a resource server in front of an authorization server, and a client with a login.
type site struct {
	resource *harness.ResourceServer
	client   *harness.OAuthClient
	scope    string
	// inVain is when the resource server last fetched the key set for a key that does not exist.
	inVain time.Time
}

// newSite makes the parts; start makes the authorization server of a resource.
func newSite(ctx context.Context, t *testing.T, scope string, start func(resource string) harness.Server) *site {
	t.Helper()
	resource := &harness.ResourceServer{Binary: suite.binary, LogDir: logDir(t), Port: port(ctx, t)}
	resource.Server = start(resource.MCPURL())
	s := &site{resource: resource, scope: scope}
	s.register(ctx, t)
	return s
}

// The scopes by which a client gets refresh tokens, and at Keycloak the audience.
const (
	keycloakScope   = "openid profile email mcp:tools"
	betterAuthScope = "openid offline_access"
)

// serve starts the resource server.
func (s *site) serve(ctx context.Context, t *testing.T, args ...string) {
	t.Helper()
	must(t, s.resource.Start(ctx, args...))
	t.Cleanup(s.resource.Stop)
}

// register makes the client known to the authorization server.
func (s *site) register(ctx context.Context, t *testing.T) {
	t.Helper()
	var err error
	s.client, err = harness.NewOAuthClient(ctx, s.resource.Server)
	must(t, err)
}

func (s *site) login(ctx context.Context) (*harness.Tokens, error) {
	return s.client.Login(ctx, s.scope, s.resource.MCPURL())
}

// tokens are different access tokens of one login.
func (s *site) tokens(ctx context.Context, t *testing.T, n int) []string {
	t.Helper()
	tokens, err := s.login(ctx)
	must(t, err)
	list := []string{tokens.AccessToken}
	for len(list) < n {
		tokens, err = s.client.Refresh(ctx, tokens.RefreshToken, s.resource.MCPURL())
		must(t, err)
		list = append(list, tokens.AccessToken)
	}
	return list
}

// ask is a request with a token: every other one of MCP.
func (s *site) ask(i int, token string) harness.Prepare {
	return func(ctx context.Context) (*http.Request, error) {
		if i%2 == 0 {
			return authorized(ctx, http.MethodGet, s.resource.Origin()+"/whoami", token, "")
		}
		return authorized(ctx, http.MethodPost, s.resource.MCPURL(), token, pingBody)
	}
}

const pingBody = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

func authorized(ctx context.Context, method, target, token, body string) (*http.Request, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, text/event-stream")
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// traffic starts callers who know the resource server, and returns when each has been answered.
func (s *site) traffic(ctx context.Context, t *testing.T, tokens []string) *harness.Traffic {
	t.Helper()
	traffic := harness.NewTraffic(ctx, beforeStop)
	t.Cleanup(func() { traffic.Stop() })
	for i, token := range tokens {
		traffic.Add(known, s.ask(i, token))
	}
	must(t, traffic.Rounds(ctx, 5))
	return traffic
}

// once has each token presented once, all at the same time.
func (s *site) once(ctx context.Context, traffic *harness.Traffic, callers string, tokens []string) {
	var group sync.WaitGroup
	for i, token := range tokens {
		group.Go(func() { traffic.Ask(ctx, callers, s.ask(i, token)) })
	}
	group.Wait()
}

// coolDown returns when the key set may be fetched for unknown keys again.
func (s *site) coolDown(ctx context.Context, t *testing.T) {
	t.Helper()
	over := s.inVain.Add(unknownKeyPause + time.Second)
	must(t, harness.Until(ctx, func() bool { return time.Now().After(over) }))
}

// untilAnswer asks with a token until the answer is that one.
func (s *site) untilAnswer(ctx context.Context, t *testing.T, traffic *harness.Traffic, callers, token, answer string) {
	t.Helper()
	must(t, harness.Until(ctx, func() bool { return traffic.Ask(ctx, callers, s.ask(0, token)) == answer }))
}

// tryLogin counts a login: what else may happen is that nobody listens.
func (s *site) tryLogin(ctx context.Context, traffic *harness.Traffic) string {
	began := time.Now()
	tokens, err := s.login(ctx)
	switch {
	case err == nil:
		traffic.Count(newLogin, loggedIn, time.Since(began))
		return tokens.AccessToken
	case errors.Is(err, syscall.ECONNREFUSED):
		traffic.Count(newLogin, harness.Refused, time.Since(began))
	default:
		traffic.Count(newLogin, err.Error(), time.Since(began))
	}
	return ""
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// strangers are tokens that name keys that nobody has.
func strangers(t *testing.T, token string, n int) []string {
	t.Helper()
	_, rest, _ := strings.Cut(token, ".")
	named := header(t, token)
	var list []string
	for i := range n {
		named["kid"] = fmt.Sprintf("nobody-%d", i)
		encoded, err := json.Marshal(named)
		must(t, err)
		list = append(list, base64.RawURLEncoding.EncodeToString(encoded)+"."+rest)
	}
	return list
}

// answersNobody reports whether connections to an address are refused.
func answersNobody(ctx context.Context, address string) func() bool {
	return func() bool {
		connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = connection.Close()
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	}
}

const titleServe = "`latchkey serve` is restarted (SIGTERM)"

// serveRestarts ends the resource server while requests are in its handlers. They finish; none is
// cut.
func serveRestarts(t *testing.T, report *faultReport) {
	const (
		restart   = "until the new one listens"
		after     = "after"
		inHandler = "20 whose request is in a handler at the signal"
	)
	ctx := faultContext(t)
	s := newSite(ctx, t, betterAuthScope, func(resource string) harness.Server { return newBetterAuth(ctx, t, "", resource) })
	s.serve(ctx, t)
	tokens := s.tokens(ctx, t, callers)
	traffic := s.traffic(ctx, t, tokens)

	traffic.Phase(restart)
	held := s.hold(ctx, t, traffic, inHandler, tokens)
	process := s.resource.Process()
	must(t, process.Signal(syscall.SIGTERM))
	must(t, harness.Until(ctx, answersNobody(ctx, fmt.Sprintf("127.0.0.1:%d", s.resource.Port))))
	must(t, traffic.Rounds(ctx, 2))
	held.release()
	must(t, process.Wait(ctx))
	if err := process.ExitError(); err != nil {
		t.Errorf("serve ended with %v, want status 0", err)
	}
	must(t, s.resource.Start(ctx))
	must(t, traffic.Rounds(ctx, 1))
	traffic.Phase(after)
	must(t, traffic.Rounds(ctx, 5))

	report.check(t, titleServe, traffic.Stop(), []expected{
		{beforeStop, known, []string{"200"}, atOnce()},
		{restart, inHandler, []string{"200"}, waiting{15 * time.Second, "as long as they took anyway"}},
		{restart, known, []string{"200", harness.Refused}, atOnce()},
		{after, known, []string{"200"}, atOnce()},
	})
}

// held are requests whose handlers wait for the rest of them.
type held struct {
	bodies chan struct{}
	group  sync.WaitGroup
}

// hold sends one request per token without its body, and returns when all are in their handlers:
// the server asks for a body (100 Continue) when a handler reads it.
func (s *site) hold(ctx context.Context, t *testing.T, traffic *harness.Traffic, callers string, tokens []string) *held {
	t.Helper()
	h := &held{bodies: make(chan struct{})}
	var inside atomic.Int64
	for _, token := range tokens {
		h.group.Go(func() {
			traffic.Ask(ctx, callers, func(ctx context.Context) (*http.Request, error) {
				request, err := authorized(ctx, http.MethodPost, s.resource.MCPURL(), token, pingBody)
				if err != nil {
					return nil, err
				}
				request.Header.Set("Expect", "100-continue")
				request.Body = &lateBody{ReadCloser: request.Body, asked: func() { inside.Add(1) }, until: h.bodies}
				request.GetBody = nil // a second try would not be this request
				return request, nil
			})
		})
	}
	t.Cleanup(h.release)
	must(t, harness.Until(ctx, func() bool { return inside.Load() == int64(len(tokens)) }))
	return h
}

// lateBody is a body that the server has asked for, and that comes later.
type lateBody struct {
	io.ReadCloser

	once  sync.Once
	asked func()
	until <-chan struct{}
}

// Read is called when the server has answered 100 Continue.
func (b *lateBody) Read(p []byte) (int, error) {
	b.once.Do(b.asked)
	<-b.until
	return b.ReadCloser.Read(p)
}

// release lets the requests finish, and returns when they have.
func (h *held) release() {
	select {
	case <-h.bodies:
	default:
		close(h.bodies)
	}
	h.group.Wait()
}
