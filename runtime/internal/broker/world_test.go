package broker

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

const (
	testResource = "https://mcp.example.com/mcp"
	webRedirect  = "https://client.example.com/callback"
	loopRedirect = "http://127.0.0.1/callback"
)

// world is a provider, brokers in front of it, a log of everything that was said and all events
// behind it.
type world struct {
	t        testing.TB
	provider *provider
	config   Config
	log      *lockedBuffer
	seen     *recorder

	mu      sync.Mutex
	clock   time.Time
	brokers []*Broker
	turn    int
	// restarts makes a new broker, with an empty store, for every request.
	restarts bool
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// newWorld makes a world with as many brokers as asked, which share nothing but their
// configuration.
func newWorld(t testing.TB, brokers int, changes ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, clock: time.Unix(1_800_000_000, 0), log: &lockedBuffer{}, seen: &recorder{}}
	w.provider = newProvider(w)
	t.Cleanup(w.provider.server.Close)
	w.config = Config{
		Resource: testResource, Name: "Example Server", Upstream: w.provider.upstream(),
		UsualScopes: []string{"openid", "email", "profile"}, Verify: w.provider.verify,
		UpstreamClient: w.provider.server.Client(), Now: w.now,
		Events: events.To(observe.Slog(slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))), w.seen),
	}
	for _, change := range changes {
		change(&w.config)
	}
	for range brokers {
		w.brokers = append(w.brokers, w.newBroker())
	}
	t.Cleanup(w.checkLog)
	return w
}

func (w *world) newBroker() *Broker {
	w.t.Helper()
	b, err := New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// boxes are the formats of the world's broker as it would be at a resource.
func (w *world) boxes(resource string) *tickets.Boxes {
	w.t.Helper()
	ring, err := seal.NewRing(seal.Config{Secret: testSecret})
	if err != nil {
		w.t.Fatal(err)
	}
	var below []string
	if resource == w.config.Resource {
		below = w.config.Subresources
	}
	s, err := newSite(resource, below)
	if err != nil {
		w.t.Fatal(err)
	}
	return tickets.New(ring, w.config.binding(resource), mark(s, cmp.Or(w.config.Tokens, proxy.Sealed)), w.now)
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.clock
}

func (w *world) add(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.clock = w.clock.Add(d)
}

// broker returns whose turn it is: another one each time.
func (w *world) broker() *Broker {
	if w.restarts {
		return w.newBroker()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	return w.brokers[w.turn%len(w.brokers)]
}

// checkLog makes sure, after every test, that neither the log nor an event holds what it must not.
func (w *world) checkLog() {
	text := w.log.String() + w.seen.String()
	for _, secret := range []string{
		testSecret, "upstream-code-", "upstream-access-", "upstream-refresh-", "verifier-of-the-client", "client-state",
	} {
		if strings.Contains(text, secret) {
			w.t.Errorf("the log has %q in it:\n%s", secret, text)
		}
	}
	if sealedValue.MatchString(text) {
		w.t.Errorf("the log has a sealed value in it:\n%s", text)
	}
}

// sealedValue is a sealed value: version 1 in base64url, and long.
var sealedValue = regexp.MustCompile(`\bA[Q-Za-f][A-Za-z0-9_-]{60,}`)

func (w *world) logged(reason oauth.Reason) bool {
	return strings.Contains(w.log.String(), `"reason":"`+string(reason)+`"`)
}

// handlerOf serves the endpoints under the resource's path and the metadata at its well-known
// places, and answers 404 to all else.
func handlerOf(b *Broker) http.Handler {
	mux := http.NewServeMux()
	for _, r := range b.routes {
		mux.Handle(b.site.path+r.Path, r.Handler)
	}
	seen := map[string]bool{}
	for _, suffix := range []string{oauth.WellKnownAuthorizationServer, oauth.WellKnownOpenID} {
		for _, address := range []string{
			oauth.InsertWellKnown(b.site.resource(), suffix), oauth.AppendWellKnown(b.site.resource(), suffix), oauth.RootWellKnown(b.site.resource(), suffix),
		} {
			u, err := url.Parse(address)
			if err != nil || seen[u.Path] {
				continue
			}
			seen[u.Path] = true
			mux.Handle(u.Path, b.MetadataHandler(suffix))
		}
	}
	return mux
}

// do sends one request to the next broker.
func (w *world) do(r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	handlerOf(w.broker()).ServeHTTP(rec, r)
	return rec
}

func (w *world) post(path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, testResource+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(r)
}

func (w *world) register(metadata string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, testResource+"/register", strings.NewReader(metadata))
	r.Header.Set("Content-Type", "application/json")
	return w.do(r)
}

// newClient registers a client and returns its client_id.
func (w *world) newClient(redirects ...string) string {
	w.t.Helper()
	body, err := json.Marshal(oauth.ClientMetadata{ClientName: "Test Client", RedirectURIs: redirects})
	if err != nil {
		w.t.Fatal(err)
	}
	rec := w.register(string(body))
	if rec.Code != http.StatusCreated {
		w.t.Fatalf("registration: %d %s", rec.Code, rec.Body)
	}
	return decode[oauth.ClientInformation](w.t, rec).ClientID
}

func decode[T any](t testing.TB, rec *httptest.ResponseRecorder) (v T) {
	t.Helper()
	if err := json.Unmarshal(rec.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, rec.Body)
	}
	return v
}

