package broker

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/observe/audit"
)

// Each decision of proxy mode has one record, whether or not the log has a say in it, and no record
// holds what somebody could use.
// covers: T-OPS-03
func TestEachDecisionIsRecordedOnceAndWithoutSecrets(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]audit.Config{"open": {}, "closed": {FailClosed: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			log, err := audit.New(&out, config)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, 1, func(c *Config) { c.Events = events.To(log) })
			id := w.newClient(webRedirect)
			denied := w.newBrowser()
			denied.answer(denied.open(authorizeURL(id, webRedirect)).Body.String(), "deny")
			first := w.login(id)
			second := w.refreshed(id, first.RefreshToken)
			w.post("/revoke", url.Values{"token": {second.AccessToken}, "client_id": {id}})
			for _, path := range []string{"/token", "/revoke", "/register"} {
				w.post(path, url.Values{
					"grant_type": {"authorization_code"}, "code": {"hush-hush"}, "client_secret": {"hush-hush"}, "client_id": {"hush-hush"},
					"code_verifier": {"hush-hush"}, "token": {"hush-hush"}, "refresh_token": {"hush-hush"},
				})
			}
			w.newBrowser().open(testResource + "/oauth/callback?state=hush-hush&code=hush-hush")
			w.post("/token", refreshForm(id, "hush-hush"))
			if err := log.Close(t.Context()); err != nil {
				t.Error(err)
			}
			count := map[string]int{}
			for line := range strings.Lines(out.String()) {
				var r struct {
					Event, Client string
					Person        struct{ Subject string }
				}
				if err := json.Unmarshal([]byte(line), &r); err != nil {
					t.Fatal(err)
				}
				count[r.Event]++
				if r.Event != string(observe.RequestRefused) && r.Client != clients.Label(id) || strings.HasPrefix(r.Event, "tokens_") && r.Person.Subject == "" {
					t.Errorf("the record names nobody: %s", line)
				}
			}
			want := map[string]int{
				"client_registered": 1, "consent_given": 1, "tokens_issued": 1, "tokens_refreshed": 1, "tokens_revoked": 1, "consent_denied": 1,
			}
			refused := count["request_refused"]
			delete(count, "request_refused")
			if !maps.Equal(count, want) || refused < 4 {
				t.Errorf("recorded are %v and %d refusals, want %v", count, refused, want)
			}
			for _, secret := range []string{first.AccessToken, first.RefreshToken, second.AccessToken, second.RefreshToken, "hush-hush", testSecret, "upstream-code-", "upstream-access-", "upstream-refresh-"} {
				if strings.Contains(out.String(), secret) {
					t.Errorf("a record holds %.40q", secret)
				}
			}
			if sealedValue.MatchString(out.String()) {
				t.Error("a record holds a sealed value")
			}
		})
	}
}

// A refresh token that is used twice ends its login: both are recorded.
func TestReuseIsRecorded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log, err := audit.New(&out, audit.Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, 1, func(c *Config) { c.Events = events.To(log) })
	id := w.newClient(webRedirect)
	stolen := w.login(id).RefreshToken
	w.refreshed(id, w.refreshed(id, stolen).RefreshToken)
	w.add(time.Minute)
	if rec := w.post("/token", refreshForm(id, stolen)); rec.Code != http.StatusBadRequest {
		t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	if err := log.Close(t.Context()); err != nil {
		t.Error(err)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		var r struct{ Event, Reason string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Reason == string(oauth.ReasonRefreshTokenReused) {
			got = append(got, r.Event)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"request_refused", "tokens_revoked"}) {
		t.Errorf("the records of a reuse are %q", got)
	}
}
