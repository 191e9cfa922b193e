// Package events is how the rooms of the engine send what happens to the operator's observers.
package events

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Sender sends events. A nil one sends none.
type Sender struct {
	to                 observer
	provider, resource string
}

// observer is what [observe.Multi] returns.
type observer interface {
	observe.Observer
	Enabled(kind observe.Kind) bool
	Start(ctx context.Context, operation observe.Operation) (context.Context, func(observe.Event))
	Decide(ctx context.Context, event observe.Event) error
}

// To returns the sender to some observers.
func To(observers ...observe.Observer) *Sender {
	to, _ := observe.Multi(observers...).(observer)
	return &Sender{to: to}
}

// Or returns the sender to an observer, or to the default log where it is nil.
func Or(o observe.Observer) *Sender {
	if o == nil {
		o = observe.Slog(nil)
	}
	return To(o)
}

// For returns the sender whose events name a provider and a resource where they name none
// themselves.
func (s *Sender) For(provider, resource string) *Sender {
	if s == nil {
		return nil
	}
	return &Sender{to: s.to, provider: provider, resource: resource}
}

// Enabled reports whether anybody wants events of a kind.
func (s *Sender) Enabled(kind observe.Kind) bool { return s != nil && s.to.Enabled(kind) }

// Observe sends an event. A sender is an observer itself.
func (s *Sender) Observe(ctx context.Context, event observe.Event) {
	if s.Enabled(event.Kind) {
		s.to.Observe(ctx, s.complete(event))
	}
}

// Decide asks whether a decision may take effect, before it does. It sends nothing, and marks the
// event as agreed to: send the same one afterwards.
func (s *Sender) Decide(ctx context.Context, event *observe.Event) *oauth.Error {
	if s == nil {
		return nil
	}
	*event = s.complete(*event)
	err := s.to.Decide(ctx, *event)
	if err == nil {
		event.Decided = true
		return nil
	}
	return &oauth.Error{
		Code: oauth.CodeTemporarilyUnavailable, Status: http.StatusServiceUnavailable, Reason: oauth.ReasonNotRecorded,
		Description: "The server cannot record what it does right now, try again in a moment", RetryAfter: time.Second, Cause: err,
	}
}

// Refused sends the event of a refused request and returns what to answer: the refusal, or the 503
// of an observer who does not agree. The rest of the event is the caller's to fill in.
func (s *Sender) Refused(ctx context.Context, refused *oauth.Error, event observe.Event) *oauth.Error {
	event = about(refused, event)
	if !s.Enabled(event.Kind) {
		return refused
	}
	if denied := s.Decide(ctx, &event); denied != nil {
		refused = denied
		event = about(refused, event)
	}
	s.Observe(ctx, event)
	return refused
}

// about completes an event by a refusal.
func about(refused *oauth.Error, event observe.Event) observe.Event {
	if event.Kind == "" {
		event.Kind = observe.RequestRefused
	}
	event.Reason, event.Code, event.Status, event.Err = refused.Reason, refused.Code, refused.Status, refused.Cause
	event.Level = levelOf(refused)
	if refused.Caller != nil {
		event = By(refused.Caller, event)
	}
	if len(refused.Required)+len(refused.RequiredAny) > 0 {
		event.ScopesAsked = slices.Concat(refused.Required, refused.RequiredAny)
	}
	return event
}

// By completes an event by its caller.
func By(caller *oauth.AuthInfo, event observe.Event) observe.Event {
	event.Provider, event.Client, event.Issuer, event.Subject = caller.Provider, caller.ClientID, caller.Issuer, caller.Subject
	event.Email, event.Name, event.ScopesHad = caller.User.Email, caller.User.Name, caller.Scopes
	event.Actors = actorsOf(caller)
	return event
}

// maxActors bounds the chain of actors that is read: a token may nest as deep as it likes.
const maxActors = 8

// actorsOf are the subjects of those who act for a caller, the one who acts now first (RFC 8693
// section 4.1).
func actorsOf(caller *oauth.AuthInfo) (actors []string) {
	if !caller.Claims.Has("act") {
		return nil
	}
	for act := caller.Claims.Object("act"); act.Len() > 0 && len(actors) < maxActors; act = act.Object("act") {
		if subject := act.String("sub"); subject != "" {
			actors = append(actors, subject)
		}
	}
	return actors
}

// levelOf is how much attention a refusal deserves.
func levelOf(refused *oauth.Error) slog.Level {
	switch refused.Reason {
	case oauth.ReasonMissingCredentials:
		return slog.LevelDebug // the first step of every client
	case oauth.ReasonRefreshTokenReused, oauth.ReasonCodeUsed, oauth.ReasonUpstreamIssuer, oauth.ReasonForeignForm,
		oauth.ReasonTransactionUsed: // somebody may be attacking
		return slog.LevelWarn
	case oauth.ReasonPage, oauth.ReasonMissingGuard:
		return slog.LevelError
	default:
	}
	if refused.Status >= http.StatusInternalServerError {
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

// Begin begins an operation. The function ends it, once, with its event, which is sent.
func (s *Sender) Begin(ctx context.Context, operation observe.Operation) (context.Context, func(observe.Event)) {
	if !s.Enabled(operation.Kind) {
		return ctx, func(observe.Event) {}
	}
	if operation.Provider == "" {
		operation.Provider = s.provider
	}
	operation.URL = PlainURL(operation.URL)
	begin := time.Now()
	ctx, end := s.to.Start(ctx, operation)
	return ctx, func(event observe.Event) {
		event.Kind, event.Endpoint, event.URL, event.Provider = operation.Kind, operation.Endpoint, operation.URL, operation.Provider
		event.Duration = time.Since(begin)
		event = s.complete(event)
		end(event)
		s.to.Observe(ctx, event)
	}
}

func (s *Sender) complete(event observe.Event) observe.Event {
	if event.Time.IsZero() {
		event.Time = time.Now()
	}
	if event.Provider == "" {
		event.Provider = s.provider
	}
	if event.Resource == "" {
		event.Resource = s.resource
	}
	return event
}

// PlainURL is an address without what may be secret in it: credentials, query and fragment.
func PlainURL(address string) string {
	if address == "" {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil {
		return "(not a URL)"
	}
	plain := (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
	// Placeholders, such as {token} for a token in the path, stay readable.
	return strings.NewReplacer("%7B", "{", "%7D", "}").Replace(plain)
}

// CredentialsHint says what to do where the provider refuses this server's own credentials.
func CredentialsHint(variable string) string {
	const hint = "correct the client id, the secret or the application's rights at the provider"
	if variable == "" {
		return hint
	}
	return hint + "; the secret is in " + variable
}
