package gateway_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/gateway"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// provider accepts the names of users as their tokens.
type provider struct{}

func (provider) Describe() oauth.Description {
	return oauth.Description{Name: "fake", Issuer: "https://idp.example.com"}
}

func (provider) Verify(_ context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	info := &oauth.AuthInfo{Issuer: "https://idp.example.com", Subject: presented.Token.Reveal(), AccessToken: presented.Token}
	switch presented.Token {
	case "alice", "bob":
	case "odd":
		info.Subject, info.ClientID = " 50%\r\nX-Auth-Roles: admin\x00", "client"
		info.User = oauth.UserInfo{Email: "zoë@example.com", Name: "Zoë  Å", Roles: []string{"a,b", "", "c d", "é"}}
		info.Scopes = []string{"mcp:read", "mcp:write"}
	case "many":
		info.User.Roles = []string{strings.Repeat("r", 8<<10)}
	default:
		return nil, oauth.InvalidToken(oauth.ReasonBadSignature, nil)
	}
	return info, nil
}

// events collects what the operator is told.
type events struct {
	mu   sync.Mutex
	list []observe.Event
	each chan observe.Event
}

func (e *events) Observe(_ context.Context, event observe.Event) {
	e.mu.Lock()
	e.list = append(e.list, event)
	e.mu.Unlock()
	select {
	case e.each <- event:
	default:
	}
}

func (e *events) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	var b strings.Builder
	for _, event := range e.list {
		b.WriteString(event.Message)
		if event.Err != nil {
			b.WriteString(": " + event.Err.Error())
		}
		b.WriteString("\n")
	}
	return b.String()
}

// newGateway serves a gateway below a guard, at /mcp.
func newGateway(t *testing.T, config gateway.Config) (*httptest.Server, *events) {
	t.Helper()
	seen := &events{each: make(chan observe.Event, 100)}
	config.Observer = seen
	g, err := gateway.New(config)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := runtime.NewGuard(provider{}, runtime.GuardConfig{Resource: "https://mcp.example.com/mcp", Observer: seen})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/mcp", guard.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		g.ServeHTTP(w, r)
	})))
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server, seen
}

// upstream starts an upstream.
func upstream(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/behind"
}

// request makes a request of a caller.
func request(t *testing.T, method, url, caller, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+caller)
	r.Header.Set("Content-Type", "application/json")
	return r
}

func do(t *testing.T, r *http.Request) (*http.Response, string) {
	t.Helper()
	answer, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	return answer, string(body)
}

// raw sends bytes as they are, and returns the statuses of the answers.
func raw(t *testing.T, address, text string) []int {
	t.Helper()
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if _, err := io.WriteString(connection, text+"GET /end HTTP/1.1\r\nHost: mcp.example.com\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var statuses []int
	for reader := bufio.NewReader(connection); ; {
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		statuses = append(statuses, answer.StatusCode)
	}
}

// T-GW-01: nothing of a client's that says who calls reaches the upstream.
// covers: T-GW-01, RS-7
func TestNothingThatAClientSaysOfItselfReachesTheUpstream(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	to := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		header := r.Header.Clone()
		maps.Copy(header, r.Trailer)
		got <- header
	})
	server, _ := newGateway(t, gateway.Config{Upstream: to, Pass: []string{"X-Api-Version"}})
	names := []string{
		"Cookie", "Proxy-Authorization", "Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-User",
		"X-Forwarded-Email", "X-Forwarded-Access-Token", "X-Real-Ip", "X-Original-Url", "X-Rewrite-Url", "X-Remote-User", "Remote-User", "True-Client-Ip",
		"Cf-Access-Jwt-Assertion", "X-Amzn-Oidc-Identity", "X-Goog-Authenticated-User-Email", "X-Ms-Client-Principal", "X-Webauth-User",
		"X-Auth-Issuer", "X-Auth-Subject", "X-Auth-Email", "X-Auth-Name", "X-Auth-Client-Id", "X-Auth-Scopes", "X-Auth-Roles", "X-Auth-Other",
		"X-Latchkey-Assertion", "X-Http-Method-Override", "Origin", "Referer", "X-Api-Key", "Te", "Upgrade",
	}
	for _, name := range names {
		for _, spelling := range []string{
			name, strings.ToLower(name), strings.ToUpper(name), strings.ReplaceAll(name, "-", "_"), strings.Replace(name, "-", "_", 1),
			strings.ToLower(strings.ReplaceAll(name, "-", "_")), name + "_", strings.ReplaceAll(name, "-", "."),
		} {
			for how, smuggle := range map[string]func(*http.Request){
				"once":                func(r *http.Request) { r.Header[spelling] = []string{"mallory"} },
				"twice":               func(r *http.Request) { r.Header[spelling] = []string{"mallory", "mallory"} },
				"named in Connection": func(r *http.Request) { r.Header[spelling] = []string{"mallory"}; r.Header.Set("Connection", spelling) },
				"as a trailer": func(r *http.Request) {
					r.Body, r.ContentLength = io.NopCloser(strings.NewReader("{}")), -1
					r.Trailer = http.Header{name: {"mallory"}}
				},
			} {
				if how == "as a trailer" && (spelling != name || slices.Contains([]string{"Te", "Upgrade"}, name)) {
					continue
				}
				r := request(t, http.MethodPost, server.URL+"/mcp?access=mallory", "alice", "{}")
				if smuggle(r); name == "Upgrade" {
					r.Header.Set("Connection", "Upgrade")
				}
				if answer, body := do(t, r); answer.StatusCode != http.StatusOK {
					t.Fatalf("%s %s: %s %s", spelling, how, answer.Status, body)
				}
				for key, values := range <-got {
					if strings.Contains(strings.Join(values, " "), "mallory") || strings.EqualFold(key, "Authorization") {
						t.Errorf("%s %s: the upstream gets %s: %q", spelling, how, key, values)
					}
				}
			}
		}
	}
}

