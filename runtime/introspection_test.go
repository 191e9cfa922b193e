package runtime_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/custom"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

func TestIntrospectionVerifierChecksWhatTheAnswerSays(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.example.com"
	answer := func(more string) string {
		if strings.Contains(more, "token_type") {
			return fmt.Sprintf(`{"active":true,"sub":"alice","exp":4102444800%s}`, more)
		}
		return fmt.Sprintf(`{"active":true,"sub":"alice","client_id":"client-1","token_type":"Bearer","exp":4102444800%s}`, more)
	}
	aud := fmt.Sprintf(`,"aud":%q`, resource)
	byClient := runtime.IntrospectionConfig{ClientIDs: []string{"client-1"}}
	for name, c := range map[string]struct {
		config runtime.IntrospectionConfig
		answer string
		opts   []runtime.Option
		want   error
	}{
		"accepts a token for the resource":                             {answer: answer(aud)},
		"accepts the issuer":                                           {answer: answer(aud + `,"iss":"https://idp.example.com"`)},
		"refuses another issuer":                                       {answer: answer(aud + `,"iss":"https://idp.example.com/"`), want: oauth.ErrInvalidToken},
		"refuses an inactive token":                                    {answer: `{"active":false}`, want: oauth.ErrInvalidToken},
		"refuses an expired token":                                     {answer: `{"active":true,"token_type":"Bearer","sub":"alice","exp":1` + aud + `}`, want: oauth.ErrInvalidToken},
		"refuses no audience":                                          {answer: answer(""), want: oauth.ErrInvalidToken},
		"refuses another audience":                                     {answer: answer(`,"aud":"https://other.example.com"`), want: oauth.ErrInvalidToken},
		"accepts the configured audience":                              {config: runtime.IntrospectionConfig{Audience: "api://mcp"}, answer: answer(`,"aud":"api://mcp"`)},
		"refuses the resource beside the configured":                   {config: runtime.IntrospectionConfig{Audience: "api://mcp"}, answer: answer(aud), want: oauth.ErrInvalidToken},
		"accepts an application":                                       {config: byClient, answer: answer("")},
		"refuses another application":                                  {config: runtime.IntrospectionConfig{ClientIDs: []string{"client-2"}}, answer: answer(""), want: oauth.ErrInvalidToken},
		"accepts any audience only when told to":                       {answer: answer(`,"aud":"x"`), opts: []runtime.Option{runtime.InsecureSkipAudience()}},
		"refuses a token bound by DPoP":                                {answer: answer(aud + `,"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}`), want: &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonSenderConstrained}},
		"refuses the token type DPoP":                                  {answer: answer(aud + `,"token_type":"DPoP"`), want: &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonSenderConstrained}},
		"refuses an answer that does not say what kind of token it is": {answer: `{"active":true,"sub":"alice","exp":4102444800` + aud + `}`, want: &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonTokenType}},
		"accepts one where there is a reason":                          {config: runtime.IntrospectionConfig{NoTokenType: "refresh tokens are not described"}, answer: `{"active":true,"sub":"alice","exp":4102444800` + aud + `}`},
		"calls HTML an outage":                                         {answer: "<html>", want: oauth.ErrTemporarilyUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.URL, c.config.Issuer, c.config.ClientID, c.config.ClientSecret = issuer+"/introspect", issuer, "mcp-server", "s3cr3t"
			opts := append([]runtime.Option{
				runtime.WithHTTPClient(&http.Client{Transport: answering(c.answer)}), runtime.WithLogger(slog.New(slog.DiscardHandler)),
			}, c.opts...)
			v, err := runtime.IntrospectionVerifier(c.config, opts...)
			if err != nil {
				t.Fatal(err)
			}
			claims, err := v.VerifyToken(t.Context(), presented("opaque-token"))
			if !errors.Is(err, c.want) || (err == nil) != (claims.String("sub") == "alice") {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestIntrospectionVerifierNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	_, err := runtime.IntrospectionVerifier(runtime.IntrospectionConfig{})
	for _, missing := range []string{"url", "issuer", "clientId", "clientSecret"} {
		if err == nil || !strings.Contains(err.Error(), "introspectionVerifier: "+missing+" is required") {
			t.Errorf("got %v, want %s named", err, missing)
		}
	}
}

// Only what the operator wrote may be on loopback.
func TestIntrospectionVerifierAsksTheConfiguredAddress(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, secret, ok := r.BasicAuth(); !ok || id != "mcp-server" || secret != "s3cr3t" || r.FormValue("token") != "opaque-token" {
			t.Error("asked without this server's credentials, or about another token")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active":true,"token_type":"Bearer","sub":"alice","exp":4102444800,"aud":%q}`, resource)
	}))
	defer server.Close()
	v, err := runtime.IntrospectionVerifier(runtime.IntrospectionConfig{
		URL: server.URL, Issuer: "https://idp.example.com",
		Credentials: facts.Credentials{ClientID: "mcp-server", ClientSecret: "s3cr3t"},
	}, runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := v.VerifyToken(t.Context(), presented("opaque-token")); err != nil || claims.String("sub") != "alice" {
		t.Errorf("got %v", err)
	}
}

