package devidp_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
)

const resource = "https://api.example.com/reports"

// newAPI stands for the server of somebody who uses this package: it lets in whoever the issuer
// knows.
func newAPI(issuer string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, issuer+"/userinfo", http.NoBody)
		if err != nil {
			panic(err)
		}
		request.Header.Set("Authorization", r.Header.Get("Authorization"))
		response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
		if err != nil {
			panic(err)
		}
		defer response.Body.Close()
		w.WriteHeader(response.StatusCode)
	})
}

func TestReportsNeedAToken(t *testing.T) {
	idp := devidp.Start(t)
	api := httptest.NewServer(newAPI(idp.Issuer()))
	t.Cleanup(api.Close)

	token := idp.Token(devidp.TokenRequest{User: "alice", Audience: []string{resource}, Scope: "openid reports:read"})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, api.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := api.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("status %d", response.StatusCode)
	}
}

func TestUpstream(t *testing.T) {
	idp := devidp.Start(t, devidp.Preregistered(devidp.Client{
		ID:           "my-app",
		Secret:       "test-secret",
		RedirectURIs: []string{"https://mcp.example.com/mcp/oauth/callback"},
	}))
	if idp.Metadata().RegistrationEndpoint != "" {
		t.Error("clients can register themselves")
	}
}

func ExampleLogin() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	idp, err := devidp.New(devidp.Config{
		Issuer:  "http://" + listener.Addr().String(),
		Clients: []devidp.Client{{ID: "cli", RedirectURIs: []string{"http://127.0.0.1/callback"}}},
		Logger:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- idp.Serve(ctx, listener) }()

	authorize := idp.URL("/authorize") + "?" + url.Values{
		"response_type": {"code"}, "client_id": {"cli"}, "redirect_uri": {"http://127.0.0.1:7000/callback"}, "state": {"xyz"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
	}.Encode()
	redirect, err := devidp.Login(ctx, nil, authorize, "alice")
	if err != nil {
		panic(err)
	}
	fmt.Println(redirect.Host, redirect.Path, redirect.Query().Get("state"), redirect.Query().Has("code"))

	cancel()
	fmt.Println(<-ended)
	// Output:
	// 127.0.0.1:7000 /callback xyz true
	// <nil>
}

// Every line of Go on the page about this package stands in a test of it, so that it compiles.
func TestDocumentedCodeCompiles(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/devidp.md")
	if err != nil {
		t.Fatal(err)
	}
	var sources strings.Builder
	for _, name := range []string{"example_test.go", "documented_test.go", "../examples/echo/main_test.go"} {
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		sources.Write(source)
	}
	known := map[string]bool{}
	for line := range strings.Lines(sources.String()) {
		known[strings.TrimSpace(line)] = true
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(blocks) < 4 {
		t.Fatalf("%d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" && !known[line] {
				t.Errorf("no test has the line %q", line)
			}
		}
	}
}
