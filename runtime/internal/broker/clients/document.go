package clients

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/recent"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

const (
	// maxDocumentURL bounds a client_id that is a URL.
	maxDocumentURL = 512
	// maxDocuments is how many documents are kept, maxFailures how many failures. Everybody can
	// cause those, and they must not push out what clients need.
	maxDocuments = 1024
	maxFailures  = 256
	// documentTimeout bounds one fetch.
	documentTimeout = 10 * time.Second
	// documentFailure is how long a failure is kept. It is short since the draft wants none cached
	// for good, and long enough that a page that is reloaded does not hammer somebody else's
	// server.
	documentFailure = 30 * time.Second
	// documentGrace is how long a document counts beyond its time while too many others are asked
	// for to fetch it again.
	documentGrace = time.Hour
)

// documents fetches and keeps client ID metadata documents.
type documents struct {
	rules    proxy.ClientDocuments
	pinned   map[string]Client
	gate     *upstream.Gate
	schemes  []string
	mayFetch func(address string, now time.Time) bool
	now      func() time.Time
	events   *events.Sender

	fetches flight.Group[*keptDocument]

	mu     sync.Mutex
	kept   *recent.Table[string, *keptDocument]
	failed *recent.Table[string, *keptDocument]
}

// keptDocument is a fetched document, or why there is none.
type keptDocument struct {
	client  Client
	err     *oauth.Error
	expires time.Time
}

func newDocuments(c Config, client *http.Client) (*documents, error) {
	d := &documents{
		rules: c.Documents, pinned: map[string]Client{}, gate: upstream.NewGate(client), schemes: c.CustomSchemes,
		mayFetch: c.MayFetch, now: c.Now, events: c.Events,
		kept: recent.New[string, *keptDocument](maxDocuments, nil), failed: recent.New[string, *keptDocument](maxFailures, nil),
	}
	return d, d.pin(c.Documents.Pinned)
}

// checkDocumentURL checks a client_id that is a URL (draft-ietf-oauth-client-id-metadata-document,
// "Client Identifier").
func checkDocumentURL(id string) error {
	if len(id) > maxDocumentURL || strings.ContainsFunc(id, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return fmt.Errorf("a client_id URL has at most %d printable ASCII characters", maxDocumentURL)
	}
	u, err := url.Parse(id)
	switch {
	case err != nil || u.Scheme != "https":
		return errors.New("a client_id URL uses https")
	case u.Path == "":
		return errors.New("a client_id URL has a path")
	case u.User != nil || strings.Contains(id, "#"):
		return errors.New("a client_id URL has neither credentials nor a fragment")
	case plainurl.HasDotSegment(u):
		return errors.New("a client_id URL has no dot segments")
	}
	return plainurl.CheckHost(id, u)
}

// lookUp returns the client that a document describes: from memory, or fetched.
func (d *documents) lookUp(ctx context.Context, id, address string) (Client, *oauth.Error) {
	if err := checkDocumentURL(id); err != nil {
		return Client{}, badDocument(id, err)
	}
	if c, ok := d.pinned[id]; ok && d.rules.Policy != policyOff {
		return c, nil
	}
	if refused := d.admits(id); refused != nil {
		return Client{}, refused
	}
	if known, ok := d.known(id); ok {
		return known.client, known.err
	}
	// A browser that gives up must not cost the others who want the document the answer.
	found, err := d.fetches.Do(ctx, id, documentTimeout, func(ctx context.Context) (*keptDocument, error) {
		return d.find(ctx, id, address), nil
	})
	switch {
	case err == nil:
		return found.client, found.err
	case ctx.Err() != nil:
		return Client{}, refusal.RetryLater(oauth.ReasonClientDocument, 0, err)
	default: // a panic of somebody's http.Client
		return Client{}, badDocument(id, err)
	}
}

// known returns what is known of a document, unless it is too old.
func (d *documents) known(id string) (*keptDocument, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if kept, ok := d.kept.Get(id); ok && now.Before(kept.expires) {
		return kept, true
	}
	failure, ok := d.failed.Get(id)
	return failure, ok && now.Before(failure.expires)
}

