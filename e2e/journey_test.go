package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

// journey is one client's way through the steps of clients/README.md.
type journey struct {
	resource *harness.ResourceServer
	dir      string
	stepUp   bool
	refresh  refreshToken

	steps events
	asked []harness.AuthorizeRequest
}

// stepUpScope is what the resource server asks for after it was raised. The authorization servers know it, and no client
// asks for it before.
const stepUpScope = "notes:write"

// travel runs the client to its end.
func (j *journey) travel(ctx context.Context, t *testing.T, command []string) {
	t.Helper()
	work := filepath.Join(j.dir, "work")
	if err := os.Mkdir(work, 0o750); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(work) }() // it holds tokens
	var raise func(context.Context) error
	if j.stepUp {
		raise = func(context.Context) error {
			return j.resource.Restart(ctx, "--scope", stepUpScope) // the process must outlive the request
		}
	}
	signIn := harness.NewSignIn(j.resource.Server, raise)
	defer signIn.Stop()
	err := harness.Run(ctx, harness.Command{
		Name: "client", LogDir: j.dir, Path: command[0], Args: command[1:],
		Env: append(harness.Trusting(j.resource.Server),
			"E2E_MCP_URL="+j.resource.MCPURL(),
			"E2E_LOGIN_URL="+signIn.URL(),
			"E2E_STEP_UP="+yesOrNo(j.stepUp),
			"E2E_REFRESH="+yesOrNo(j.refresh == withHelp),
			"E2E_WORK="+work,
		),
		Output: j.steps.add,
	})
	if err != nil {
		t.Error(err)
	}
	for _, line := range j.steps.bad {
		t.Errorf("the client prints a line that is no step: %q", line)
	}
	j.asked = signIn.Requests()
}

func yesOrNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// check compares what the client said, and what it asked the authorization server for, with what must happen.
func (j *journey) check(ctx context.Context, t *testing.T) {
	t.Helper()
	login := j.steps.step(t, "login")
	if login.Logins != 1 {
		t.Errorf("login: %d logins, want 1", login.Logins)
	}
	if want := j.refresh == byItself; login.RefreshToken != want {
		t.Errorf("login: refresh token %t, want %t", login.RefreshToken, want)
	}
	for _, request := range j.asked {
		if request.Resource != j.resource.MCPURL() || request.ChallengeMethod != "S256" {
			t.Errorf("the client asks for resource %q with PKCE %q", request.Resource, request.ChallengeMethod)
		}
	}
	if tools := j.steps.step(t, "list").Tools; !slices.Contains(tools, "whoami") {
		t.Errorf("list: tools %q lack whoami", tools)
	}
	checkCaller(t, "whoami", j.resource.Server, j.steps.step(t, "whoami").Caller)

	// A stale access token is renewed without anybody noticing where there is a refresh token.
	j.checkStep(t, "renew", map[bool]int{true: 0, false: 1}[j.refresh == byItself])
	if j.refresh == withHelp {
		j.checkStep(t, "refresh", 1) // the login that got the refresh token
	}
	if !j.steps.step(t, "bad token").LoginRequired {
		t.Error("bad token: the client did not ask for a login")
	}
	if j.stepUp {
		// One login is enough, and loses nothing of what the client had (RS-8).
		needed := append(j.steps.step(t, "whoami").Caller.Scopes, stepUpScope)
		scopes := j.checkStep(t, "step-up", 1).Caller.Scopes
		for _, scope := range needed {
			if !slices.Contains(scopes, scope) {
				t.Errorf("step-up: the caller's scopes %q lack %s", scopes, scope)
			}
		}
	}
	checkRefusals(ctx, t, j.resource)
}

// checkStep says whether a step called the tool as the server's user, after that many logins.
func (j *journey) checkStep(t *testing.T, name string, logins int) event {
	t.Helper()
	step := j.steps.step(t, name)
	checkCaller(t, name, j.resource.Server, step.Caller)
	if step.Logins != logins {
		t.Errorf("%s: %d logins, want %d", name, step.Logins, logins)
	}
	return step
}

// checkRefusals looks at the challenges themselves (RS-2, RS-6).
func checkRefusals(ctx context.Context, t *testing.T, resource *harness.ResourceServer) {
	t.Helper()
	metadata := resource.Origin() + "/.well-known/oauth-protected-resource/mcp"
	for token, wantError := range map[string]string{"": "", "stale": "invalid_token"} {
		answer, err := resource.Ping(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		checkChallenge(t, "token "+strconv.Quote(token), answer.Status, answer.Challenge, wantError, metadata)
	}
}

// event is one line of a client, as clients/README.md describes it.
type event struct {
	Step          string          `json:"step"`
	OK            bool            `json:"ok"`
	Error         string          `json:"error"`
	Logins        int             `json:"logins"`
	RefreshToken  bool            `json:"refresh_token"`
	Tools         []string        `json:"tools"`
	Caller        *harness.Caller `json:"caller"`
	LoginRequired bool            `json:"login_required"`
}

// events collects a client's lines.
type events struct {
	mu    sync.Mutex
	steps map[string]event
	bad   []string
}

func (e *events) add(line string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var next event
	if err := json.Unmarshal([]byte(line), &next); err != nil || next.Step == "" {
		e.bad = append(e.bad, line)
		return
	}
	if e.steps == nil {
		e.steps = make(map[string]event)
	}
	e.steps[next.Step] = next
}

// step returns a step that went well.
func (e *events) step(t *testing.T, name string) event {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	step, found := e.steps[name]
	if !found {
		t.Fatalf("the client did not get to %q", name)
	}
	if !step.OK {
		t.Fatalf("%s: %s", name, step.Error)
	}
	return step
}

// checkCaller says whether a tool's answer is about the server's user, from the server's token.
func checkCaller(t *testing.T, where string, server harness.Server, caller *harness.Caller) {
	t.Helper()
	switch {
	case caller == nil:
		t.Fatalf("%s: no caller", where)
	case caller.User.UserID != server.UserID():
		t.Errorf("%s: the caller is %q, want the server's user %q", where, caller.User.UserID, server.UserID())
	case caller.Issuer != server.Issuer():
		t.Errorf("%s: the caller's issuer is %q, want %q", where, caller.Issuer, server.Issuer())
	case caller.ClientID == "" && !harness.NamesNoClient(server):
		t.Errorf("%s: the caller has no client", where)
	case !caller.ExpiresAt.After(time.Now()):
		t.Errorf("%s: the caller expires at %s", where, caller.ExpiresAt)
	}
}

// checkChallenge compares a refusal with RFC 6750 section 3: no error code where no credentials were sent.
func checkChallenge(t *testing.T, where string, status int, challenge, wantError, wantMetadata string) {
	t.Helper()
	if status != 401 {
		t.Errorf("%s: status %d, want 401", where, status)
	}
	if want := `resource_metadata="` + wantMetadata + `"`; !strings.Contains(challenge, want) {
		t.Errorf("%s: challenge %q lacks %s", where, challenge, want)
	}
	if wantError == "" && strings.Contains(challenge, "error=") {
		t.Errorf("%s: challenge %q has an error though no token was sent", where, challenge)
	}
	if wantError != "" && !strings.Contains(challenge, `error="`+wantError+`"`) {
		t.Errorf("%s: challenge %q lacks error=%q", where, challenge, wantError)
	}
}
