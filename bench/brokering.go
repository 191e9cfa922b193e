package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/browser"
	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// Brokering sends token requests through the broker and through a reverse proxy to the same token
// endpoint, over real connections on loopback without TLS. The proxy passes bytes on; the broker
// opens the client's refresh token, exchanges the provider's, checks what the provider answers, and
// seals what the client gets.
type Brokering struct {
	upstream, brokered, proxied *httptest.Server
	world                       *World
	client, forwarder           *http.Transport
	sessions                    []*session
	refresh                     url.Values // for the proxy
}

// session is one client's login at the broker: each refresh gives the token for the next.
type session struct {
	form url.Values
}

// redirectURI is where nobody listens: redirects are read, not followed.
const redirectURI = "http://127.0.0.1:33418/callback"

// NewBrokering starts the servers and logs in a number of clients, one for each request that is
// under way at once.
//
// Unless checked is set, the signature of the provider's new access token is not part of it: that
// is the first-seen token that is measured by itself, and takes more time than all else that the
// broker does.
func NewBrokering(ctx context.Context, mode proxy.TokenMode, checked bool, clients int) (*Brokering, error) {
	return newBrokering(ctx, terms{
		mode: mode, checked: checked, clients: clients,
		// One login is refreshed all the time.
		limits: proxy.Limits{Reserved: proxy.Rate{PerSecond: 1e6, Burst: 1e6}},
	})
}

// terms are what brokers differ in.
type terms struct {
	mode    proxy.TokenMode
	checked bool
	clients int
	limits  proxy.Limits
	// revocation is the provider's revocation endpoint, and latency what its token endpoint takes.
	revocation http.HandlerFunc
	latency    time.Duration
}

func newBrokering(ctx context.Context, t terms) (*Brokering, error) {
	world, err := NewWorld(jose.RS256)
	if err != nil {
		return nil, err
	}
	b := &Brokering{world: world, client: newTransport(), forwarder: newTransport()}
	if err := b.start(ctx, t); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Brokering) start(ctx context.Context, t terms) error {
	tokens, err := b.world.Tokens(64)
	if err != nil {
		return err
	}
	provider := http.NewServeMux()
	provider.HandleFunc("/", tokenEndpoint(tokens, t.latency))
	if t.revocation != nil {
		provider.HandleFunc("/revoke", t.revocation)
	}
	b.upstream = httptest.NewServer(provider)
	if b.proxied, err = startProxy(b.upstream.URL, b.forwarder); err != nil {
		return err
	}
	if err := b.startBroker(t); err != nil {
		return err
	}
	for range t.clients {
		s, err := b.logIn(ctx)
		if err != nil {
			return err
		}
		b.sessions = append(b.sessions, s)
	}
	// The proxy gets a form as long as the one that the broker gets.
	b.refresh = url.Values{}
	for name, values := range b.sessions[0].form {
		b.refresh.Set(name, strings.Repeat("x", len(values[0])))
	}
	return nil
}

// Close stops the servers and closes the connections.
func (b *Brokering) Close() {
	b.client.CloseIdleConnections()
	b.forwarder.CloseIdleConnections()
	for _, server := range []*httptest.Server{b.brokered, b.proxied, b.upstream} {
		if server != nil {
			server.Close()
		}
	}
	b.world.Close()
}

// tokenEndpoint answers every token request with the next access token and a refresh token, after
// some time.
func tokenEndpoint(tokens []string, latency time.Duration) http.HandlerFunc {
	answers := make([][]byte, len(tokens))
	for i, token := range tokens {
		answers[i] = fmt.Appendf(nil, `{"access_token":%q,"refresh_token":%q,"token_type":"Bearer","expires_in":3600,"scope":"openid profile email"}`,
			token, strings.Repeat("y", 60))
	}
	var next atomic.Uint64
	return func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		time.Sleep(latency)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answers[next.Add(1)%uint64(len(answers))])
	}
}