// browser is a user's browser: it keeps cookies and says where navigations come from.
type browser struct {
	w       *world
	cookies map[string]string
	// created tells how many cookies there were before one was made; a new value does not make it
	// younger.
	created map[string]int
	// origin is what it sends with forms.
	origin string
}

func (w *world) newBrowser() *browser {
	return &browser{w: w, cookies: map[string]string{}, created: map[string]int{}, origin: "https://mcp.example.com"}
}

// send sends a request with the browser's cookies, the earliest first (RFC 6265 section 5.4), and
// keeps those of the answer.
func (b *browser) send(r *http.Request) *httptest.ResponseRecorder {
	names := slices.Sorted(maps.Keys(b.cookies))
	slices.SortStableFunc(names, func(x, y string) int { return cmp.Compare(b.created[x], b.created[y]) })
	for _, name := range names {
		r.AddCookie(&http.Cookie{Name: name, Value: b.cookies[name]})
	}
	rec := b.w.do(r)
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		if _, kept := b.cookies[c.Name]; !kept {
			b.created[c.Name] = 1 + len(b.created)
		}
		b.cookies[c.Name] = c.Value
	}
	return rec
}

// open opens a URL as a link on another site does, unless headers say otherwise.
func (b *browser) open(target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Sec-Fetch-Dest", "document")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return b.send(r)
}

// answer sends the form of a consent page.
func (b *browser) answer(page, decision string, more ...string) *httptest.ResponseRecorder {
	form := url.Values{"form": {hiddenForm(b.w.t, page)}, "decision": {decision}}
	for i := 0; i+1 < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, testResource+"/consent", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.Header.Set("Origin", b.origin)
	return b.send(r)
}

var (
	formPattern    = regexp.MustCompile(`name="form" value="([^"]+)"`)
	refreshPattern = regexp.MustCompile(`http-equiv="refresh" content="0;url=([^"]+)"`)
	hrefPattern    = regexp.MustCompile(`<a class="button[^"]*" rel="noreferrer" href="([^"]+)"`)
)

func hiddenForm(t testing.TB, page string) string {
	t.Helper()
	m := formPattern.FindStringSubmatch(page)
	if m == nil {
		t.Fatalf("no form in page:\n%s", page)
	}
	return html.UnescapeString(m[1])
}

// target returns where a page that continues by itself goes.
func target(t testing.TB, rec *httptest.ResponseRecorder) string {
	t.Helper()
	page := rec.Body.String()
	m, link := refreshPattern.FindStringSubmatch(page), hrefPattern.FindStringSubmatch(page)
	if rec.Code != http.StatusOK || m == nil || link == nil || html.UnescapeString(m[1]) != html.UnescapeString(link[1]) {
		t.Fatalf("not a page that continues: %d\n%s", rec.Code, page)
	}
	return html.UnescapeString(m[1])
}

// clientVerifier is the client's PKCE verifier in all tests.
const clientVerifier = "verifier-of-the-client-0123456789-0123456789-01"