// Names in Connection take away what is for one hop, and nothing that the gateway sets.
// covers: T-GW-01
func TestConnectionTakesNoIdentityAway(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	to := upstream(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() })
	server, _ := newGateway(t, gateway.Config{Upstream: to, Headers: []gateway.Header{{Name: "x-api-key", Value: "k"}, {Name: "X-Forwarded-Proto", Value: "https"}}})
	r := request(t, http.MethodPost, server.URL+"/mcp", "alice", "{}")
	r.Header.Set("Connection", "X-Auth-Subject, X-Auth-Issuer, X-Api-Key, X-Forwarded-Proto, Mcp-Session-Id")
	do(t, r)
	header := <-got
	for name, want := range map[string]string{
		"X-Auth-Subject": "alice", "X-Auth-Issuer": "https://idp.example.com", "X-Api-Key": "k", "X-Forwarded-Proto": "https", "X-Auth-Roles": "",
		"User-Agent": "Go-http-client/1.1", "Content-Type": "application/json",
	} {
		if header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, header.Get(name), want)
		}
	}
}

// covers: T-GW-02
func TestIdentityIsEncodedAndNeverSplit(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	to := upstream(t, func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Clone() })
	server, seen := newGateway(t, gateway.Config{Upstream: to})
	do(t, request(t, http.MethodPost, server.URL+"/mcp", "odd", "{}"))
	header := <-got
	for name, want := range map[string]string{
		"X-Auth-Subject": "%2050%25%0D%0AX-Auth-Roles: admin%00", "X-Auth-Email": "zo%C3%AB@example.com", "X-Auth-Name": "Zo%C3%AB  %C3%85",
		"X-Auth-Client-Id": "client", "X-Auth-Scopes": "mcp:read mcp:write", "X-Auth-Roles": "a%2Cb,c%20d,%C3%A9",
	} {
		if values := header[name]; len(values) != 1 || values[0] != want {
			t.Errorf("%s is %q, want %q", name, values, want)
		}
	}
	if answer, body := do(t, request(t, http.MethodPost, server.URL+"/mcp", "many", "{}")); answer.StatusCode != http.StatusForbidden || len(got) > 0 {
		t.Errorf("8 KB of roles: %s %s", answer.Status, body)
	}
	if !strings.Contains(seen.text(), "--identity none") && !strings.Contains(seen.text(), "does not fit into headers") {
		t.Errorf("the operator is told %s", seen.text())
	}

	silent, _ := newGateway(t, gateway.Config{Upstream: to, Identity: gateway.IdentityNone})
	do(t, request(t, http.MethodPost, silent.URL+"/mcp", "many", "{}"))
	for name := range <-got {
		if strings.HasPrefix(name, "X-Auth-") {
			t.Errorf("with --identity none the upstream gets %s", name)
		}
	}
}

