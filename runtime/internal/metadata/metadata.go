// Package metadata serves the documents by which clients find their way: RFC 9728 protected
// resource metadata, and the provider's RFC 8414 and OpenID documents passed on.
package metadata

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/cors"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const (
	// freshFor is how long a fetched document is served before it is fetched again, in the
	// background.
	freshFor = 10 * time.Minute
	// staleFor is how long it may be served when the provider cannot be reached.
	staleFor = 24 * time.Hour
	// coolDown is the least time between two fetches after a failure, and how long a document
	// stands in for a better one that could not be had.
	coolDown = 10 * time.Second
	// maxPause bounds how long a provider may ask to be left alone: a wrong Retry-After must not
	// keep clients out for long.
	maxPause = 5 * time.Minute
	// fetchLimit bounds one round of fetches.
	fetchLimit = 10 * time.Second
	// maxDocument bounds a document; real ones have up to 10 KB.
	maxDocument = 256 << 10
	// cacheControl lets clients keep documents for five minutes, so that changes arrive soon.
	cacheControl = "public, max-age=300"
	// cacheControlMakeshift is for documents that stand in for a better one.
	cacheControlMakeshift = "public, max-age=10"
)

// Config says whose metadata a [Source] serves.
type Config struct {
	// Issuer is what a document must name as its issuer, byte for byte (RFC 8414 section 3.3).
	Issuer string
	// Forms are the documents that the provider serves, best first.
	Forms []facts.Form
	// URL is where the provider's document is in place of its well-known addresses, if it is
	// elsewhere.
	URL string
	// Fallback is served when Forms is empty.
	Fallback oauth.AuthorizationServerMetadata
	Client   *http.Client
	// Events gets the fetches, and what is wrong with the documents.
	Events *events.Sender
	Now    func() time.Time
}

// Source yields a provider's authorization server metadata: fetched on demand, kept, and kept
// longer while the provider is down. It has no goroutine of its own; a look-up past freshness
// starts one bounded fetch.
type Source struct {
	config    Config
	gate      *upstream.Gate
	documents map[string]*document
}

// NewSource returns the source of a provider's metadata.
func NewSource(config Config) *Source {
	if len(config.Forms) == 0 && config.URL != "" {
		config.Forms = []facts.Form{facts.OAuthInserted}
	}
	s := &Source{config: config, gate: upstream.NewGate(config.Client), documents: map[string]*document{}}
	for _, suffix := range []string{oauth.WellKnownAuthorizationServer, oauth.WellKnownOpenID} {
		if urls, own := config.urls(suffix); len(urls) > 0 {
			s.documents[suffix] = &document{source: s, urls: urls, own: own}
		}
	}
	return s
}

// urls returns where to look for the document of a well-known suffix. A request for RFC 8414's
// document is also answered with OpenID's, of which it is a subset; the reverse would lack what
// OpenID clients need. The first own ones are of the very document.
func (c Config) urls(suffix string) (urls []string, own int) {
	var same, other []string
	for _, form := range c.Forms {
		list := &other
		if form.Suffix() == suffix {
			list = &same
		}
		if u := cmp.Or(c.URL, form.URL(c.Issuer)); !slices.Contains(*list, u) {
			*list = append(*list, u)
		}
	}
	own = len(same)
	if suffix == oauth.WellKnownAuthorizationServer {
		same = append(same, other...)
	}
	return same, own
}

// Document returns the document of a well-known suffix. Errors are [*oauth.Error] values: 404 for a
// document that the provider does not have, 503 when it cannot be had right now.
func (s *Source) Document(ctx context.Context, suffix string) ([]byte, error) {
	a, err := s.answer(ctx, suffix)
	return a.body, err
}

// answer is a document, and whether it stands in for a better one.
type answer struct {
	body      []byte
	makeshift bool
}

func (s *Source) answer(ctx context.Context, suffix string) (answer, error) {
	if len(s.config.Forms) == 0 && suffix == oauth.WellKnownAuthorizationServer {
		body, err := json.Marshal(s.config.Fallback)
		return answer{body: body}, err
	}
	d, ok := s.documents[suffix]
	if !ok {
		return answer{}, &oauth.Error{Code: oauth.CodeInvalidRequest, Status: http.StatusNotFound, Description: "Not found"}
	}
	return d.get(ctx)
}

