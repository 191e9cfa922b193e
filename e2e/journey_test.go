package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/e2e/harness"
	"github.com/latchkey-auth/latchkey/e2e/matrix"
)

// journey is one client's way through the steps of clients/README.md.
type journey struct {
	resource *harness.ResourceServer
	dir      string
	cell     matrix.Cell
	steps    []matrix.Step
	reasons  map[string]matrix.Reason
	client   matrix.Client
	// page tells that the client is a page in a browser.
	page bool
	// scope is what the tool step_up needs.
	scope string
	// environment is for the client besides what all clients get.
	environment []string

	events events
	asked  []harness.AuthorizeRequest
}

// taken are the names of the steps that the client is to take.
func (j *journey) taken() []string {
	var names []string
	for _, step := range j.steps {
		manner := j.cell.Manner(step.Name)
		// refresh is for clients that need their application's help; renew shows what the others
		// do.
		if manner != matrix.LeftOut && (step.Name != "refresh" || manner == matrix.Helped) {
			names = append(names, step.Name)
		}
	}
	return names
}

// failing are the names of the steps that must fail.
func (j *journey) failing() []string {
	var names []string
	for name, difference := range j.cell.Differs {
		if difference.Is == matrix.Fails {
			names = append(names, name)
		}
	}
	return names
}

// travel runs the client to its end.
func (j *journey) travel(ctx context.Context, t *testing.T, command []string) {
	t.Helper()
	work := filepath.Join(j.dir, "work")
	if err := os.Mkdir(work, 0o750); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(work) }() // it holds tokens
	signIn := harness.NewSignIn(ctx, j.resource)
	defer signIn.Stop()
	err := harness.Run(ctx, harness.Command{
		Name: "client", LogDir: j.dir, Path: command[0], Args: command[1:],
		Env: append(append(harness.Trusting(j.resource.Server),
			"E2E_MCP_URL="+j.resource.MCPURL(),
			"E2E_LOGIN_URL="+signIn.URL(),
			"E2E_STEPS="+strings.Join(j.taken(), ","),
			"E2E_FAILS="+strings.Join(j.failing(), ","),
			"E2E_STEP_UP_SCOPE="+j.scope,
			"E2E_CLIENT_AUTH="+harness.ClientAuthOf(j.resource.Server),
			"E2E_CALLBACK_PORT="+strconv.Itoa(port(ctx, t)),
			"E2E_WORK="+work,
		), j.environment...),
		Output: j.events.add,
	})
	if err != nil {
		t.Error(err)
	}
	for _, line := range j.events.bad {
		t.Errorf("the client prints a line that is no step: %q", line)
	}
	j.asked = signIn.Requests()
}

// openPage chooses the origin of a client that is a page, and returns what the resource server has
// to be told of it.
func (j *journey) openPage(ctx context.Context, t *testing.T, resource *harness.ResourceServer) []string {
	t.Helper()
	// Another site than the servers', too.
	origin := fmt.Sprintf("http://localhost:%d", port(ctx, t))
	j.environment = []string{"E2E_ORIGIN=" + origin, "E2E_CHROMIUM=" + chromiumPath(t)}
	arguments := []string{"--origin", origin}
	if j.cell.Manner("login") == matrix.Relayed {
		const path = "/oauth"
		j.environment = append(j.environment, "E2E_RELAY="+resource.Origin()+path)
		arguments = append(arguments, "--relay", path, "--relay-origin", origin, "--relay-allow-loopback")
	}
	return arguments
}

// check compares what the client said, and what it asked the authorization server for, with what
// must happen.
func (j *journey) check(ctx context.Context, t *testing.T) {
	t.Helper()
	refreshes := j.cell.Manner("refresh") == ""
	login := j.events.step(t, "login")
	if login.Logins != 1 {
		t.Errorf("login: %d logins, want 1", login.Logins)
	}
	if login.RefreshToken != refreshes {
		t.Errorf("login: refresh token %t, want %t", login.RefreshToken, refreshes)
	}
	if login.Client.Version != j.client.Version {
		t.Errorf("the client says that it is version %q, cells.yaml says %q", login.Client.Version, j.client.Version)
	}
	for _, request := range j.asked {
		if request.Resource != j.resource.MCPURL() || request.ChallengeMethod != "S256" {
			t.Errorf("the client asks for resource %q with PKCE %q", request.Resource, request.ChallengeMethod)
		}
	}
	if tools := j.events.step(t, "list").Tools; !slices.Contains(tools, "whoami") {
		t.Errorf("list: tools %q lack whoami", tools)
	}
	checkCaller(t, "whoami", j.resource.Server, j.events.step(t, "whoami").Caller)

	// A stale access token is renewed without anybody noticing where there is a refresh token.
	renewal := j.checkStep(t, "renew", map[bool]int{true: 0, false: 1}[refreshes])
	if j.cell.Manner("refresh") == matrix.Helped {
		renewal = j.checkStep(t, "refresh", 1) // the login that got the refresh token
		refreshes = true
	}
	if refreshes && !renewal.Renewed {
		t.Errorf("%s: the client has the access token that it had before", renewal.Step)
	}
	j.checkBadToken(t)
	j.checkStepUp(t)
	j.checkReasons(t)
	if j.cell.Manner("restart") != matrix.LeftOut {
		j.checkStep(t, "restart", map[bool]int{true: 1, false: 0}[j.cell.Manner("restart") == matrix.Login])
	}
	checkRefusals(ctx, t, j.resource)
}

