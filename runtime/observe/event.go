package observe

import (
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Kind is what happened.
type Kind string

// The kinds of events.
const (
	// RequestRefused is a request that was answered with an error, at any endpoint. Reason says
	// why.
	RequestRefused Kind = "request_refused"
	// CallerVerified is a request that reached its handler with a verified caller. It comes with
	// every request.
	CallerVerified Kind = "caller_verified"
	// TokensIssued is a code that was redeemed for tokens. Reason is set where they are less than
	// the server needs.
	TokensIssued Kind = "tokens_issued"
	// TokensRefreshed is a refresh token that was redeemed for new tokens.
	TokensRefreshed Kind = "tokens_refreshed"
	// TokensRevoked is a login that was ended, by its client or, where Reason is set, because of
	// what somebody did with its tokens.
	TokensRevoked Kind = "tokens_revoked"
	// ConsentShown is a user who was asked whether a client may act for them.
	ConsentShown Kind = "consent_shown"
	// ConsentGiven is a user who allowed it, now or for good at an earlier time.
	ConsentGiven Kind = "consent_given"
	// ConsentDenied is a user who did not.
	ConsentDenied Kind = "consent_denied"
	// ClientRegistered is a client that registered itself (RFC 7591).
	ClientRegistered Kind = "client_registered"
	// ProviderAsked is a request to an endpoint of the provider that answers about logins and
	// tokens.
	ProviderAsked Kind = "provider_asked"
	// KeysFetched is a request for the provider's key set.
	KeysFetched Kind = "keys_fetched"
	// DocumentFetched is a request for the provider's metadata or for a client's metadata document.
	DocumentFetched Kind = "document_fetched"
	// StoreTrouble is a store that failed or that drops what it should keep.
	StoreTrouble Kind = "store_trouble"
	// RequestRelayed is a request that the browser relay passed on.
	RequestRelayed Kind = "request_relayed"
	// StreamEnded is a request for an event stream that ended. Duration is how long it was open.
	StreamEnded Kind = "stream_ended"
	// Notice is what the operator should know about how the server is set up and runs.
	Notice Kind = "notice"
)

// Event is one thing that happened. A field that is unknown or does not apply is empty. An observer
// must not change what the slices hold: callers of later requests may share them.
type Event struct {
	Kind Kind
	// Time is when it happened.
	Time time.Time
	// Level is how much of the operator's attention it deserves.
	Level slog.Level
	// Message is a sentence for people, where the kind alone says too little.
	Message string
	// Reason says why, for what was refused, failed or needs attention.
	Reason oauth.Reason
	// Code and Status are what the client was answered, or for a request of ours the status that
	// was answered to it.
	Code   oauth.Code
	Status int

	// Provider is the short name of the provider, Resource the URL of the protected resource.
	Provider string
	Resource string
	// Client is the client: the URL of its metadata document, or a short form of the client_id that
	// it registered.
	Client string
	// Issuer and Subject together say who the user is, Email and Name what else is known of them.
	// Where there is no Subject, Issuer is whose document was fetched.
	Issuer  string
	Subject string
	Email   string
	Name    string
	// Actors are the subjects of those who act for the user, the one who acts now first (RFC 8693
	// section 4.1).
	Actors []string
	// ScopesAsked are the scopes that were asked for or needed, ScopesHad those that were granted.
	ScopesAsked []string
	ScopesHad   []string

	// Method and Path are those of the request that was refused.
	Method string
	Path   string
	// Endpoint is the endpoint that was asked, such as token, jwks or introspection, or the
	// operation of the store; URL is its address without credentials, query and fragment.
	Endpoint string
	URL      string
	// Duration is how long it took.
	Duration time.Duration
	// Hint says what the operator can do about it.
	Hint string
	// Err is the error behind it.
	Err error
	// Details are further facts.
	Details []slog.Attr
	// Decided reports whether all observers with a method Decide agreed to this event beforehand:
	// one that records what it agrees to has recorded it.
	Decided bool
}

// sentence is the event in words.
func (e *Event) sentence() string {
	if e.Message != "" {
		return e.Message
	}
	switch e.Kind {
	case RequestRefused:
		return "request refused"
	case CallerVerified:
		return "caller verified"
	case TokensIssued:
		return "tokens issued"
	case TokensRefreshed:
		return "tokens refreshed"
	case TokensRevoked:
		return "tokens revoked"
	case ConsentShown:
		return "consent asked for"
	case ConsentGiven:
		return "consent given"
	case ConsentDenied:
		return "consent denied"
	case ClientRegistered:
		return "client registered"
	case ProviderAsked:
		return "provider asked"
	case KeysFetched:
		return "key set fetched"
	case DocumentFetched:
		return "document fetched"
	case StoreTrouble:
		return "the store failed"
	case RequestRelayed:
		return "request relayed"
	case StreamEnded:
		return "stream ended"
	default:
		return string(e.Kind)
	}
}

// Operation is something that begins now and whose end will be an event.
type Operation struct {
	// Kind is the kind of that event.
	Kind Kind
	// Provider, Endpoint and URL are those of the event.
	Provider string
	Endpoint string
	URL      string
}