func challengeOf(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// authorizeURL is an authorization request; changes override single parameters, an empty value
// removes one.
func authorizeURL(clientID, redirect string, changes ...string) string {
	q := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {redirect}, "state": {"client-state"},
		"code_challenge": {challengeOf(clientVerifier)}, "code_challenge_method": {"S256"},
		"scope": {"openid email"}, "resource": {testResource},
	}
	for i := 0; i+1 < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	return testResource + "/authorize?" + q.Encode()
}

// consentTo opens an authorization request, allows it, and returns where the browser logs in.
func (b *browser) consentTo(clientID, redirect string, changes ...string) string {
	b.w.t.Helper()
	page := b.open(authorizeURL(clientID, redirect, changes...))
	if page.Code != http.StatusOK {
		b.w.t.Fatalf("consent page: %d %s", page.Code, page.Body)
	}
	return target(b.w.t, b.answer(page.Body.String(), "allow"))
}

// code goes through consent and login and returns our code.
func (b *browser) code(clientID, redirect string, changes ...string) string {
	b.w.t.Helper()
	rec := b.open(b.w.provider.login(b.w.t, b.consentTo(clientID, redirect, changes...)))
	location, err := url.Parse(rec.Header().Get("Location"))
	if rec.Code != http.StatusSeeOther || err != nil || location.Query().Get("code") == "" {
		b.w.t.Fatalf("callback: %d %s %s", rec.Code, rec.Header().Get("Location"), rec.Body)
	}
	return location.Query().Get("code")
}

func redeemForm(clientID, redirect, code string, changes ...string) url.Values {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {clientID}, "code": {code}, "redirect_uri": {redirect},
		"code_verifier": {clientVerifier}, "resource": {testResource},
	}
	return change(form, changes)
}

func refreshForm(clientID, token string, changes ...string) url.Values {
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {clientID}, "refresh_token": {token}, "resource": {testResource}}
	return change(form, changes)
}

func change(form url.Values, changes []string) url.Values {
	for i := 0; i+1 < len(changes); i += 2 {
		form.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			form.Del(changes[i])
		}
	}
	return form
}

// login plays a whole login of a new browser, for a client with the web redirect, and returns the
// tokens.
func (w *world) login(clientID string) oauth.TokenResponse {
	w.t.Helper()
	code := w.newBrowser().code(clientID, webRedirect)
	rec := w.post("/token", redeemForm(clientID, webRedirect, code))
	if rec.Code != http.StatusOK {
		w.t.Fatalf("token: %d %s", rec.Code, rec.Body)
	}
	return decode[oauth.TokenResponse](w.t, rec)
}

func (w *world) refreshed(clientID, token string, changes ...string) oauth.TokenResponse {
	w.t.Helper()
	rec := w.post("/token", refreshForm(clientID, token, changes...))
	if rec.Code != http.StatusOK {
		w.t.Fatalf("refresh: %d %s", rec.Code, rec.Body)
	}
	return decode[oauth.TokenResponse](w.t, rec)
}

// wantError checks a JSON error answer.
func wantError(t testing.TB, rec *httptest.ResponseRecorder, status int, code oauth.Code) {
	t.Helper()
	var body oauth.ErrorResponse
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil || rec.Code != status || body.Error != code {
		t.Errorf("got %d %s, want %d %s", rec.Code, rec.Body, status, code)
	}
	if rec.Header().Get("Cache-Control") != "no-store" || rec.Header().Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", rec.Header())
	}
}

// wantPage checks a page that refuses without leading anywhere.
func wantPage(t testing.TB, rec *httptest.ResponseRecorder, status int) {
	t.Helper()
	if rec.Code != status || !strings.HasPrefix(rec.Header().Get("Content-Type"), "text/html") {
		t.Errorf("got %d %s: %s", rec.Code, rec.Header().Get("Content-Type"), rec.Body)
	}
	if rec.Header().Get("Location") != "" || refreshPattern.MatchString(rec.Body.String()) || strings.Contains(rec.Body.String(), "href=") {
		t.Errorf("the refusal leads somewhere: %v\n%s", rec.Header(), rec.Body)
	}
}