func (b *Brokering) startBroker(t terms) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // for its address, which the broker has to know first
	if err != nil {
		return err
	}
	var options []runtime.Option
	if t.checked {
		options = append(options, FirstSeenOnly)
	}
	verifier, err := b.world.Provider(options...)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	endpoints := []runtime.Option{
		runtime.WithLogger(slog.New(slog.DiscardHandler)),
		runtime.WithEndpoint("authorization", b.upstream.URL+"/authorize"), runtime.WithEndpoint("token", b.upstream.URL+"/token"),
	}
	if t.revocation != nil {
		endpoints = append(endpoints, runtime.WithEndpoint("revocation", b.upstream.URL+"/revoke"))
	}
	application, err := runtime.New(runtime.NewInputs("Bench", endpoints...), runtime.Definition{
		Name: "bench", Title: "Bench", Mode: oauth.Proxy, Issuer: Issuer,
		Upstream: &facts.Upstream{Credentials: facts.Credentials{
			ClientID: "bench", ClientSecret: oauth.Secret(strings.Repeat("test-secret-", 4)),
		}},
		Claims: facts.ClaimMap{UserID: []string{"sub"}, Email: []string{"email"}, Name: []string{"name"}},
		Verifier: oauth.TokenVerifierFunc(func(ctx context.Context, presented oauth.Presented) (oauth.Claims, error) {
			info, err := verifier.Verify(ctx, presented)
			if err != nil {
				return oauth.Claims{}, err
			}
			return info.Claims, nil
		}),
		Scopes: []string{"openid", "profile", "email", "notes:read"},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	guard, err := runtime.NewGuard(application, runtime.GuardConfig{
		Resource: "http://" + listener.Addr().String() + "/mcp", Name: "Bench",
		Proxy: proxy.Options{Tokens: t.mode, Limits: t.limits},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	b.brokered = httptest.NewUnstartedServer(guard.Handler())
	if err := b.brokered.Listener.Close(); err != nil {
		return err
	}
	b.brokered.Listener = listener
	b.brokered.Start()
	return nil
}

// logIn registers a client and takes it through consent to its first tokens.
func (b *Brokering) logIn(ctx context.Context) (*session, error) {
	resource := b.brokered.URL + "/mcp"
	registration, err := b.post(ctx, resource+"/register", "application/json", strings.NewReader(`{"redirect_uris":["`+redirectURI+`"]}`), "client_id")
	if err != nil {
		return nil, err
	}
	user, err := browser.New(nil)
	if err != nil {
		return nil, err
	}
	// The pair of RFC 7636 appendix B.
	const verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
	authorize, err := url.Parse(resource + "/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {registration["client_id"]}, "redirect_uri": {redirectURI}, "state": {"state"},
		"code_challenge": {challenge}, "code_challenge_method": {"S256"}, "resource": {resource},
	}.Encode())
	if err != nil {
		return nil, err
	}
	atProvider, err := user.Consent(ctx, authorize)
	if err != nil {
		return nil, err
	}
	callback, err := url.Parse(resource + "/oauth/callback?" + url.Values{"code": {"code"}, "state": {atProvider.Query().Get("state")}}.Encode())
	if err != nil {
		return nil, err
	}
	atClient, err := user.Return(ctx, callback)
	if err != nil {
		return nil, err
	}
	tokens, err := b.post(ctx, resource+"/token", form, strings.NewReader(url.Values{
		"grant_type": {"authorization_code"}, "client_id": {registration["client_id"]}, "redirect_uri": {redirectURI},
		"code": {atClient.Query().Get("code")}, "code_verifier": {verifier},
	}.Encode()), "access_token")
	if err != nil {
		return nil, err
	}
	return &session{form: url.Values{
		"grant_type": {"refresh_token"}, "client_id": {registration["client_id"]}, "refresh_token": {tokens["refresh_token"]}, "resource": {resource},
	}}, nil
}

const form = "application/x-www-form-urlencoded"

// Brokered refreshes once for a client. A client refreshes one time after the other.
func (b *Brokering) Brokered(ctx context.Context, client int) error {
	s := b.sessions[client]
	tokens, err := b.post(ctx, b.brokered.URL+"/mcp/token", form, strings.NewReader(s.form.Encode()), "access_token")
	if err != nil {
		return err
	}
	s.form.Set("refresh_token", tokens["refresh_token"])
	return nil
}

// AllBrokered refreshes once for every client, at the same time; AllProxied sends as many through
// the proxy.
func (b *Brokering) AllBrokered(ctx context.Context) error {
	return atOnce(len(b.sessions), func(client int) error { return b.Brokered(ctx, client) })
}

// AllProxied is AllBrokered through the proxy.
func (b *Brokering) AllProxied(ctx context.Context) error {
	return atOnce(len(b.sessions), func(int) error { return b.Proxied(ctx) })
}

// Proxied sends a request of the same size through the reverse proxy.
func (b *Brokering) Proxied(ctx context.Context) error {
	_, err := b.post(ctx, b.proxied.URL+"/token", form, strings.NewReader(b.refresh.Encode()), "access_token")
	return err
}

// post returns the answer's members that are texts. One of them must be there.
func (b *Brokering) post(ctx context.Context, address, contentType string, body io.Reader, wanted string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", contentType)
	response, err := b.client.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var members struct {
		ClientID     string `json:"client_id"`
		AccessToken  string `json:"access_token"`
		RefreshToken string `json:"refresh_token"`
	}
	if response.StatusCode/100 != 2 || !bytes.Contains(text, []byte(wanted)) {
		return nil, fmt.Errorf("%s answers %s", request.URL.Path, response.Status)
	}
	if err := json.Unmarshal(text, &members); err != nil {
		return nil, err
	}
	return map[string]string{"client_id": members.ClientID, "refresh_token": members.RefreshToken}, nil
}
