package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/relay"
)

// Relaying sends one code exchange through the browser relay, a bare forwarder and a reverse proxy
// to the same token endpoint, over real connections on loopback without TLS, where overhead weighs
// most.
type Relaying struct {
	upstream, relayed, bare, proxied *httptest.Server
	relay                            *relay.Relay
	forwarder, browser               *http.Transport
	order                            []byte
}

// NewRelaying starts the servers.
func NewRelaying() (*Relaying, error) {
	r := &Relaying{forwarder: newTransport(), browser: newTransport()}
	mux := http.NewServeMux()
	r.upstream = httptest.NewServer(mux)
	base := r.upstream.URL
	mux.HandleFunc("/.well-known/oauth-protected-resource/mcp", document(map[string]any{
		"resource": base + "/mcp", "authorization_servers": []string{base},
	}))
	mux.HandleFunc("/.well-known/oauth-authorization-server", document(map[string]any{
		"issuer": base, "token_endpoint": base + "/token",
	}))
	mux.HandleFunc("POST /token", document(map[string]any{
		"access_token": strings.Repeat("x", 900), "refresh_token": strings.Repeat("y", 200), "token_type": "Bearer", "expires_in": 3600,
	}))
	var err error
	r.relay, err = relay.New(relay.Config{
		PublicURL: "https://app.example.com", InsecureAllowLoopback: true, RequestsPerMinute: 1 << 30, // limited, and never refused
		Observer: observe.Slog(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		r.upstream.Close()
		return nil, err
	}
	r.relayed = httptest.NewServer(r.relay)
	r.bare = httptest.NewServer(bareForwarder(&http.Client{Transport: r.forwarder}))
	if r.proxied, err = startProxy(base, r.forwarder); err != nil {
		r.Close()
		return nil, err
	}
	r.order, err = json.Marshal(map[string]any{
		"serverUrl": base + "/mcp", "url": base + "/token", "method": http.MethodPost,
		"headers": map[string]string{"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
		"body": map[string]string{
			"grant_type": "authorization_code", "code": strings.Repeat("c", 60), "code_verifier": strings.Repeat("v", 43),
			"client_id": "test-client", "redirect_uri": "https://app.example.com/oauth/callback", "resource": base + "/mcp",
		},
	})
	return r, err
}

// Close stops the servers and closes the connections.
func (r *Relaying) Close() {
	r.browser.CloseIdleConnections()
	r.forwarder.CloseIdleConnections()
	r.relay.Close()
	r.relayed.Close()
	r.bare.Close()
	if r.proxied != nil {
		r.proxied.Close()
	}
	r.upstream.Close()
}

// Relayed sends the exchange through the relay.
func (r *Relaying) Relayed(ctx context.Context) error {
	return r.exchange(ctx, r.relayed.URL+"/oauth/proxy")
}

// Bare sends the exchange through the bare forwarder.
func (r *Relaying) Bare(ctx context.Context) error { return r.exchange(ctx, r.bare.URL) }

// Proxied sends what the relay would send itself through a reverse proxy: for all that a bare
// forwarder does with the order, somebody has to read it.
func (r *Relaying) Proxied(ctx context.Context) error { return r.exchange(ctx, r.proxied.URL+"/token") }

func (r *Relaying) exchange(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(r.order))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", "https://app.example.com")
	resp, err := r.browser.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(body, []byte("access_token")) {
		return fmt.Errorf("status %d with %s", resp.StatusCode, body)
	}
	return nil
}

func document(value any) http.HandlerFunc {
	text, err := json.Marshal(value)
	return func(w http.ResponseWriter, _ *http.Request) {
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}
}

// bareForwarder does what a relay does and checks nothing.
func bareForwarder(client *http.Client) http.HandlerFunc {
	type order struct {
		URL     string            `json:"url"`
		Method  string            `json:"method"`
		Headers map[string]string `json:"headers"`
		Body    map[string]string `json:"body"`
	}
	type answer struct {
		Status     int               `json:"status"`
		StatusText string            `json:"statusText"`
		Headers    map[string]string `json:"headers"`
		Body       json.RawMessage   `json:"body"`
	}
	forward := func(req *http.Request) (answer, error) {
		var asked order
		if err := json.NewDecoder(req.Body).Decode(&asked); err != nil {
			return answer{}, err
		}
		form := url.Values{}
		for name, value := range asked.Body {
			form.Set(name, value)
		}
		out, err := http.NewRequestWithContext(req.Context(), asked.Method, asked.URL, strings.NewReader(form.Encode()))
		if err != nil {
			return answer{}, err
		}
		for name, value := range asked.Headers {
			out.Header.Set(name, value)
		}
		resp, err := client.Do(out)
		if err != nil {
			return answer{}, err
		}
		defer func() { _ = resp.Body.Close() }()
		body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
		if err != nil {
			return answer{}, err
		}
		if !json.Valid(body) {
			return answer{}, errors.New("no JSON")
		}
		headers := map[string]string{"content-type": resp.Header.Get("Content-Type")}
		return answer{resp.StatusCode, http.StatusText(resp.StatusCode), headers, body}, nil
	}
	return func(w http.ResponseWriter, req *http.Request) {
		got, err := forward(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(got)
	}
}