// Handler serves the document of a well-known suffix to clients on any origin.
func (s *Source) Handler(suffix string) http.Handler {
	return cors.Public(func(w http.ResponseWriter, r *http.Request) {
		a, err := s.answer(r.Context(), suffix)
		switch {
		case err != nil:
			writeError(w, oauth.AsError(err))
		case a.makeshift:
			writeDocument(w, a.body, cacheControlMakeshift)
		default:
			writeDocument(w, a.body, cacheControl)
		}
	})
}

// ResourceHandler serves a protected resource metadata document (RFC 9728 section 3.2) to clients
// on any origin.
func ResourceHandler(document oauth.ProtectedResourceMetadata) (http.Handler, error) {
	body, err := json.Marshal(document)
	if err != nil {
		return nil, fmt.Errorf("protected resource metadata: %w", err)
	}
	return cors.Public(func(w http.ResponseWriter, _ *http.Request) { writeDocument(w, body, cacheControl) }), nil
}

func writeDocument(w http.ResponseWriter, body []byte, caching string) {
	w.Header().Set("Cache-Control", caching)
	httpanswer.Text(w, http.StatusOK, body)
}

func writeError(w http.ResponseWriter, e *oauth.Error) {
	httpanswer.RetryAfter(w.Header(), e.RetryAfter)
	httpanswer.JSON(w, e.Status, oauth.ErrorResponse{Error: e.Code, ErrorDescription: e.Description})
}

// document is one well-known document of the provider.
type document struct {
	source *Source
	urls   []string
	own    int // how many of urls are of this document, and not of OpenID's in its place

	mu      sync.Mutex
	current answer
	fetched time.Time
	failed  time.Time
	pause   time.Duration // from failed on
	lacking bool          // whether OpenID's document was served last, since the provider has no other
	fetches flight.Group[struct{}]
}

func (d *document) get(ctx context.Context) (answer, error) {
	current, due := d.known()
	if due {
		// A client that gives up does not cost the others the answer.
		fetch := d.fetches.Start(ctx, "", fetchLimit, d.fetch)
		if current.body == nil {
			if _, err := fetch.Wait(ctx); ctx.Err() != nil {
				return answer{}, oauth.Unavailable(coolDown, err)
			}
			current, _ = d.known()
		}
	}
	if current.body == nil {
		return answer{}, oauth.Unavailable(d.wait(), errors.New("no authorization server metadata could be fetched"))
	}
	return current, nil
}

// wait is how long it takes until the document is fetched again.
func (d *document) wait() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return min(max(d.pause-d.source.config.Now().Sub(d.failed), time.Second), max(d.pause, coolDown))
}

// known returns what may be served now, and whether it is time to fetch.
func (d *document) known() (current answer, due bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.source.config.Now()
	if d.current.body != nil && now.Sub(d.fetched) >= staleFor {
		d.current = answer{}
	}
	old := d.current.body == nil || d.current.makeshift || now.Sub(d.fetched) >= freshFor
	return d.current, old && now.Sub(d.failed) >= d.pause
}

func (d *document) fetch(ctx context.Context) (struct{}, error) {
	if _, due := d.known(); !due { // another fetch has just ended
		return struct{}{}, nil
	}
	config := &d.source.config
	ctx, end := config.Events.Begin(ctx, observe.Operation{Kind: observe.DocumentFetched, Endpoint: "metadata", URL: d.urls[0]})
	body, lacks, err := d.first(ctx)
	event, newlyLacking := d.keep(body, lacks, err)
	event.Issuer = config.Issuer
	end(event)
	if newlyLacking {
		config.Events.Observe(ctx, observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Issuer: config.Issuer, Err: lacks,
			Message: "the provider does not have the OAuth metadata that it should (RFC 8414); its OpenID configuration stands in",
			Hint:    "Is the OAuth server switched on there?",
		})
	}
	return struct{}{}, nil
}

// keep puts what was fetched in place. It returns the event of the fetch, and reports whether
// OpenID's document begins to stand in for one that the provider should have.
func (d *document) keep(body []byte, lacks, err error) (event observe.Event, newlyLacking bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.source.config.Now()
	d.pause = pauseAfter(err)
	if body != nil {
		newlyLacking = lacks != nil && !d.lacking
		d.lacking = lacks != nil
	}
	switch older := d.current.body != nil && !d.current.makeshift; {
	case err == nil:
		d.current, d.fetched, d.failed = answer{body: body}, now, time.Time{}
		return observe.Event{Level: slog.LevelDebug}, newlyLacking
	case body != nil && !older:
		d.current, d.fetched, d.failed = answer{body: body, makeshift: true}, now, now
		event.Message = "the best authorization server metadata cannot be fetched now; another document stands in"
	default:
		d.failed = now
		event.Message = "authorization server metadata cannot be fetched"
		event.Details = []slog.Attr{slog.Bool("serving_older", d.current.body != nil)}
	}
	event.Level, event.Reason, event.Err = slog.LevelWarn, oauth.ReasonProviderUnavailable, err
	return event, newlyLacking
}

