package devidp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/noredirect"
	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
)

// The limits of client ID metadata documents.
const (
	maxDocumentBytes    = 5 << 10 // draft-ietf-oauth-client-id-metadata-document, "Maximum Response Size"
	maxDocumentClients  = 200
	documentTimeout     = 5 * time.Second
	documentCache       = 5 * time.Minute // for an answer that says nothing
	maxDocumentCache    = 24 * time.Hour
	maxDocumentURLBytes = 1000
)

// documentFetcher turns a client_id that is a URL into a client, by fetching what is there
// (draft-ietf-oauth-client-id-metadata-document).
type documentFetcher struct {
	http  *http.Client
	rules clientRules
	now   func() time.Time

	mu    sync.Mutex
	known *shelf[*client]
}

func newDocumentFetcher(c *http.Client, rules clientRules, now func() time.Time) *documentFetcher {
	return &documentFetcher{http: noredirect.Client(c), rules: rules, now: now, known: newShelf[*client](maxDocumentClients)}
}

// isDocumentURL reports whether a client_id is the address of a metadata document, in a spelling
// that the draft allows.
func isDocumentURL(id string) bool {
	u, err := url.Parse(id)
	switch {
	case err != nil || len(id) > maxDocumentURLBytes || strings.ContainsFunc(id, plainurl.IsUnusual):
		return false
	case !strings.HasPrefix(id, u.Scheme+"://"+u.Host+"/") || !plainurl.Bare(id, u) || plainurl.CheckHost(id, u) != nil:
		return false
	case u.Path == "/" || plainurl.HasDotSegment(u):
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && plainurl.IsLoopbackHost(u.Hostname())
}

// client returns the client that a document describes, from the cache as long as the document's own
// headers allow.
func (f *documentFetcher) client(ctx context.Context, id string) (*client, error) {
	if c, ok := f.cached(id); ok {
		return c, nil
	}
	c, lifetime, err := f.fetch(ctx, id)
	if err != nil {
		return nil, &oauth.Error{
			Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: oauth.ReasonClientDocument, Cause: err,
			Description: "The client_id is the address of a document that could not be fetched or used",
		}
	}
	if lifetime > 0 {
		f.keep(c, lifetime)
	}
	return c, nil
}

func (f *documentFetcher) cached(id string) (*client, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known.get(id, f.now())
}

func (f *documentFetcher) keep(c *client, lifetime time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known.put(c.id, c, f.now().Add(lifetime))
}

func (f *documentFetcher) fetch(ctx context.Context, id string) (*client, time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, documentTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, id, http.NoBody) //nolint:gosec // the injected client decides
	if err != nil {
		return nil, 0, err
	}
	request.Header.Set("Accept", "application/json")
	response, err := f.http.Do(request) //nolint:gosec // the injected client decides
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = response.Body.Close() }()
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch {
	case response.StatusCode != http.StatusOK:
		return nil, 0, fmt.Errorf("status %d", response.StatusCode)
	case kind != "application/json" && !strings.HasSuffix(kind, "+json"):
		return nil, 0, errors.New("not JSON by its Content-Type")
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocumentBytes+1))
	switch {
	case err != nil:
		return nil, 0, err
	case len(body) > maxDocumentBytes:
		return nil, 0, errors.New("larger than 5 KiB")
	}
	c, err := f.read(id, body)
	return c, cacheLifetime(response.Header.Get("Cache-Control")), err
}

// read checks a document. It describes a public client: what is published cannot hold a secret.
func (f *documentFetcher) read(id string, body []byte) (*client, error) {
	object, err := oauth.ParseClaims(string(body))
	if err != nil {
		return nil, err
	}
	switch {
	case object.String("client_id") != id:
		return nil, errors.New("its client_id is not its own address")
	case object.String("client_name") == "":
		return nil, errors.New("it has no client_name")
	case object.Has("client_secret") || object.Has("client_secret_expires_at"):
		return nil, errors.New("it has a secret")
	}
	metadata, err := parseMetadata(body)
	if err != nil {
		return nil, err
	}
	metadata.TokenEndpointAuthMethod = cmp.Or(metadata.TokenEndpointAuthMethod, authNone)
	if slices.Contains(object.Strings("token_endpoint_auth_methods_supported"), authNone) {
		metadata.TokenEndpointAuthMethod = authNone // a preferred method is not the only one
	}
	if metadata.TokenEndpointAuthMethod != authNone {
		return nil, fmt.Errorf("its authentication method is %s, not none", quoted(metadata.TokenEndpointAuthMethod))
	}
	if _, err := f.rules.settle(&metadata); err != nil {
		return nil, err
	}
	metadata.ClientID = id
	return metadataClient(metadata, documentClient), nil
}

// cacheLifetime is how long an answer may be kept (RFC 9111 section 5.2.2).
func cacheLifetime(cacheControl string) time.Duration {
	lifetime := documentCache
	for directive := range strings.SplitSeq(strings.ToLower(cacheControl), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return 0
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return 0
			}
			lifetime = min(time.Duration(seconds)*time.Second, maxDocumentCache)
		}
	}
	return lifetime
}

// findClient returns a client by its ID, fetching its metadata document where the ID is the address
// of one.
func (s *Server) findClient(ctx context.Context, id string) (*client, error) {
	if c, ok := s.state.client(id); ok {
		return c, nil
	}
	if s.documents != nil && isDocumentURL(id) {
		return s.documents.client(ctx, id)
	}
	return nil, &oauth.Error{
		Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: oauth.ReasonClientUnknown,
		Description: "The client is not registered here; register it again",
	}
}
