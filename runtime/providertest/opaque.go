package providertest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// Opaque says how the provider answers questions about opaque tokens. The fake answers alike, and
// refuses questions that are put in another way.
type Opaque struct {
	// Check names the endpoint that is asked: "introspection", "tokeninfo" or "userinfo".
	Check string
	// Place says how the request carries the token, Parameter under which name.
	Place     facts.TokenPlace
	Parameter string
	// Asking says how a request with the token in its header has to look, ProfileAsking one for the
	// user's profile.
	Asking        facts.Asking
	ProfileAsking facts.Asking
	// AuthMethod, ClientID and ClientSecret are the credentials that the endpoint wants.
	AuthMethod   facts.AuthMethod
	ClientID     string
	ClientSecret string
	// Client is the application to which good tokens were issued. ClientClaims are the claims with
	// it.
	Client       string
	ClientClaims []string
	// Audience says that answers name the token's audience.
	Audience bool
	// Exchange says that nothing ties tokens to the server: then only those are good that it got
	// itself.
	Exchange bool
	// Expiry are the claims that say when a token ends. NoExpiry says that they may be missing.
	Expiry   []facts.Expiry
	NoExpiry bool
	// InvalidStatus is how the endpoint answers when it does not know a token; zero is 401.
	InvalidStatus int
	// Subject is the claim with the user, Profile that in the user's profile; empty means that
	// there is no profile.
	Subject string
	Profile string
}

// issued is an opaque token of the fake.
type issued struct{ claims, profile map[string]any }

// issue makes an opaque token that the fake knows.
func (w *world) issue(t *testing.T, token Token) string {
	t.Helper()
	claims := w.answer(token)
	profile := map[string]any{}
	if w.suite.Opaque.Profile != "" {
		place(profile, split(w.suite.Opaque.Profile), find(claims, split(w.suite.Opaque.Subject)))
		own, _ := w.expand(token.Profile).(map[string]any)
		maps.Copy(profile, own)
	}
	return w.fake.keep(issued{claims: claims, profile: profile})
}