// first returns the first usable document. If a better one may only be out of reach for the moment,
// it returns the error of that one too. lacks says why there is none but OpenID's where there
// should be.
func (d *document) first(ctx context.Context) (body []byte, lacks, err error) {
	defer func() {
		// The fetch has a goroutine of its own, where a panic of a client or a parser would end the
		// process.
		if p := recover(); p != nil {
			body, err = nil, fmt.Errorf("fetching metadata panicked: %v", p)
		}
	}()
	var problems, passing []error
	for i, u := range d.urls {
		body, err := d.source.one(ctx, u)
		switch {
		case err == nil && d.own > 0 && i >= d.own && len(passing) == 0:
			return body, errors.Join(problems...), nil
		case err == nil:
			return body, nil, errors.Join(passing...)
		}
		err = fmt.Errorf("%s: %w", u, err)
		if problems = append(problems, err); mayPass(err) {
			passing = append(passing, err)
		}
	}
	return nil, nil, errors.Join(problems...)
}

// Read fetches the provider's document now: the first of its forms that the provider serves and
// that names its issuer. passing reports whether the error may pass: the provider does not answer.
func (s *Source) Read(ctx context.Context) (document oauth.Claims, passing bool, err error) {
	var problems []error
	for _, form := range s.config.Forms {
		u := cmp.Or(s.config.URL, form.URL(s.config.Issuer))
		body, err := s.one(ctx, u)
		if err == nil {
			document, err = oauth.ParseClaims(string(body))
			return document, false, err
		}
		problems = append(problems, fmt.Errorf("%s: %w", u, err))
		if passing = mayPass(err); passing || s.config.URL != "" {
			break // a later form would have another content
		}
	}
	return oauth.Claims{}, passing, errors.Join(problems...)
}

// pauseAfter is how long the provider is left alone after fetches that failed: as long as it asks
// for, within bounds.
func pauseAfter(err error) time.Duration {
	pause := coolDown
	if failed, ok := errors.AsType[*egress.Error](err); ok {
		pause = max(pause, min(failed.RetryAfter, maxPause))
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, each := range joined.Unwrap() {
			pause = max(pause, pauseAfter(each))
		}
	}
	return pause
}

// mayPass tells a provider that does not answer now from one that has answered, and has no such
// document. A fault of a document that was read is no matter of the exchange.
func mayPass(err error) bool {
	exchange, ok := errors.AsType[*egress.Error](err)
	if !ok {
		return false
	}
	switch exchange.Kind {
	case egress.KindTimeout, egress.KindCanceled, egress.KindResolve, egress.KindConnect, egress.KindTLS, egress.KindFailed:
		return true
	case egress.KindStatus:
		return exchange.Status >= 500 || slices.Contains(
			[]int{http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests}, exchange.Status)
	default:
		return false
	}
}

// one fetches one document. Its content type is not looked at: some providers serve JSON as
// text/plain, and what is no JSON object with our issuer in it is refused anyway.
func (s *Source) one(ctx context.Context, url string) ([]byte, error) {
	body, err := s.get(ctx, url)
	if err != nil {
		return nil, err
	}
	object, err := oauth.ParseClaims(string(body))
	if err != nil {
		return nil, err
	}
	if issuer := object.String("issuer"); issuer != s.config.Issuer {
		return nil, fmt.Errorf("the document names issuer %q, configured is %q (RFC 8414 section 3.3)", issuer, s.config.Issuer)
	}
	return body, nil
}

// get fetches a text.
func (s *Source) get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, &egress.Error{Kind: egress.KindURL, Detail: "the URL cannot be used"}
	}
	request.Header.Set("Accept", "application/json")
	response, err := s.gate.Metadata(request, maxDocument)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &egress.Error{
			Kind: egress.KindStatus, Host: request.URL.Host, Status: response.StatusCode, RetryAfter: egress.RetryAfter(response.Header, s.config.Now()),
			Detail: "the answer's status is " + strconv.Itoa(response.StatusCode),
		}
	}
	return strictjson.WithoutBOM(response.Body), nil
}

// Announced returns the scopes that protected resource metadata and challenges may name: the given
// ones without offline_access, which is a matter between client and authorization server (MCP
// authorization, "Scope Selection").
func Announced(scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return s == "offline_access" })
}