// covers: T-GW-03
func TestTheUpstreamSeesOneReadingOfARequest(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	to := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // a body that breaks off is no request
		}
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Method+" "+r.RequestURI+" "+string(body))
	})
	server, _ := newGateway(t, gateway.Config{Upstream: to + "?key=k"})
	const head = " HTTP/1.1\r\nHost: mcp.example.com\r\nAuthorization: Bearer alice\r\n"
	for name, c := range map[string]struct {
		text string
		want string // what the upstream sees; empty for nothing
	}{
		"a length and chunks":         {"POST /mcp" + head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /mcp HTTP/1.1\r\nHost: mcp.example.com\r\n\r\n", "POST /behind?key=k "},
		"two lengths":                 {"POST /mcp" + head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", ""},
		"a signed length":             {"POST /mcp" + head + "Content-Length: +2\r\n\r\nab", ""},
		"an odd encoding":             {"POST /mcp" + head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", ""},
		"two encodings":               {"POST /mcp" + head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", ""},
		"an odd size of a chunk":      {"POST /mcp" + head + "Transfer-Encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n", ""},
		"a line break in a name":      {"POST /mcp" + head + "X-A\n: b\r\nContent-Length: 0\r\n\r\n", ""},
		"a space before the colon":    {"POST /mcp" + head + "Content-Length : 0\r\n\r\n", ""},
		"dot segments":                {"POST /mcp/../admin" + head + "Content-Length: 0\r\n\r\n", ""},
		"escaped dot segments":        {"POST /mcp/%2e%2e/admin" + head + "Content-Length: 0\r\n\r\n", ""},
		"an escaped slash":            {"POST /mcp%2fadmin" + head + "Content-Length: 0\r\n\r\n", ""},
		"a semicolon":                 {"POST /mcp;/../admin" + head + "Content-Length: 0\r\n\r\n", ""},
		"two slashes":                 {"POST //mcp" + head + "Content-Length: 0\r\n\r\n", ""},
		"another case":                {"POST /MCP" + head + "Content-Length: 0\r\n\r\n", ""},
		"an escaped letter":           {"POST /%6dcp" + head + "Content-Length: 2\r\n\r\nab", "POST /behind?key=k ab"},
		"an absolute URL":             {"POST http://evil.example.com/mcp" + head + "Content-Length: 2\r\n\r\nab", "POST /behind?key=k ab"},
		"a query of the client's":     {"POST /mcp?key=mallory&x=%2fadmin" + head + "Content-Length: 2\r\n\r\nab", "POST /behind?key=k ab"},
		"a method of no MCP client":   {"PUT /mcp" + head + "Content-Length: 0\r\n\r\n", ""},
		"CONNECT":                     {"CONNECT /mcp" + head + "\r\n", ""},
		"a header of one value twice": {"POST /mcp" + head + "Mcp-Name: a\r\nMcp-Name: b\r\nContent-Length: 0\r\n\r\n", ""},
		"a tool's parameter twice":    {"POST /mcp" + head + "Mcp-Param-A: a\r\nMcp-Param-A: b\r\nContent-Length: 0\r\n\r\n", ""},
		"a body that is no request":   {"POST /mcp" + head + "Content-Length: 30\r\n\r\nGET /admin HTTP/1.1\r\nHost: a\r\n", "POST /behind?key=k GET /admin HTTP/1.1\r\nHost: a\r\n"},
	} {
		mu.Lock()
		got = nil
		mu.Unlock()
		statuses := raw(t, server.Listener.Addr().String(), c.text)
		mu.Lock()
		switch {
		case c.want == "" && (len(got) > 0 || slices.Contains(statuses, http.StatusOK)),
			c.want != "" && (len(got) != 1 || got[0] != c.want):
			t.Errorf("%s: the upstream sees %q, the client %v; want %q", name, got, statuses, c.want)
		}
		mu.Unlock()
	}
}

// covers: T-GW-05
func TestASessionOfTheUpstreamIsItsCallersOwn(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	to := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r.Header.Get("Mcp-Session-Id")
		w.Header().Set("Mcp-Session-Id", "inner")
		w.Header()["mcp_session_id"] = []string{"inner"}
	})
	server, _ := newGateway(t, gateway.Config{Upstream: to, Pass: []string{"X-Other"}})
	answer, _ := do(t, request(t, http.MethodPost, server.URL+"/mcp", "alice", "{}"))
	<-got
	session := answer.Header.Get("Mcp-Session-Id")
	if session == "" || strings.Contains(session, "inner") || len(answer.Header["Mcp_session_id"]) > 0 {
		t.Fatalf("the session is %q", answer.Header)
	}
	for _, c := range []struct {
		caller, session, inner string
		status                 int
	}{
		{"alice", session, "inner", http.StatusOK}, {"bob", session, "", http.StatusNotFound}, {"bob", "inner", "", http.StatusNotFound},
		{"nobody", session, "", http.StatusUnauthorized},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			r := request(t, method, server.URL+"/mcp", c.caller, "")
			r.Header.Set("Mcp-Session-Id", c.session)
			r.Header["Mcp_Session_Id"] = []string{"inner"}
			if answer, _ := do(t, r); answer.StatusCode != c.status {
				t.Errorf("%s of %s: %s", method, c.caller, answer.Status)
			}
			select {
			case inner := <-got:
				if inner != c.inner {
					t.Errorf("%s of %s: the upstream gets the session %q", method, c.caller, inner)
				}
			default:
				if c.status == http.StatusOK {
					t.Errorf("%s of %s does not reach the upstream", method, c.caller)
				}
			}
		}
	}
}