// answer is what the fake says of a token.
func (w *world) answer(token Token) map[string]any {
	o := w.suite.Opaque
	claims := map[string]any{}
	own, _ := w.expand(token.Claims).(map[string]any)
	put := func(name string, value any) {
		path := split(name)
		if _, named := own[path[0]]; !named {
			place(claims, path, value)
		}
	}
	if o.Check == "introspection" {
		put("active", true)
		if len(o.Expiry) == 0 {
			put("exp", now.Add(time.Hour).Unix())
		}
	}
	put(o.Subject, "user-1")
	for _, claim := range o.ClientClaims {
		put(claim, o.Client)
	}
	for _, e := range o.Expiry {
		put(e.Claim, expiryIn(e.Format, time.Hour))
	}
	if o.Audience {
		put(strings.Join(w.audiencePath(), "."), w.audience())
	}
	maps.Copy(claims, own)
	if token.audience != nil {
		place(claims, w.audiencePath(), *token.audience)
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

func expiryIn(format facts.ExpiryFormat, d time.Duration) any {
	switch format {
	case facts.ExpirySecondsOrMilliseconds:
		return now.Add(d).UnixMilli()
	case facts.ExpirySeconds:
		return now.Add(d).Unix()
	case facts.ExpiryIn:
		return int64(d / time.Second)
	case facts.ExpiryRFC3339:
	}
	return now.Add(d).Format(time.RFC3339)
}

// find returns a value in nested objects.
func find(object map[string]any, path []string) any {
	value := object[path[0]]
	if inner, ok := value.(map[string]any); ok && len(path) > 1 {
		return find(inner, path[1:])
	}
	return value
}

// checkOpaque refuses what the provider's answers show to be no good.
func (w *world) checkOpaque(t *testing.T) {
	t.Helper()
	o := w.suite.Opaque
	for name, token := range map[string]string{ //nolint:gosec // none of them is a credential
		"nothing": "", "a token that the provider does not know": "unknown-opaque-token-0123456789",
		"a token with a space": "two words", "a token with a line break": "token\nAuthorization: x",
		"a token of a megabyte": strings.Repeat("a", 1<<20),
	} {
		t.Run("rejects "+name, func(t *testing.T) {
			t.Parallel()
			w.rejects(t, token, "")
		})
	}
	if o.Exchange {
		t.Run("rejects a good token that came from outside", func(t *testing.T) {
			t.Parallel()
			w.rejects(t, w.sign(t, w.suite.Accept[0]), oauth.ReasonRefusedByVerifier)
		})
		return
	}
	for _, v := range w.badAnswers() {
		t.Run("rejects "+v.name, func(t *testing.T) {
			t.Parallel()
			w.rejects(t, w.sign(t, v.token), v.reason)
		})
	}
	w.checkOpaqueOutage(t)
}

// badAnswers are tokens that the provider knows and that are no good here.
func (w *world) badAnswers() []variation {
	o := w.suite.Opaque
	list := []variation{
		{"a token of another issuer", w.variant(map[string]any{"iss": "https://attacker.example"}), oauth.ReasonIssuer},
		{
			"a token that is bound to a client's key",
			w.variant(map[string]any{"cnf": map[string]any{"jkt": "thumbprint"}}), oauth.ReasonSenderConstrained,
		},
	}
	for _, claim := range o.ClientClaims {
		list = append(list,
			variation{"a token that was issued to another application by " + claim, w.with(claim, "another-application"), oauth.ReasonAudience},
			variation{"a token whose application in " + claim + " is no text", w.with(claim, []any{map[string]any{}}), oauth.ReasonAudience},
		)
	}
	if len(o.ClientClaims) > 0 {
		nameless := w.suite.Accept[0]
		for _, claim := range o.ClientClaims {
			nameless = w.withIn(nameless, claim, nil)
		}
		list = append(list, variation{"a token that names no application", nameless, oauth.ReasonAudience})
	} else if o.Audience {
		list = append(list, w.badAudiences()...)
	}
	if o.Check == "introspection" {
		list = append(list,
			variation{"a token that is not active", w.variant(map[string]any{"active": false}), oauth.ReasonInactive},
			variation{"an expired token", w.variant(map[string]any{"exp": now.Add(-time.Hour).Unix()}), oauth.ReasonExpired},
			variation{"a refresh token of the type Bearer", w.variant(map[string]any{"token_use": "refresh_token"}), oauth.ReasonTokenType},
		)
	}
	if o.Check != "userinfo" {
		list = append(list, variation{"a refresh token", w.variant(map[string]any{"token_type": "refresh_token"}), oauth.ReasonTokenType})
	}
	for _, e := range o.Expiry {
		if e.Format != facts.ExpiryIn {
			list = append(list, variation{"a token that ended by " + e.Claim, w.with(e.Claim, expiryIn(e.Format, -time.Hour)), oauth.ReasonExpired})
		}
		list = append(list, variation{"a token whose " + e.Claim + " cannot be read", w.with(e.Claim, "soon"), oauth.ReasonInvalidTime})
	}
	if len(o.Expiry) > 0 && !o.NoExpiry {
		endless := w.suite.Accept[0]
		for _, e := range o.Expiry {
			endless = w.withIn(endless, e.Claim, nil)
		}
		list = append(list, variation{"a token without an end", endless, oauth.ReasonInvalidTime})
	}
	if namesUser := find(w.answer(w.suite.Accept[0]), split(o.Subject)) != nil; o.Profile != "" && namesUser {
		foreign := w.suite.Accept[0]
		foreign.Profile = maps.Clone(foreign.Profile)
		if foreign.Profile == nil {
			foreign.Profile = map[string]any{}
		}
		place(foreign.Profile, split(o.Profile), "another-user")
		list = append(list, variation{"a token with the profile of another user", foreign, oauth.ReasonClaim})
	}
	return list
}

// with returns the first accepted token with another value of a claim.
func (w *world) with(claim string, value any) Token { return w.withIn(w.suite.Accept[0], claim, value) }

func (w *world) withIn(token Token, claim string, value any) Token {
	path := split(claim)
	claims := maps.Clone(token.Claims)
	if claims == nil {
		claims = map[string]any{}
	}
	if _, own := claims[path[0]]; !own && len(path) > 1 { // what the fake itself would put there
		claims[path[0]] = w.answer(token)[path[0]]
	}
	place(claims, path, value)
	return Token{Claims: claims, Profile: token.Profile}
}

// checkOpaqueOutage answers 503, never 401, while the provider cannot be asked.
func (w *world) checkOpaqueOutage(t *testing.T) {
	t.Helper()
	for name, transport := range map[string]http.RoundTripper{
		"there is no network": broken{}, "the provider answers 500": failing(http.StatusInternalServerError),
		"the provider answers with a web page": webPage{}, "the provider has had enough": failing(http.StatusTooManyRequests),
	} {
		t.Run("says that the provider is unavailable when "+name, func(t *testing.T) {
			t.Parallel()
			token := w.sign(t, w.suite.Accept[0])
			_, err := w.newProvider(t, transport).Verify(t.Context(), presented(token))
			if !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
				t.Errorf("the answer is %v, want temporarily_unavailable", err)
			}
			if err != nil && strings.Contains(err.Error(), token) {
				t.Error("the error holds the token")
			}
		})
	}
	if w.suite.Opaque.AuthMethod == "" || w.suite.Opaque.AuthMethod == facts.AuthNone {
		return
	}
	t.Run("says that the provider is unavailable when it refuses the server's own credentials", func(t *testing.T) {
		t.Parallel()
		_, err := w.newProvider(t, failing(http.StatusUnauthorized)).Verify(t.Context(), presented(w.sign(t, w.suite.Accept[0])))
		if !errors.Is(err, oauth.ErrTemporarilyUnavailable) || oauth.AsError(err).Reason != oauth.ReasonOwnCredentials {
			t.Errorf("the answer is %v, want temporarily_unavailable", err)
		}
		if err != nil && w.suite.Opaque.ClientSecret != "" && strings.Contains(err.Error(), w.suite.Opaque.ClientSecret) {
			t.Error("the error holds the secret")
		}
	})
}

// failing is a provider that answers with one status.
type failing int

// RoundTrip implements [http.RoundTripper].
func (f failing) RoundTrip(r *http.Request) (*http.Response, error) {
	return respond(r, int(f), "application/json", []byte(`{}`)), nil
}

// webPage is a provider that answers with one.
type webPage struct{}

// RoundTrip implements [http.RoundTripper].
func (webPage) RoundTrip(r *http.Request) (*http.Response, error) {
	return respond(r, http.StatusOK, "text/html", []byte("<!doctype html><title>Maintenance</title>")), nil
}

// serveOpaque puts the endpoints about opaque tokens where the provider's description says.
func (w *world) serveOpaque() {
	o, endpoints := w.suite.Opaque, w.description.Endpoints
	if o.Profile != "" {
		w.fake.serve(endpoints.UserInfo, func(writer http.ResponseWriter, r *http.Request) {
			asked, wellPut := tokenInHeader(r, o.ProfileAsking)
			token, ok := w.fake.known(asked)
			if !ok || !wellPut || r.URL.RawQuery != "" {
				writeJSON(writer, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
				return
			}
			writeJSON(writer, http.StatusOK, listed(o.ProfileAsking, token.profile))
		})
	}
	address := map[string]string{
		"introspection": endpoints.Introspection, "tokeninfo": endpoints.TokenInfo, "userinfo": endpoints.UserInfo,
	}[o.Check]
	w.fake.serve(address, w.describeToken)
}

// describeToken is the endpoint that is asked about tokens.
func (w *world) describeToken(writer http.ResponseWriter, r *http.Request) {
	o := w.suite.Opaque
	asked, err := o.question(r, w.description.Endpoints.TokenInfo)
	if err != nil {
		writeJSON(writer, http.StatusBadRequest, map[string]any{"error": "invalid_request", "error_description": err.Error()})
		return
	}
	if !o.authenticated(r) {
		writeJSON(writer, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
		return
	}
	token, ok := w.fake.known(asked)
	switch {
	case ok:
		writeJSON(writer, http.StatusOK, listed(o.Asking, token.claims))
	case o.Check == "introspection":
		writeJSON(writer, http.StatusOK, map[string]any{"active": false})
	case o.InvalidStatus != 0:
		writeJSON(writer, o.InvalidStatus, map[string]any{"message": "Not found"})
	default:
		writeJSON(writer, http.StatusUnauthorized, map[string]any{"error": "invalid_token"})
	}
}

// listed is an answer as the provider gives it: an object, or a list with it.
func listed(asking facts.Asking, answer map[string]any) any {
	if asking.Listed {
		return []any{answer}
	}
	return answer
}

// question reads the token that a request asks about, from where the provider wants it and nowhere
// else. tokenInfo is the address of the endpoint with tokens in its path.
func (o *Opaque) question(r *http.Request, tokenInfo string) (string, error) {
	if o.Parameter != "" && r.URL.Query().Get(o.Parameter) != "" {
		return "", errors.New("the token is in the URL")
	}
	switch o.Place {
	case facts.TokenInHeader:
		if token, ok := tokenInHeader(r, o.Asking); ok {
			return token, nil
		}
	case facts.TokenInJSON:
		var body map[string]string
		if err := json.NewDecoder(r.Body).Decode(&body); err == nil && r.Method == http.MethodPost {
			return body[o.Parameter], nil
		}
	case facts.TokenInPath:
		address, _, _ := strings.Cut(r.URL.String(), "?")
		if token, ok := tokenInPath(address, tokenInfo); ok && r.Method == http.MethodGet {
			return token, nil
		}
	case facts.TokenInForm, facts.TokenInQuery:
		if err := r.ParseForm(); err == nil && r.Method == http.MethodPost {
			return r.PostForm.Get(o.Parameter), nil
		}
	}
	return "", fmt.Errorf("the token does not come by %s", o.Place)
}

// tokenInHeader returns the token of a request that is put as the provider wants it.
func tokenInHeader(r *http.Request, asking facts.Asking) (token string, ok bool) {
	token, ok = strings.CutPrefix(r.Header.Get("Authorization"), cmp.Or(asking.Scheme, "Bearer")+" ")
	body, err := io.ReadAll(r.Body)
	if !ok || err != nil {
		return "", false
	}
	switch {
	case asking.GraphQL != "":
		var posted struct {
			Query string `json:"query"`
		}
		return token, r.Method == http.MethodPost && json.Unmarshal(body, &posted) == nil && posted.Query == asking.GraphQL
	case asking.Post:
		return token, r.Method == http.MethodPost && len(body) == 0
	default:
		return token, r.Method == http.MethodGet && len(body) == 0
	}
}

// authenticated reports whether a request has the server's credentials, in the way that the
// provider wants.
func (o *Opaque) authenticated(r *http.Request) bool {
	switch o.AuthMethod {
	case facts.AuthBasic:
		id, secret, ok := r.BasicAuth()
		return ok && id == url.QueryEscape(o.ClientID) && secret == url.QueryEscape(o.ClientSecret)
	case facts.AuthPost:
		return r.PostForm.Get("client_id") == o.ClientID && r.PostForm.Get("client_secret") == o.ClientSecret
	case facts.AuthBearer:
		return r.Header.Get("Authorization") == "Bearer "+o.ClientSecret
	case facts.AuthPrivateKeyJWT:
		return r.PostForm.Get("client_id") == o.ClientID && hasAssertion(r)
	case facts.AuthNone:
	}
	return o.Place == facts.TokenInHeader || r.Header.Get("Authorization") == ""
}

// hasAssertion reports whether a posted form has a client assertion (RFC 7523 section 2.2) and no
// secret beside it.
func hasAssertion(r *http.Request) bool {
	return r.PostForm.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" &&
		strings.Count(r.PostForm.Get("client_assertion"), ".") == 2 && !r.PostForm.Has("client_secret")
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // the suite's own values
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}