// checkBadToken says that the client sent the bad token, and began a login when it was refused.
// The client's word about itself is not enough: most clients just call the tool, and would come to
// the same end with a good token.
func (j *journey) checkBadToken(t *testing.T) {
	t.Helper()
	step := j.events.step(t, "bad token")
	if step.Refused == 0 {
		t.Error("bad token: the MCP server refused none")
	}
	if !step.LoginRequired {
		checkCaller(t, "bad token", j.resource.Server, step.Caller)
	}
	// A page does not leave for a login that nobody needs, and says that it wanted to.
	if want := map[bool]int{true: 0, false: 1}[j.page]; step.Logins != want {
		t.Errorf("bad token: %d logins, want %d", step.Logins, want)
	}
}

// checkStepUp says that one login was enough, and lost nothing of what the client had (RS-8).
func (j *journey) checkStepUp(t *testing.T) {
	t.Helper()
	before := j.events.step(t, "whoami").Caller.Scopes
	switch manner := j.cell.Manner("step-up"); {
	case manner == matrix.Fails:
		return
	case manner == matrix.LeftOut:
		if len(before) > 0 && !slices.Contains(before, j.scope) {
			t.Errorf("step-up is left out, but the caller has the scopes %q and could step up to %s", before, j.scope)
		}
		return
	case slices.Contains(before, j.scope):
		t.Errorf("whoami: the caller has %s before anything asked for it", j.scope)
	}
	after := j.checkStep(t, "step-up", 1).Caller.Scopes
	for _, scope := range append(slices.Clone(before), j.scope) {
		if !slices.Contains(after, scope) {
			t.Errorf("step-up: the caller's scopes %q lack %s", after, scope)
		}
	}
}

// checkReasons looks in the client's own words for what the reasons of this cell say.
func (j *journey) checkReasons(t *testing.T) {
	t.Helper()
	for name, difference := range j.cell.Differs {
		switch difference.Is {
		case matrix.Fails:
			step, _ := j.events.find(name)
			switch {
			case step.OK || step.Error == "":
				t.Errorf("%s: does not fail any more; cells.yaml says that it does", name)
			case name != "login" && step.Logins != 0:
				t.Errorf("%s: %d logins before it failed, want 0", name, step.Logins)
			}
			j.checkShown(t, name, step.Error)
		case matrix.Helped, matrix.Relayed:
			j.checkShown(t, name, j.events.step(t, name).Unaided)
		case matrix.LeftOut, matrix.Login: // nothing fails
		}
	}
}

// checkShown says whether a step failed in the way that the reason for its difference says.
func (j *journey) checkShown(t *testing.T, step, failure string) {
	t.Helper()
	for _, evidence := range j.reasons[j.cell.Differs[step].Because].Evidence {
		if !evidence.Shown(failure) {
			t.Errorf("%s: fails with %q, cells.yaml says %q", step, failure, evidence.Log)
		}
	}
}

// result is what goes into the run's results.
func (j *journey) result() matrix.Result {
	var result matrix.Result
	for _, event := range j.events.all() {
		step := matrix.StepResult{Step: event.Step, Outcome: matrix.OK, Logins: event.Logins}
		switch {
		case !event.OK && j.cell.Manner(event.Step) == matrix.Fails:
			step.Outcome = matrix.Foretold
		case !event.OK:
			step.Outcome = matrix.Failed
		}
		result.Steps = append(result.Steps, step)
		switch event.Step {
		case "login":
			result.ClientSays, result.ServerSays, result.Protocol = event.Client.String(), event.Server.String(), event.Protocol
		case "whoami":
			if event.Caller != nil {
				result.Caller = &matrix.Caller{Issuer: event.Caller.Issuer, Subject: event.Caller.User.UserID}
			}
		}
	}
	return result
}

// checkStep says whether a step called the tool as the server's user, after that many logins.
func (j *journey) checkStep(t *testing.T, name string, logins int) event {
	t.Helper()
	step := j.events.step(t, name)
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
	Refused       int             `json:"refused"`
	RefreshToken  bool            `json:"refresh_token"`
	Protocol      string          `json:"protocol"`
	Client        software        `json:"client"`
	Server        software        `json:"server"`
	Tools         []string        `json:"tools"`
	Caller        *harness.Caller `json:"caller"`
	Renewed       bool            `json:"renewed"`
	Unaided       string          `json:"unaided"`
	LoginRequired bool            `json:"login_required"`
}

// software is a program's name and version.
type software struct{ Name, Version string }

func (s software) String() string { return strings.TrimSpace(s.Name + " " + s.Version) }

// events collects a client's lines.
type events struct {
	mu    sync.Mutex
	lines []event
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
	e.lines = append(e.lines, next)
}

func (e *events) all() []event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines)
}

func (e *events) find(name string) (event, bool) {
	for _, step := range e.all() {
		if step.Step == name {
			return step, true
		}
	}
	return event{}, false
}

// step returns a step that went well.
func (e *events) step(t *testing.T, name string) event {
	t.Helper()
	step, found := e.find(name)
	switch {
	case !found:
		t.Fatalf("the client did not get to %q", name)
	case !step.OK:
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
	case caller.User.Email != harness.EmailOf(server):
		t.Errorf("%s: the caller's mail address is %q, want %q", where, caller.User.Email, harness.EmailOf(server))
	case caller.ClientID == "" && !harness.NamesNoClient(server):
		t.Errorf("%s: the caller has no client", where)
	case !caller.ExpiresAt.After(time.Now()):
		t.Errorf("%s: the caller expires at %s", where, caller.ExpiresAt)
	}
}

// checkChallenge compares a refusal with RFC 6750 section 3: no error code where no credentials
// were sent.
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
