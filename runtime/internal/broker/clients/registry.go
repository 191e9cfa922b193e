package clients

import (
	"cmp"
	"context"
	"crypto/x509"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// maxClientID bounds a client_id: a sealed registration of the largest metadata fits.
const maxClientID = 8 << 10

// Config says which clients a server knows. Every field is required.
type Config struct {
	// Box has the registrations that travel in client_ids.
	Box *tickets.Box[tickets.Client]
	// CustomSchemes are the URI schemes of native applications that may be redirected to, checked
	// by [redirecturi.CheckSchemes].
	CustomSchemes []string
	// GrantTypes are those that the token endpoint takes.
	GrantTypes []string
	// Scopes are those that clients may ask for.
	Scopes []string
	// Audiences are what an assertion of a client may be for: the server's issuer and its token
	// endpoint.
	Audiences []string
	// Once marks an assertion as used for as long as it is good, and reports whether it was not
	// before.
	Once func(ctx context.Context, assertion tickets.ID, lifetime time.Duration) (first bool, err error)
	// Documents says which client metadata documents count, and LookupEnv finds the environment's
	// proxy for them.
	Documents proxy.ClientDocuments
	LookupEnv func(name string) (string, bool)
	// RootCAs are the certificate authorities to trust for documents that come through the proxy,
	// nil for the system's.
	RootCAs *x509.CertPool
	// MayFetch reports whether one more document or key set may be fetched now for the client at an
	// address.
	MayFetch func(address string, now time.Time) bool
	Now      func() time.Time
	Events   *events.Sender
}

// Registry knows the clients of a server, of which it keeps nothing but fetched documents. It is
// safe for concurrent use.
type Registry struct {
	box        *tickets.Box[tickets.Client]
	schemes    []string
	grantTypes []string
	scopes     []string
	documents  *documents
	assertions assertions
	now        func() time.Time
	events     *events.Sender
}

// New returns the registry of a server. Its error says what is wrong with the choice of documents.
func New(c Config) (*Registry, error) {
	c.Documents.Policy = cmp.Or(c.Documents.Policy, policyOpen)
	if err := checkPolicy(c.Documents); err != nil {
		return nil, err
	}
	client, err := fetcher(c)
	if err != nil {
		return nil, err
	}
	documents, err := newDocuments(c, client)
	if err != nil {
		return nil, err
	}
	return &Registry{
		box: c.Box, schemes: c.CustomSchemes, grantTypes: c.GrantTypes, scopes: c.Scopes, documents: documents, now: c.Now,
		assertions: assertions{audiences: c.Audiences, documents: documents, keySets: newKeySets(c, client), once: c.Once, now: c.Now},
		events:     c.Events,
	}, nil
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
	return Client{ID: id, Name: cleanName(registered.Name), Redirects: registered.Redirects}, nil
}

// known checks the client_id of a token request without fetching anything: what was issued is bound
// to the client_id itself. An unknown or stale one is 401 invalid_client, so that the client
// registers again (RFC 6749 section 5.2).
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

// Redirect checks that a client may be redirected to a URI, and reports whether that leads to an
// application on the user's device.
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
