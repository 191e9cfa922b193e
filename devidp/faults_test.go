package devidp_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

func TestFaults(t *testing.T) {
	t.Parallel()
	start := func(t *testing.T, f devidp.Faults) *devidp.TestServer {
		t.Helper()
		idp := devidp.Start(t, publicClient)
		idp.SetFaults(f)
		return idp
	}
	t.Run("Down answers 503 with Retry-After", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{Down: true})
		answer := get(t, idp, idp.URL("/jwks"))
		answer.wantError(t, 503, oauth.CodeTemporarilyUnavailable)
		if answer.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
		idp.SetFaults(devidp.Faults{})
		if answer := get(t, idp, idp.URL("/jwks")); answer.status != http.StatusOK {
			t.Errorf("after the fault: status %d", answer.status)
		}
	})
	t.Run("Endpoints limits a fault", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{Down: true, Endpoints: []devidp.Endpoint{devidp.EndpointJWKS}})
		if down, up := get(t, idp, idp.URL("/jwks")), get(t, idp, idp.URL("/")); down.status != 503 || up.status != 200 {
			t.Errorf("JWKS %d, index %d", down.status, up.status)
		}
	})
	t.Run("Delay lasts until the client gives up", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{Delay: time.Hour})
		ctx, cancel := context.WithCancel(t.Context())
		request := newRequest(t, http.MethodGet, idp.URL("/jwks"), "", "").WithContext(ctx)
		go cancel()
		if response, err := idp.Client().Do(request); !errors.Is(err, context.Canceled) {
			if err == nil {
				_ = response.Body.Close()
			}
			t.Errorf("error is %v", err)
		}
	})
	t.Run("Delay lets the answer through afterwards", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{Delay: time.Millisecond})
		if answer := get(t, idp, idp.URL("/jwks")); answer.status != http.StatusOK {
			t.Errorf("status %d", answer.status)
		}
	})
	t.Run("HTML", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{HTML: true})
		answer := postForm(t, idp, "/token", nil)
		if answer.status != http.StatusOK || !strings.HasPrefix(answer.header.Get("Content-Type"), "text/html") {
			t.Errorf("status %d, %s", answer.status, answer.header.Get("Content-Type"))
		}
	})
	t.Run("Redirect", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{Redirect: "http://127.0.0.1:1/elsewhere"})
		if answer := get(t, idp, idp.URL("/jwks")); answer.header.Get("Location") != "http://127.0.0.1:1/elsewhere" {
			t.Errorf("status %d", answer.status)
		}
	})
	t.Run("Endless sends more than anybody should read", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{Endless: true})
		response, err := idp.Client().Do(newRequest(t, http.MethodGet, idp.URL("/jwks"), "", ""))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		buffer := make([]byte, 64<<10)
		for read := 0; read < 8<<20; {
			n, err := response.Body.Read(buffer)
			if read += n; err != nil {
				t.Fatalf("ended after %d bytes: %v", read, err)
			}
		}
	})
	t.Run("ErrorsAsSuccess", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{ErrorsAsSuccess: true})
		postForm(t, idp, "/token", codeForm("made-up")).wantError(t, 200, oauth.CodeInvalidGrant)
	})
	t.Run("OmitAlg, OmitKeyID and MalformedKey change the JWKS", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{OmitAlg: true, OmitKeyID: true, MalformedKey: true})
		keys, _ := get(t, idp, idp.URL("/jwks")).json(t)["keys"].([]any)
		if len(keys) != 2 {
			t.Fatalf("%d keys", len(keys))
		}
		good, _ := keys[1].(map[string]any)
		if good["alg"] != nil || good["kid"] != nil || good["kty"] != "EC" {
			t.Errorf("key has alg %v, kid %v, kty %v", good["alg"], good["kid"], good["kty"])
		}
		if set := keySet(t, idp); set.Len() != 1 || len(set.Unusable()) != 1 {
			t.Errorf("%d usable keys, %d others", set.Len(), len(set.Unusable()))
		}
	})
	t.Run("MetadataIssuer", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{MetadataIssuer: "https://other.example"})
		if got := idp.Metadata().Issuer; got != "https://other.example" {
			t.Errorf("issuer is %q", got)
		}
	})
	t.Run("RefuseResource at the authorization endpoint", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{RefuseResource: true})
		if got := login(t, idp, authorizeParameters()).Get("error"); got != "invalid_target" {
			t.Errorf("error is %q", got)
		}
		if got := login(t, idp, with(authorizeParameters(), "resource", "")); got.Get("code") == "" {
			t.Errorf("without resource: %v", got)
		}
	})
	t.Run("RefuseResource at the token endpoint", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{})
		form := with(codeForm(login(t, idp, authorizeParameters()).Get("code")), "resource", testResource)
		idp.SetFaults(devidp.Faults{RefuseResource: true})
		postForm(t, idp, "/token", form).wantError(t, 400, oauth.CodeInvalidTarget)
	})
	t.Run("IgnoreResource", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{IgnoreResource: true})
		if _, claims := verified(t, idp, tokens(t, idp, authorizeParameters()).AccessToken); claims.String("aud") != idp.Issuer() {
			t.Errorf("aud is %q", claims.String("aud"))
		}
	})
	t.Run("KeepRefreshToken", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{KeepRefreshToken: true})
		first := tokens(t, idp, authorizeParameters())
		for range 2 {
			if again := readTokens(t, postForm(t, idp, "/token", refreshForm(first.RefreshToken))); again.RefreshToken != "" {
				t.Error("a new refresh token")
			}
		}
	})
	t.Run("OmitResponseIssuer and WrongResponseIssuer", func(t *testing.T) {
		t.Parallel()
		idp := start(t, devidp.Faults{OmitResponseIssuer: true})
		if got := login(t, idp, authorizeParameters()); got.Has("iss") {
			t.Errorf("iss is %q", got.Get("iss"))
		}
		idp.SetFaults(devidp.Faults{WrongResponseIssuer: true})
		if got := login(t, idp, authorizeParameters()); !got.Has("iss") || got.Get("iss") == idp.Issuer() {
			t.Errorf("iss is %q", got.Get("iss"))
		}
	})
}