// isRPCError reports whether a body is an error of JSON-RPC.
func isRPCError(body string) bool {
	var answer struct {
		Version string `json:"jsonrpc"`
		Error   struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		} `json:"error"`
	}
	return json.Unmarshal([]byte(body), &answer) == nil && answer.Version == "2.0" && answer.Error.Code == -32000 && answer.Error.Message != ""
}

func TestAnUpstreamThatIsDownIsNoRefusal(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String()
	_ = listener.Close()
	silent := upstream(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	for name, c := range map[string]struct {
		to     string
		status int
	}{
		"nobody listens":       {closed, http.StatusServiceUnavailable},
		"no socket":            {"unix:" + filepath.Join(t.TempDir(), "none.sock") + ":/mcp", http.StatusServiceUnavailable},
		"it hangs up":          {silent, http.StatusBadGateway},
		"it speaks no TLS":     {strings.Replace(silent, "http:", "https:", 1), http.StatusBadGateway},
		"an unknown authority": {tlsUpstream(t), http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, seen := newGateway(t, gateway.Config{Upstream: c.to})
			for _, method := range []string{http.MethodPost, http.MethodGet} {
				answer, body := do(t, request(t, method, server.URL+"/mcp", "alice", "{}"))
				if answer.StatusCode != c.status || answer.Header.Get("WWW-Authenticate") != "" {
					t.Errorf("%s: %s", method, answer.Status)
				}
				if retry := answer.Header.Get("Retry-After"); (retry == "5") != (c.status == http.StatusServiceUnavailable) {
					t.Errorf("%s: Retry-After %q", method, retry)
				}
				if isRPCError(body) != (method == http.MethodPost) || strings.Contains(body, "127.0.0.1") {
					t.Errorf("%s: the client reads %s", method, body)
				}
			}
			if !strings.Contains(seen.text(), "the upstream ") {
				t.Errorf("the operator is told %q", seen.text())
			}
		})
	}
}

func tlsUpstream(t *testing.T) string {
	t.Helper()
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	return server.URL
}

func TestABodyThatIsTooLargeIs413(t *testing.T) {
	t.Parallel()
	to := upstream(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	server, _ := newGateway(t, gateway.Config{Upstream: to})
	r := request(t, http.MethodPost, server.URL+"/mcp", "alice", strings.Repeat("a", 2<<20))
	if answer, body := do(t, r); answer.StatusCode != http.StatusRequestEntityTooLarge || !isRPCError(body) {
		t.Errorf("got %s %s", answer.Status, body)
	}
}

// Without a guard there is no caller, and nothing is passed on.
func TestWithoutAGuardNothingIsPassedOn(t *testing.T) {
	t.Parallel()
	to := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("the upstream is reached") })
	g, err := gateway.New(gateway.Config{Upstream: to, Observer: &events{}})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if g.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/mcp", nil)); w.Code != http.StatusInternalServerError {
		t.Errorf("got %d", w.Code)
	}
}
