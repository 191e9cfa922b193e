package clients

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

const (
	// maxDocumentURL bounds a client_id that is a URL.
	maxDocumentURL = 512
	// maxDocuments is how many documents are kept, maxFailures how many failures. Everybody can cause those, and they must not
	// push out what clients need.
	maxDocuments = 1024
	maxFailures  = 256
	// documentTimeout bounds one fetch.
	documentTimeout = 10 * time.Second
	// documentDefault is how long a document is kept that does not say.
	documentDefault = 5 * time.Minute
	// documentMax is the longest that one is kept, whatever it says: redirect URIs that were taken out must stop counting.
	documentMax = 24 * time.Hour
	// documentFailure is how long a failure is kept. It is short since the draft wants none cached for good, and long
	// enough that a page that is reloaded does not hammer somebody else's server.
	documentFailure = 30 * time.Second
	// documentGrace is how long a document counts beyond its time while too many others are asked for to fetch it anew.
	documentGrace = time.Hour
)

// documents fetches and keeps client ID metadata documents.
type documents struct {
	fetcher  *http.Client
	schemes  []string
	mayFetch func(address string, now time.Time) bool
	now      func() time.Time
	logger   *slog.Logger

	mu      sync.Mutex
	kept    *recent[string, *keptDocument]
	failed  *recent[string, *keptDocument]
	flights map[string]*flight
}

// keptDocument is a fetched document, or why there is none.
type keptDocument struct {
	client  Client
	err     *oauth.Error
	expires time.Time
}

// flight is a fetch that is under way, which all who ask meanwhile wait for.
type flight struct {
	done   chan struct{}
	result keptDocument
}

func newDocuments(c Config) *documents {
	return &documents{
		fetcher: withoutRedirects(c.HTTP), schemes: c.CustomSchemes, mayFetch: c.MayFetch, now: c.Now, logger: c.Logger,
		kept: newRecent[string, *keptDocument](maxDocuments), failed: newRecent[string, *keptDocument](maxFailures),
		flights: map[string]*flight{},
	}
}

// withoutRedirects returns the client with redirects left to the caller: neither a document nor a token answer may come
// from elsewhere.
func withoutRedirects(c *http.Client) *http.Client {
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// checkDocumentURL checks a client_id that is a URL (draft-ietf-oauth-client-id-metadata-document, "Client Identifier").
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
		return Client{}, badDocument(err)
	}
	f, kept, refused := d.join(ctx, id, address)
	if refused != nil {
		return Client{}, refused
	}
	if kept != nil {
		return kept.client, kept.err
	}
	select {
	case <-f.done:
		return f.result.client, f.result.err
	case <-ctx.Done():
		return Client{}, refusal.RetryLater(refusal.ReasonClientDocument, 0, ctx.Err())
	}
}

// join returns what is kept, or the flight to wait for.
func (d *documents) join(ctx context.Context, id, address string) (*flight, *keptDocument, *oauth.Error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	kept, ok := d.kept.get(id)
	if ok && now.Before(kept.expires) {
		return nil, kept, nil
	}
	if failure, ok := d.failed.get(id); ok && now.Before(failure.expires) {
		return nil, failure, nil
	}
	if f, ok := d.flights[id]; ok {
		return f, nil, nil
	}
	if !d.mayFetch(address, now) {
		if ok && now.Before(kept.expires.Add(documentGrace)) {
			return nil, kept, nil
		}
		return nil, nil, refusal.TooMany()
	}
	f := &flight{done: make(chan struct{})}
	d.flights[id] = f
	// Detached: a browser that gives up must not cost the others the answer.
	go d.fly(context.WithoutCancel(ctx), id, f)
	return f, nil, nil
}

func (d *documents) fly(ctx context.Context, id string, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	c, lifetime, err := d.fetch(ctx, id)
	table := d.kept
	if err != nil {
		d.logger.WarnContext(ctx, "client metadata document refused", "client", id, "error", err)
		f.result.err, lifetime, table = badDocument(err), documentFailure, d.failed
	}
	f.result.client = c

	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.flights, id)
	d.kept.drop(id)
	d.failed.drop(id)
	if lifetime > 0 {
		f.result.expires = d.now().Add(lifetime)
		table.put(id, &f.result)
	}
	close(f.done)
}

func badDocument(cause error) *oauth.Error {
	return refusal.Caused(oauth.CodeInvalidClient, refusal.ReasonClientDocument,
		"The application's description could not be read from the address that is its client_id", cause)
}

func (d *documents) fetch(ctx context.Context, id string) (c Client, lifetime time.Duration, err error) {
	defer func() {
		// A fetch has a goroutine of its own, where a panic of somebody's http.Client would end the process.
		if p := recover(); p != nil {
			err = fmt.Errorf("fetching the document panicked: %v", p)
		}
	}()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, id, nil)
	if err != nil {
		return Client{}, 0, err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := egress.Fetch(d.fetcher, req, MaxMetadata)
	switch {
	case err != nil:
		return Client{}, 0, err
	case resp.StatusCode != http.StatusOK:
		return Client{}, 0, fmt.Errorf("the answer's status is %d", resp.StatusCode)
	case !egress.IsJSON(resp.Header):
		return Client{}, 0, errors.New("the answer's content type is not JSON")
	}
	c, err = d.parse(id, string(resp.Body))
	return c, documentLifetime(resp.Header, d.now()), err
}

// parse reads a document. Redirect URIs that are not acceptable here are left out: a document serves many servers, and
// some may allow more.
func (d *documents) parse(id, body string) (Client, error) {
	document, err := oauth.ParseClaims(body)
	if err != nil {
		return Client{}, err
	}
	if got := document.String("client_id"); got != id {
		return Client{}, errors.New("the document's client_id is not its own address")
	}
	// A document that anybody can read holds no secret, and we know no other way of client authentication.
	if method := document.String("token_endpoint_auth_method"); method != "none" && document.Has("token_endpoint_auth_method") {
		return Client{}, fmt.Errorf("the document wants the client authentication %q, only none is supported", method)
	}
	if document.Has("client_secret") {
		return Client{}, errors.New("the document has a client_secret")
	}
	metadata, err := readMetadata(document, nil)
	if err != nil {
		return Client{}, err
	}
	c := Client{ID: id, Name: metadata.ClientName}
	if c.Name == "" {
		return Client{}, errors.New("the document has no client_name")
	}
	if len(metadata.RedirectURIs) > maxRedirectURIs {
		return Client{}, fmt.Errorf("the document has more than %d redirect URIs", maxRedirectURIs)
	}
	for _, uri := range metadata.RedirectURIs {
		if _, err := redirecturi.Parse(uri, d.schemes); err == nil {
			c.Redirects = append(c.Redirects, uri)
		}
	}
	if len(c.Redirects) == 0 {
		return Client{}, errors.New("the document has no redirect URI that is acceptable here")
	}
	return c, nil
}
