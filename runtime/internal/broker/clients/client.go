package clients

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
)

const (
	// maxRedirectURIs is how many redirect URIs a client may have.
	maxRedirectURIs = 12
	// maxClientID bounds a client_id: a sealed registration of the largest metadata fits.
	maxClientID = 8 << 10
	// maxClientName is how many characters of a name are kept.
	maxClientName = 80
)

// Client is an MCP client as it registered or describes itself. Nothing of it is verified, except that a document's
// client_id belongs to whoever controls its host.
type Client struct {
	ID string
	// Name is for people, and harmless to show.
	Name string
	// Redirects are the registered redirect URIs.
	Redirects []string
}

// Digest stands for a client_id in sealed values.
func Digest(id string) tickets.ID { return tickets.Digest("client", id) }

// Label is the client's name for logs and callers: the URL of its document, or a short form of a sealed client_id.
func Label(id string) string {
	if isDocumentURL(id) {
		return id
	}
	return "client-" + Digest(id).String()
}

// Config says which clients a server knows. Every field is required.
type Config struct {
	// Box has the registrations that travel in client_ids.
	Box *tickets.Box[tickets.Client]
	// CustomSchemes are the URI schemes of native applications that may be redirected to, checked by [redirecturi.CheckSchemes].
	CustomSchemes []string
	// GrantTypes are those that the token endpoint takes.
	GrantTypes []string
	// Scopes are those that clients may ask for.
	Scopes []string
	// HTTP fetches client metadata documents, without redirects whatever it says.
	HTTP *http.Client
	// MayFetch reports whether one more document may be fetched now for the client at an address.
	MayFetch func(address string, now time.Time) bool
	Now      func() time.Time
	Events   *events.Sender
}

// Registry knows the clients of a server, of which it keeps nothing but fetched documents. It is safe for concurrent use.
type Registry struct {
	box        *tickets.Box[tickets.Client]
	schemes    []string
	grantTypes []string
	scopes     []string
	documents  *documents
	now        func() time.Time
	events     *events.Sender
}

// New returns the registry of a server.
func New(c Config) *Registry {
	return &Registry{
		box: c.Box, schemes: c.CustomSchemes, grantTypes: c.GrantTypes, scopes: c.Scopes, documents: newDocuments(c), now: c.Now,
		events: c.Events,
	}
}

// Find returns the client of an authorization request that came from an address.
func (r *Registry) Find(ctx context.Context, id, address string) (Client, *oauth.Error) {
	if isDocumentURL(id) {
		return r.documents.lookUp(ctx, id, address)
	}
	return r.open(id)
}

// open reads the registration in a client_id.
func (r *Registry) open(id string) (Client, *oauth.Error) {
	if len(id) > maxClientID {
		return Client{}, unknownClient(nil)
	}
	registered, _, err := r.box.Open(id)
	if err != nil {
		return Client{}, unknownClient(err)
	}
	return Client{ID: id, Name: registered.Name, Redirects: registered.Redirects}, nil
}

// known checks the client_id of a token request without fetching anything: what was issued is bound to the client_id
// itself. An unknown or stale one is 401 invalid_client, so that the client registers again (RFC 6749 section 5.2).
func (r *Registry) known(id string) *oauth.Error {
	if isDocumentURL(id) {
		if err := checkDocumentURL(id); err != nil {
			return unknownClient(err)
		}
		return nil
	}
	_, refused := r.open(id)
	return refused
}

// Redirect checks that a client may be redirected to a URI, and reports whether that leads to an application on the user's
// device.
func (r *Registry) Redirect(c Client, uri string) (native bool, refused *oauth.Error) {
	u, err := redirecturi.Parse(uri, r.schemes)
	if err != nil || !redirecturi.Registered(c.Redirects, uri) {
		return false, refusal.Caused(oauth.CodeInvalidRedirectURI, oauth.ReasonRedirectURI,
			"The application asked to return to an address that it did not register", err)
	}
	return redirecturi.IsNative(u), nil
}

func unknownClient(cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: oauth.ReasonClientUnknown, Cause: cause,
		Description: "The client is not known here, or its registration ended: register again",
	}
}

// isDocumentURL reports whether a client_id names a client ID metadata document.
func isDocumentURL(id string) bool { return strings.HasPrefix(id, "https://") }

// DocumentHost is the host of a client ID metadata document.
func DocumentHost(id string) string {
	if !isDocumentURL(id) {
		return ""
	}
	u, err := url.Parse(id)
	if err != nil {
		return ""
	}
	return u.Host
}

// cleanName makes a client's name fit for a page and a log: one line, no invisible or direction-changing characters that
// could make it look like something else, and not too long.
func cleanName(name string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.Co, r), r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, name)
	kept = strings.Join(strings.Fields(kept), " ")
	if runes := []rune(kept); len(runes) > maxClientName {
		kept = string(runes[:maxClientName-1]) + "…"
	}
	return kept
}