// A signed assertion stands in for the secret, for the issuer (RFC 7523 section 3).
func TestIntrospectionVerifierProvesItselfWithAKey(t *testing.T) {
	t.Parallel()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.Split(r.FormValue("client_assertion"), ".")
		if len(parts) != 3 || r.FormValue("client_id") != "mcp-server" || r.Form.Has("client_secret") || r.Header.Get("Authorization") != "" {
			t.Errorf("asked with %d parts of an assertion as %q", len(parts), r.FormValue("client_id"))
			return
		}
		claims, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil || !strings.Contains(string(claims), `"aud":"https://idp.example.com"`) {
			t.Error("the assertion is not for the issuer")
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"active":true,"token_type":"Bearer","sub":"alice","exp":4102444800,"aud":%q}`, resource)
	}))
	defer server.Close()
	config := runtime.IntrospectionConfig{
		URL: server.URL, Issuer: "https://idp.example.com",
		Credentials: facts.Credentials{ClientID: "mcp-server", AuthMethod: facts.AuthPrivateKeyJWT},
	}
	if _, err := runtime.IntrospectionVerifier(config); err == nil || !strings.Contains(err.Error(), "clientKey is required") {
		t.Errorf("without a key: %v", err)
	}
	config.ClientKey = oauth.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	v, err := runtime.IntrospectionVerifier(config, runtime.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	if claims, err := v.VerifyToken(t.Context(), oauth.Presented{Token: "opaque-token", Resource: resource}); err != nil || claims.String("sub") != "alice" {
		t.Errorf("got %v", err)
	}
}

// The guard says whose questions they are: an address that makes up tokens uses up its own share.
// covers: A2
func TestMadeUpTokensCountByTheClientsAddress(t *testing.T) {
	t.Parallel()
	one := proxy.Rate{PerSecond: 1e-9, Burst: 1}
	named := func(*http.Request) string { return "203.0.113.9" }
	for name, c := range map[string]struct {
		limits        runtime.InquiryLimits
		clientAddress func(*http.Request) string
		first, second string // addresses of the connections
		want          int    // the second's answer
	}{
		"one address":                   {limits: runtime.InquiryLimits{AddressStrangers: one}, first: "192.0.2.1:1", second: "192.0.2.1:2", want: 503},
		"another address":               {limits: runtime.InquiryLimits{AddressStrangers: one}, first: "192.0.2.1:1", second: "192.0.2.2:1", want: 401},
		"all addresses":                 {limits: runtime.InquiryLimits{AllStrangers: one}, first: "192.0.2.1:1", second: "192.0.2.2:1", want: 503},
		"private ones":                  {limits: runtime.InquiryLimits{AddressStrangers: one}, first: "10.0.0.2:1", second: "10.0.0.2:2", want: 401},
		"what a trusted proxy says":     {limits: runtime.InquiryLimits{AddressStrangers: one}, clientAddress: named, first: "10.0.0.2:1", second: "10.0.0.3:1", want: 503},
		"the defaults are not felt yet": {first: "192.0.2.1:1", second: "192.0.2.1:2", want: 401},
	} {
		t.Run("A2: "+name, func(t *testing.T) {
			t.Parallel()
			var log bytes.Buffer
			opts := []runtime.Option{
				runtime.WithHTTPClient(&http.Client{Transport: answering(`{"active":false}`)}),
				runtime.WithLogger(slog.New(slog.NewTextHandler(&log, nil))), runtime.WithInquiryLimits(c.limits),
			}
			config := runtime.IntrospectionConfig{URL: "https://idp.example.com/introspect", Issuer: "https://idp.example.com"}
			config.ClientID, config.ClientSecret = "mcp-server", "s3cr3t"
			verifier, err := runtime.IntrospectionVerifier(config, opts...)
			if err != nil {
				t.Fatal(err)
			}
			provider, err := custom.New(custom.Config{
				Issuer: "https://idp.example.com", AuthEndpoint: "https://idp.example.com/authorize",
				TokenEndpoint: "https://idp.example.com/token", JWKSURL: "https://idp.example.com/keys", VerifyToken: verifier,
			}, opts...)
			if err != nil {
				t.Fatal(err)
			}
			guard, err := runtime.NewGuard(provider, runtime.GuardConfig{Resource: resource, ClientAddress: c.clientAddress})
			if err != nil {
				t.Fatal(err)
			}
			handler := guard.Protect(http.NotFoundHandler())
			ask := func(address, token string) int {
				r := httptest.NewRequest(http.MethodGet, resource, nil)
				r.RemoteAddr = address
				r.Header.Set("Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				handler.ServeHTTP(w, r)
				return w.Code
			}
			if got := ask(c.first, "made-up-1"); got != http.StatusUnauthorized {
				t.Fatalf("the first token: %d", got)
			}
			if got := ask(c.second, "made-up-2"); got != c.want {
				t.Errorf("the second token: %d, want %d", got, c.want)
			}
			warned := strings.Count(log.String(), "budgets per client address are off")
			if private := strings.HasPrefix(c.first, "10.") && c.clientAddress == nil; (warned == 1) != private || warned > 1 {
				t.Errorf("%d warnings of a private address", warned)
			}
		})
	}
}
