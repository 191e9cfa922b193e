package broker

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

const (
	testClientID = "upstream-client"
	testSecret   = "test-upstream-secret-0123456789-0123456789" // an obvious test value of 42 characters
)

// provider is a fake identity provider with one registered application.
type provider struct {
	server *httptest.Server
	world  *world

	mu      sync.Mutex
	codes   map[string]providerCode
	refresh map[string]string // refresh token → user
	access  map[string]providerToken
	serial  int
	lastURL url.Values // of the last authorization request
	forms   []url.Values
	revoked []string

	// behaviour
	user          string
	rotates       bool     // a new refresh token on each refresh, the old one ends
	noRefresh     bool     // GitHub
	omitsRefresh  bool     // Google: none on refreshes
	keepsAccess   string   // Kinde: the access token of every answer
	jwt           bool     // access tokens look like JWTs
	also          []string // scopes of access tokens beyond what was asked for
	expiresIn     string   // JSON of expires_in; empty leaves it out
	scope         string   // JSON of scope; empty leaves it out
	formEncoded   bool
	nonceOverride string
	noIDToken     bool
	answer        http.HandlerFunc // replaces the token endpoint
	// authenticates replaces the check of the client secret.
	authenticates func(url.Values) bool
	hold          chan struct{} // refreshes wait for it
	holding       chan struct{} // gets a value when one does

	tokenCalls, refreshCalls, revokeCalls atomic.Int32
	verifyErr                             atomic.Pointer[error]
	verifyCalls                           atomic.Int32
}

type providerCode struct {
	user, challenge, nonce, redirect string
}

type providerToken struct {
	user    string
	expires time.Time
}

func newProvider(w *world) *provider {
	p := &provider{
		world: w, codes: map[string]providerCode{}, refresh: map[string]string{}, access: map[string]providerToken{},
		user: "user-1", rotates: true, expiresIn: "3600", scope: `"openid email profile"`,
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("/revoke", p.revoke)
	p.server = httptest.NewServer(mux)
	return p
}

// login plays a user who logs in and allows everything, and returns the callback that the browser
// is sent to.
func (p *provider) login(t testing.TB, loginURL string) string {
	t.Helper()
	u, err := url.Parse(loginURL)
	if err != nil || !strings.HasPrefix(loginURL, p.server.URL+"/authorize") {
		t.Fatalf("not a login at the provider: %s", loginURL)
	}
	q := u.Query()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastURL = q
	if q.Get("client_id") != testClientID || q.Get("response_type") != "code" {
		t.Fatalf("unexpected authorization request %v", q)
	}
	p.serial++
	code := "upstream-code-" + strconv.Itoa(p.serial)
	p.codes[code] = providerCode{
		user: p.user, challenge: q.Get("code_challenge"), nonce: q.Get("nonce"), redirect: q.Get("redirect_uri"),
	}
	return q.Get("redirect_uri") + "?" + url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.server.URL}}.Encode()
}

func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	p.tokenCalls.Add(1)
	if err := r.ParseForm(); err != nil {
		p.fail(w, "invalid_request")
		return
	}
	if p.answer != nil {
		p.answer(w, r)
		return
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	known := id == testClientID && secret == testSecret
	if p.authenticates != nil {
		known = !basic && secret == "" && id == testClientID && p.authenticates(r.PostForm)
	}
	if !known {
		p.fail(w, "invalid_client")
		return
	}
	p.mu.Lock()
	p.forms = append(p.forms, r.PostForm)
	p.mu.Unlock()
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		p.redeem(w, r.PostForm)
	case "refresh_token":
		p.refreshCalls.Add(1)
		if p.hold != nil {
			p.holding <- struct{}{}
			<-p.hold
		}
		p.renew(w, r.PostForm)
	default:
		p.fail(w, "unsupported_grant_type")
	}
}

