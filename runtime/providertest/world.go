package providertest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// world is a provider under test and the fake that it talks to.
type world struct {
	suite       Suite
	provider    *runtime.Provider
	description oauth.Description
	// keys are the fake's keys by algorithm.
	keys map[string]*jose.SigningKey
	fake *fake
}

func newWorld(t *testing.T, suite Suite) *world {
	t.Helper()
	w := &world{suite: suite, keys: map[string]*jose.SigningKey{}, fake: newFake()}
	if suite.Issuer != "" {
		w.fake.announce(t, suite)
	}
	w.provider = w.newProvider(t, w.fake)
	w.description = w.provider.Describe()
	w.publishMetadata(t)
	if suite.Opaque != nil {
		w.serveOpaque()
		return w
	}
	for _, algorithm := range w.oneOfEachKind() {
		w.keys[algorithm] = w.newKey(t, algorithm, "key-"+algorithm)
	}
	w.publishKeys(t)
	return w
}

// newProvider makes the provider, cut off from clock, environment and network of the machine.
func (w *world) newProvider(t *testing.T, transport http.RoundTripper) *runtime.Provider {
	t.Helper()
	provider, err := w.suite.Provider(
		runtime.WithHTTPClient(&http.Client{Transport: transport}),
		runtime.WithClock(func() time.Time { return now }),
		runtime.WithLookupEnv(func(string) (string, bool) { return "", false }),
		runtime.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		t.Fatalf("the provider cannot be made: %v", err)
	}
	return provider
}

// oneOfEachKind is the suite's algorithms without those that differ from another in the hash alone:
// making RSA keys is slow, and the hashes are the library's business.
func (w *world) oneOfEachKind() []string {
	var chosen []string
	seen := map[string]bool{}
	for _, algorithm := range w.algorithms() {
		kind := algorithm[:2]
		if kind == "ES" { // the hash decides the curve
			kind = algorithm
		}
		if !seen[kind] {
			chosen = append(chosen, algorithm)
		}
		seen[kind] = true
	}
	return chosen
}

// algorithms are the suite's; with a verifier of its own the provider knows none, and the fake
// signs as it likes.
func (w *world) algorithms() []string {
	if len(w.suite.Algorithms) == 0 {
		return []string{"ES256"}
	}
	return w.suite.Algorithms
}

func (w *world) newKey(t *testing.T, algorithm, id string) *jose.SigningKey {
	t.Helper()
	var key *jose.SigningKey
	var err error
	if a := jose.Algorithm(algorithm); a.Symmetric() {
		key, err = jose.NewSecretSigningKey(a, []byte(w.suite.SharedSecret))
	} else {
		key, err = jose.GenerateKey(a, id)
	}
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// publishKeys puts the fake's key set where the provider's description says.
func (w *world) publishKeys(t *testing.T) {
	t.Helper()
	var public []*jose.SigningKey
	for _, key := range w.keys {
		if !key.Algorithm().Symmetric() {
			public = append(public, key)
		}
	}
	set, err := jose.PublicSet(public...)
	if err != nil {
		t.Fatal(err)
	}
	if address := w.description.Endpoints.JWKS; address != "" {
		w.fake.documents[address] = set
	}
}

// publishMetadata puts the provider's metadata wherever a client may look for it.
func (w *world) publishMetadata(t *testing.T) {
	t.Helper()
	document, err := json.Marshal(runtime.Synthesise(w.description))
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []facts.Form{
		facts.OAuthInserted, facts.OAuthAppended, facts.OpenIDAppended, facts.OpenIDInserted,
	} {
		w.fake.documents[form.URL(w.description.Issuer)] = document
	}
}

// fake answers the provider's requests from memory.
type fake struct {
	documents map[string][]byte

	mu       sync.Mutex
	handlers map[string]http.HandlerFunc // by address without query
	tokens   map[string]issued
}

func newFake() *fake {
	return &fake{documents: map[string][]byte{}, handlers: map[string]http.HandlerFunc{}, tokens: map[string]issued{}}
}

// announce puts the document in place of a provider whose spec knows no endpoints.
func (f *fake) announce(t *testing.T, suite Suite) {
	t.Helper()
	base := strings.TrimRight(suite.Issuer, "/")
	document, err := json.Marshal(oauth.AuthorizationServerMetadata{
		Issuer: suite.Issuer, AuthorizationEndpoint: base + "/authorize", TokenEndpoint: base + "/token", JWKSURI: base + "/keys",
		RegistrationEndpoint: base + "/register", UserInfoEndpoint: base + "/userinfo", RevocationEndpoint: base + "/revoke",
		ScopesSupported: []string{"openid", "email"}, IDTokenSigningAlgValuesSupported: append(suite.Algorithms, "HS256", "none"),
		CodeChallengeMethodsSupported: []string{"S256"},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []facts.Form{facts.OAuthInserted, facts.OpenIDAppended} {
		f.documents[form.URL(suite.Issuer)] = document
	}
}

// serve answers requests for an address.
func (f *fake) serve(address string, handler http.HandlerFunc) {
	address, _, _ = strings.Cut(address, "?")
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[address] = handler
}

// keep remembers an opaque token and returns it.
func (f *fake) keep(token issued) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := fmt.Sprintf("opaque-token-of-the-fake-%06d", len(f.tokens))
	f.tokens[name] = token
	return name
}

func (f *fake) known(name string) (issued, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	token, ok := f.tokens[name]
	return token, ok
}

// handler returns what answers for an address, nil for nothing.
func (f *fake) handler(address string) http.HandlerFunc {
	f.mu.Lock()
	defer f.mu.Unlock()
	if handler := f.handlers[address]; handler != nil {
		return handler
	}
	for pattern, handler := range f.handlers {
		if _, ok := tokenInPath(address, pattern); ok {
			return handler
		}
	}
	return nil
}

// tokenInPath returns what stands in an address in place of the token of its pattern.
func tokenInPath(address, pattern string) (token string, ok bool) {
	before, after, placed := strings.Cut(pattern, facts.TokenPlaceholder)
	rest, begins := strings.CutPrefix(address, before)
	segment, ends := strings.CutSuffix(rest, after)
	token, err := url.PathUnescape(segment)
	return token, placed && begins && ends && err == nil && !strings.Contains(segment, "/")
}

// RoundTrip implements [http.RoundTripper].
func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	address, _, _ := strings.Cut(r.URL.String(), "?")
	if handler := f.handler(address); handler != nil {
		recorder := httptest.NewRecorder()
		if r.Body == nil {
			r.Body = http.NoBody
		}
		handler(recorder, r)
		return respond(r, recorder.Code, recorder.Header().Get("Content-Type"), recorder.Body.Bytes()), nil
	}
	body, ok := f.documents[r.URL.String()]
	if !ok || r.Method != http.MethodGet {
		return respond(r, http.StatusNotFound, "application/json", []byte(`{}`)), nil
	}
	return respond(r, http.StatusOK, "application/json", body), nil
}

func respond(r *http.Request, status int, contentType string, body []byte) *http.Response {
	return &http.Response{
		Status: fmt.Sprint(status, " ", http.StatusText(status)), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}}, ContentLength: int64(len(body)),
		Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}
}

