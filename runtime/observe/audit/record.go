package audit

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// record is a line of the log. The schema says what its members are.
type record struct {
	Time          time.Time         `json:"time"`
	ID            string            `json:"id"`
	Event         observe.Kind      `json:"event"`
	Outcome       outcome           `json:"outcome"`
	Reason        oauth.Reason      `json:"reason,omitempty"`
	Resource      string            `json:"resource,omitempty"`
	Provider      string            `json:"provider,omitempty"`
	Client        string            `json:"client,omitempty"`
	Person        *person           `json:"person,omitempty"`
	Actors        []string          `json:"actors,omitempty"`
	Scopes        []string          `json:"scopes,omitempty"`
	ScopesAsked   []string          `json:"scopes_asked,omitempty"`
	Status        int               `json:"status,omitempty"`
	Message       string            `json:"message,omitempty"`
	Configuration map[string]string `json:"configuration,omitempty"`
}

type person struct {
	Issuer  string `json:"issuer,omitempty"`
	Subject string `json:"subject,omitempty"`
	Email   string `json:"email,omitempty"`
	Name    string `json:"name,omitempty"`
}

// The kinds of events that a program tells the log itself: see [Log.Observe].
const (
	// ServerStarted is a server that begins to serve. Details are its configuration.
	ServerStarted observe.Kind = "server_started"
	// ServerStopped is a server that serves no more.
	ServerStopped observe.Kind = "server_stopped"
)

// outcome is how a decision ended.
type outcome string

const (
	succeeded outcome = "success"
	denied    outcome = "denied"  // by a rule or the user
	failed    outcome = "failure" // what was decided could not be carried out, or nothing could be decided
)

func outcomeOf(e *observe.Event) outcome {
	switch {
	case e.Kind == observe.RequestRefused && e.Status >= http.StatusInternalServerError:
		return failed
	case e.Kind == observe.RequestRefused, e.Kind == observe.ConsentDenied:
		return denied
	case e.Err != nil:
		return failed
	}
	return succeeded
}

// recorded reports whether events of a kind are decisions.
func recorded(kind observe.Kind, callers bool) bool {
	switch kind {
	case observe.RequestRefused, observe.ConsentGiven, observe.ConsentDenied, observe.TokensIssued, observe.TokensRefreshed,
		observe.TokensRevoked, observe.ClientRegistered, ServerStarted, ServerStopped, observe.Notice:
		return true
	case observe.CallerVerified:
		return callers
	default:
		return false
	}
}

// decision reports whether an event is one: of notices, those about settings that weaken security.
func decision(e *observe.Event) bool {
	return e.Kind != observe.Notice || e.Reason == oauth.ReasonInsecureSetting
}

// form makes lines of events, one after the other.
type form struct {
	person Person
	mac    hash.Hash // of digests
	text   bytes.Buffer
	lines  *json.Encoder // into text
}

func newForm(c Config) *form {
	f := &form{person: c.Person}
	f.lines = json.NewEncoder(&f.text)
	f.lines.SetEscapeHTML(false)
	if c.Person == Hash {
		f.mac = hmac.New(sha256.New, []byte(c.Key.Reveal()))
		f.mac = hmac.New(sha256.New, f.digest("persons in audit records")) // of its own, not the key that it is derived from
	}
	return f
}

func (f *form) digest(parts ...string) []byte {
	f.mac.Reset()
	for _, part := range parts {
		_, _ = io.WriteString(f.mac, part)
		_, _ = f.mac.Write([]byte{0})
	}
	return f.mac.Sum(nil)
}

// add adds the line of an event to the text.
func (f *form) add(e *observe.Event) error {
	r := record{
		Time: e.Time.UTC(), ID: rand.Text(), Event: e.Kind, Outcome: outcomeOf(e), Reason: e.Reason,
		Resource: e.Resource, Provider: e.Provider, Client: e.Client, Person: f.personOf(e), Actors: f.actorsOf(e),
		Scopes: e.ScopesHad, ScopesAsked: e.ScopesAsked, Status: e.Status,
	}
	switch e.Kind {
	case observe.Notice:
		r.Message = e.Message
	case ServerStarted:
		r.Configuration = make(map[string]string, len(e.Details))
		for _, detail := range e.Details {
			r.Configuration[detail.Key] = detail.Value.String()
		}
	default:
	}
	return f.lines.Encode(&r) // which ends it with a line feed, and adds nothing where it fails
}

// lineFeed ends a line. No line has another: JSON escapes them.
var lineFeed = []byte{'\n'}

// dropFirst takes the first n lines out of the text.
func (f *form) dropFirst(n int) {
	for range n {
		_, _ = f.text.ReadBytes('\n')
	}
}

func (f *form) personOf(e *observe.Event) *person {
	p := person{Issuer: e.Issuer, Subject: e.Subject, Email: e.Email, Name: e.Name}
	if f.person == Omit || p.Subject == "" && p.Email == "" && p.Name == "" {
		return nil
	}
	if f.person == Hash {
		// A subject means nothing without its issuer: the digests of two issuers' users differ.
		p.Subject, p.Email, p.Name = f.hidden("subject", p.Issuer, p.Subject), f.hidden("email", "", p.Email), f.hidden("name", "", p.Name)
	}
	return &p
}

// actorsOf are those who act for the user. They are persons too.
func (f *form) actorsOf(e *observe.Event) []string {
	switch {
	case f.person == Omit || len(e.Actors) == 0:
		return nil
	case f.person == Plain:
		return e.Actors
	}
	actors := make([]string, len(e.Actors))
	for i, subject := range e.Actors {
		actors[i] = f.hidden("subject", e.Issuer, subject)
	}
	return actors
}

// hidden is the digest of what names a user.
func (f *form) hidden(member, within, value string) string {
	if value == "" {
		return ""
	}
	return "h:" + base64.RawURLEncoding.EncodeToString(f.digest(member, within, value)[:16])
}
