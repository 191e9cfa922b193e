package e2e

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/e2e/harness"
)

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
		t.Errorf("%s: no caller", where)
	case caller.User.UserID != server.UserID():
		t.Errorf("%s: the caller is %q, want the server's user %q", where, caller.User.UserID, server.UserID())
	case caller.Issuer != server.Issuer():
		t.Errorf("%s: the caller's issuer is %q, want %q", where, caller.Issuer, server.Issuer())
	case caller.ClientID == "":
		t.Errorf("%s: the caller has no client", where)
	case len(caller.Expires) == 0:
		t.Errorf("%s: the caller has no expiry", where)
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