// Meant for the race detector.
func TestSwitchesCanBeUsedWhileItServes(t *testing.T) {
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				get(t, idp, idp.URL("/jwks"))
				postForm(t, idp, "/token", url.Values{"grant_type": {"x"}})
			}
		})
		all.Go(func() {
			for range 5 {
				idp.SetFaults(devidp.Faults{OmitAlg: true})
				if err := idp.Rotate(); err != nil {
					t.Error(err)
				}
				_ = idp.Token(devidp.TokenRequest{User: "bob"})
				idp.SetFaults(devidp.Faults{Down: true, Endpoints: []devidp.Endpoint{devidp.EndpointToken}})
			}
		})
	}
	all.Wait()
}

// Every switch has a name, so that a new one is not forgotten.
func TestFaultsHaveNames(t *testing.T) {
	t.Parallel()
	names := map[string]string{"OmitKeyID": "omit-key-id", "HTML": "html"}
	faults := reflect.TypeFor[devidp.Faults]()
	for field := range faults.Fields() {
		if field.Type.Kind() != reflect.Bool {
			continue
		}
		name, special := names[field.Name]
		if !special {
			name = strings.ToLower(regexp.MustCompile("([a-z])([A-Z])").ReplaceAllString(field.Name, "$1-$2"))
		}
		named, err := devidp.NamedFaults(name)
		if err != nil || !reflect.ValueOf(named).FieldByIndex(field.Index).Bool() {
			t.Errorf("%q does not switch %s on: %v", name, field.Name, err)
		}
	}
	if _, err := devidp.NamedFaults("down", "tired"); err == nil || !strings.Contains(err.Error(), "omit-alg") {
		t.Errorf("got %v, want an error that lists the names", err)
	}
}