// audience is what a correct token names: the configured audience, else the server. Where tokens
// need none they have none.
func (w *world) audience() string {
	if w.description.Audience != "" || w.suite.IssuerBound {
		return w.description.Audience
	}
	return Resource
}

// expand replaces the placeholders in all texts of a value.
func (w *world) expand(value any) any {
	switch v := value.(type) {
	case string:
		return strings.NewReplacer(
			"{issuer}", w.description.Issuer, "{audience}", w.audience(), "{resource}", Resource,
		).Replace(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = w.expand(v[i])
		}
		return list
	case map[string]any:
		object := make(map[string]any, len(v))
		for key, member := range v {
			object[key] = w.expand(member)
		}
		return object
	default:
		return value
	}
}

// claims returns all claims of a token.
func (w *world) claims(token Token) map[string]any {
	claims := map[string]any{
		"iss": w.description.Issuer, "sub": "user-1", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	own, _ := w.expand(token.Claims).(map[string]any)
	maps.Copy(claims, own)
	path := w.audiencePath()
	_, named := claims[path[0]]
	switch audience := w.audience(); {
	case token.audience != nil:
		place(claims, path, *token.audience)
	case audience != "" && !named:
		place(claims, path, audience)
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

// audiencePath is the way down to the claim with the audience.
func (w *world) audiencePath() []string {
	if w.suite.AudienceClaim == "" {
		return []string{"aud"}
	}
	return split(w.suite.AudienceClaim)
}

// split is the way down to a claim. A backslash keeps a dot in a name.
func split(claim string) []string {
	const dot = "\x00"
	names := strings.Split(strings.ReplaceAll(claim, `\.`, dot), ".")
	for i := range names {
		names[i] = strings.ReplaceAll(names[i], dot, ".")
	}
	return names
}

// place puts a value into nested objects, leaving the objects of others as they are.
func place(object map[string]any, path []string, value any) {
	if len(path) > 1 {
		inner, _ := object[path[0]].(map[string]any)
		inner = maps.Clone(inner)
		if inner == nil {
			inner = map[string]any{}
		}
		place(inner, path[1:], value)
		value = inner
	}
	object[path[0]] = value //nolint:gosec // no path is empty
}

// key returns the fake's key for the algorithm that a token's header names.
func (w *world) key(t *testing.T, token Token) *jose.SigningKey {
	t.Helper()
	algorithm, ok := token.Header["alg"].(string)
	if !ok {
		algorithm = w.algorithms()[0]
	}
	if key := w.keys[algorithm]; key != nil {
		return key
	}
	key, err := jose.GenerateKey(jose.Algorithm(algorithm), "key-"+algorithm) // one that the provider does not have
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign returns a token: signed, or one that the fake knows.
func (w *world) sign(t *testing.T, token Token) string {
	t.Helper()
	if w.suite.Opaque != nil {
		return w.issue(t, token)
	}
	return w.signWith(t, w.key(t, token), token)
}

func (w *world) signWith(t *testing.T, key *jose.SigningKey, token Token) string {
	t.Helper()
	payload, err := json.Marshal(w.claims(token))
	if err != nil {
		t.Fatal(err)
	}
	header := map[string]any{"typ": "JWT"}
	maps.Copy(header, token.Header)
	signed, err := key.Sign(header, payload)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}