func (p *provider) redeem(w http.ResponseWriter, form url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.codes[form.Get("code")]
	delete(p.codes, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	if !ok || c.redirect != form.Get("redirect_uri") ||
		c.challenge != "" && c.challenge != base64.RawURLEncoding.EncodeToString(sum[:]) {
		p.fail(w, "invalid_grant")
		return
	}
	p.answerTokens(w, c.user, c.nonce, !p.noRefresh)
}

func (p *provider) renew(w http.ResponseWriter, form url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	user, ok := p.refresh[form.Get("refresh_token")]
	if !ok {
		p.fail(w, "invalid_grant")
		return
	}
	if p.rotates {
		delete(p.refresh, form.Get("refresh_token"))
	}
	p.answerTokens(w, user, "", p.rotates && !p.omitsRefresh)
}

func (p *provider) answerTokens(w http.ResponseWriter, user, nonce string, withRefresh bool) {
	p.serial++
	access := "upstream-access-" + strconv.Itoa(p.serial)
	if p.jwt {
		access = "eyJhbGciOiJub25lIn0." + base64.RawURLEncoding.EncodeToString([]byte(access)) + ".c2ln"
	}
	access = cmp.Or(p.keepsAccess, access)
	expires := time.Time{}
	if n, err := strconv.Atoi(strings.Trim(p.expiresIn, `"`)); err == nil {
		expires = p.world.now().Add(time.Duration(n) * time.Second)
	}
	p.access[access] = providerToken{user: user, expires: expires}
	answer := map[string]json.RawMessage{"access_token": quoted(access), "token_type": quoted("bearer")}
	if p.expiresIn != "" {
		answer["expires_in"] = json.RawMessage(p.expiresIn)
	}
	if p.scope != "" {
		answer["scope"] = json.RawMessage(p.scope)
	}
	if withRefresh {
		refresh := "upstream-refresh-" + strconv.Itoa(p.serial)
		p.refresh[refresh] = user
		answer["refresh_token"] = quoted(refresh)
	}
	if nonce != "" && !p.noIDToken {
		if p.nonceOverride != "" {
			nonce = p.nonceOverride
		}
		claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":%q,"nonce":%q,"exp":%d}`,
			p.server.URL, testClientID, user, nonce, p.world.now().Add(time.Minute).Unix())
		answer["id_token"] = quoted("e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln")
	}
	if p.formEncoded {
		form := url.Values{}
		for name, raw := range answer {
			form.Set(name, strings.Trim(string(raw), `"`))
		}
		w.Header().Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
		_, _ = w.Write([]byte(form.Encode()))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	body, err := json.Marshal(answer)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(body)
}

func quoted(s string) json.RawMessage {
	raw, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return raw
}

func (p *provider) fail(w http.ResponseWriter, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusBadRequest)
	_, _ = fmt.Fprintf(w, `{"error":%q,"error_description":"the provider says no"}`, code)
}

func (p *provider) revoke(w http.ResponseWriter, r *http.Request) {
	p.revokeCalls.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	token := r.PostFormValue("token")
	if r.Method == http.MethodDelete {
		var body struct {
			AccessToken string `json:"access_token"`
		}
		_ = json.NewDecoder(r.Body).Decode(&body)
		token = body.AccessToken
		w.WriteHeader(http.StatusNoContent)
	}
	if id, secret, _ := r.BasicAuth(); id != testClientID || secret != testSecret {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	p.revoked = append(p.revoked, token)
	delete(p.refresh, token)
	delete(p.access, token)
}

// verify is what package verify will do: it knows the provider's tokens.
func (p *provider) verify(_ context.Context, token, resource string) (*oauth.AuthInfo, error) {
	p.verifyCalls.Add(1)
	if failure := p.verifyErr.Load(); failure != nil {
		return nil, *failure
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	known, ok := p.access[token]
	if !ok || !known.expires.IsZero() && !p.world.now().Before(known.expires) {
		return nil, oauth.InvalidToken(oauth.ReasonInactive, errors.New("not a token of this application"))
	}
	extra, err := oauth.NewClaims(map[string]any{"org": "example", "level": 3})
	if err != nil {
		return nil, err
	}
	return &oauth.AuthInfo{
		Provider: "fake", Issuer: p.server.URL, Subject: known.user, Resource: resource, ExpiresAt: known.expires, Scopes: p.also,
		User: oauth.UserInfo{
			ID: known.user, Email: known.user + "@example.com", Name: "Ada Löwe", Username: "ada",
			Roles: []string{"admin", "staff"}, Extra: extra,
		},
		Permissions: []string{"read:things"},
	}, nil
}

func (p *provider) upstream() facts.Upstream {
	return facts.Upstream{
		Name: "fake", Title: "Fake ID", Issuer: p.server.URL, Authorization: p.server.URL + "/authorize",
		Token: p.server.URL + "/token", Revocation: p.server.URL + "/revoke",
		Credentials: facts.Credentials{ClientID: testClientID, ClientSecret: testSecret},
	}
}