// find fetches a document, unless the client at the address has caused too many fetches: then a
// document counts that is a little too old.
func (d *documents) find(ctx context.Context, id, address string) *keptDocument {
	if known, ok := d.known(id); ok {
		return known // another fetch ended just before this one began
	}
	if !d.mayFetch(address, d.now()) {
		return d.outdated(id)
	}
	ctx, end := d.events.Begin(ctx, observe.Operation{Kind: observe.DocumentFetched, Endpoint: "client_metadata", URL: id})
	c, lifetime, err := d.fetch(ctx, id)
	end(fetched(id, err))
	found, table := &keptDocument{client: c}, d.kept
	if err != nil {
		found.err, lifetime, table = badDocument(id, err), documentFailure, d.failed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept.Drop(id)
	d.failed.Drop(id)
	if lifetime > 0 {
		found.expires = d.now().Add(lifetime)
		table.Put(id, found)
	}
	return found
}

func (d *documents) outdated(id string) *keptDocument {
	d.mu.Lock()
	defer d.mu.Unlock()
	if kept, ok := d.kept.Get(id); ok && d.now().Before(kept.expires.Add(documentGrace)) {
		return kept
	}
	return &keptDocument{err: refusal.TooMany()}
}

// fetched is the event of a fetch.
func fetched(id string, err error) observe.Event {
	if err == nil {
		return observe.Event{Level: slog.LevelDebug, Client: id}
	}
	return observe.Event{
		Level: slog.LevelWarn, Reason: oauth.ReasonClientDocument, Message: "client metadata document refused", Client: id, Err: err,
	}
}

func badDocument(id string, cause error) *oauth.Error {
	return refusal.Caused(oauth.CodeInvalidClient, oauth.ReasonClientDocument,
		"The application describes itself at an address of "+cmp.Or(DocumentHost(id), "its own")+", where this server could not read a "+
			"description that it can use. Whoever runs the server finds the reason in its log, and can keep a copy of the description",
		fmt.Errorf("%w (a copy can be kept with --client-document URL=FILE; with --client-documents off, clients register)", cause))
}

func (d *documents) fetch(ctx context.Context, id string) (Client, time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return Client{}, 0, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := d.gate.ClientDocument(req, MaxMetadata)
	switch {
	case err != nil:
		return Client{}, 0, err
	case resp.StatusCode != http.StatusOK:
		return Client{}, 0, fmt.Errorf("the answer's status is %d", resp.StatusCode)
	case !egress.IsJSON(resp.Header):
		return Client{}, 0, errors.New("the answer's content type is not JSON")
	}
	c, err := d.parse(id, string(resp.Body))
	return c, documentLifetime(resp.Header, d.now()), err
}

// parse reads a document. Redirect URIs that are not acceptable here are left out: a document
// serves many servers, and some may allow more.
func (d *documents) parse(id, body string) (Client, error) {
	document, err := oauth.ParseClaims(body)
	if err != nil {
		return Client{}, err
	}
	if got := document.String("client_id"); got != id {
		return Client{}, errors.New("the document's client_id is not its own address")
	}
	if document.Has("client_secret") {
		return Client{}, errors.New("the document has a client_secret")
	}
	metadata, err := readMetadata(document, nil)
	if err != nil {
		return Client{}, err
	}
	c := Client{ID: id, Name: metadata.ClientName}
	if err := c.readAuthentication(document); err != nil {
		return Client{}, err
	}
	if c.Name == "" {
		return Client{}, errors.New("the document has no client_name")
	}
	if len(metadata.RedirectURIs) > maxRedirectURIs {
		return Client{}, fmt.Errorf("the document has more than %d redirect URIs", maxRedirectURIs)
	}
	var problems []error
	c.Redirects, problems = redirecturi.Usable(metadata.RedirectURIs, d.schemes)
	switch {
	case len(metadata.RedirectURIs) == 0:
		return Client{}, errors.New("the document has no redirect_uris")
	case len(c.Redirects) == 0:
		return Client{}, fmt.Errorf("the document has no redirect URI that is acceptable here: %w", leftOut(problems))
	}
	return c, nil
}

// The ways of client authentication that a document may name (RFC 7591 section 2): it holds no
// secret, since anybody can read it.
const (
	MethodNone          = "none"
	MethodPrivateKeyJWT = "private_key_jwt"
)

// readAuthentication reads how the client authenticates. One method is what a client prefers: where
// the document also lists that it can do without, the client is public, and its assertions count
// where it sends some.
func (c *Client) readAuthentication(document oauth.Claims) error {
	const method, methods = "token_endpoint_auth_method", "token_endpoint_auth_methods_supported"
	preferred := document.String(method)
	public := !document.Has(method) || preferred == MethodNone || slices.Contains(document.Strings(methods), MethodNone)
	if !public && preferred != MethodPrivateKeyJWT {
		return fmt.Errorf("the document wants the client authentication %q; none and private_key_jwt are supported", preferred)
	}
	keys, err := readKeys(document, c.ID)
	if err == nil {
		c.keys = keys
	} else if !public {
		return err
	}
	c.Confidential = !public
	return nil
}
