package verify_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// googleShaped asks as Google's tokeninfo wants to be asked.
func googleShaped(t testing.TB, p *providerAPI, changes ...func(*verify.TokenInfoConfig)) *verify.Opaque {
	t.Helper()
	config := verify.TokenInfoConfig{
		OpaqueConfig: common(p),
		URL:          "https://oauth2.example.com/tokeninfo",
		TokenInfo: facts.TokenInfo{
			InvalidStatus: []int{http.StatusBadRequest},
			Expiry: []facts.Expiry{
				{Claim: "exp", Format: facts.ExpirySeconds}, {Claim: "expires_in", Format: facts.ExpiryIn},
			},
		},
	}
	config.Binding.ClientClaims = []string{"aud", "azp", "issued_to", "audience"}
	config.ScopeAliases = map[string]string{"https://www.googleapis.com/auth/userinfo.email": "email"}
	return newTokenInfo(t, config, changes)
}

// githubShaped asks as GitHub's check of a token wants to be asked.
func githubShaped(t testing.TB, p *providerAPI, changes ...func(*verify.TokenInfoConfig)) *verify.Opaque {
	t.Helper()
	config := verify.TokenInfoConfig{
		OpaqueConfig: common(p),
		URL:          "https://api.github.example.com/applications/" + opaqueClient + "/token",
		TokenInfo: facts.TokenInfo{
			Place:         facts.TokenInJSON,
			Credentials:   facts.Credentials{AuthMethod: facts.AuthBasic, ClientID: opaqueClient, ClientSecret: opaqueSecret},
			Header:        map[string]string{"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"},
			InvalidStatus: []int{http.StatusNotFound, http.StatusUnprocessableEntity},
			Expiry:        []facts.Expiry{{Claim: "expires_at", Format: facts.ExpiryRFC3339}},
			NoExpiry:      "tokens of OAuth apps live until they are revoked",
		},
	}
	config.Binding.ClientClaims = []string{"app.client_id"}
	config.Mapper = newMapper(t, facts.ClaimMap{
		UserID: []string{"user.id"}, Username: []string{"user.login"}, Picture: []string{"user.avatar_url"},
		Name: []string{"name"}, Email: []string{"email"}, Scopes: []string{"scopes"}, ScopeSeparator: ",",
	})
	return newTokenInfo(t, config, changes)
}

func newTokenInfo(t testing.TB, config verify.TokenInfoConfig, changes []func(*verify.TokenInfoConfig)) *verify.Opaque {
	t.Helper()
	for _, change := range changes {
		change(&config)
	}
	o, err := verify.NewTokenInfo(config)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func google(t testing.TB, changes map[string]any) string {
	t.Helper()
	return jsonOf(t, map[string]any{
		"azp": opaqueClient, "aud": opaqueClient, "sub": "1046", "scope": "openid https://www.googleapis.com/auth/userinfo.email",
		"exp": strconv.FormatInt(opaqueNow.Unix()+1800, 10), "expires_in": "1800", "email": "ada@example.com", "email_verified": "true",
		"access_type": "offline",
	}, changes)
}

func github(t testing.TB, changes map[string]any) string {
	t.Helper()
	return jsonOf(t, map[string]any{
		"id": 1, "url": "https://api.github.example.com/authorizations/1", "token": opaqueToken, "token_last_eight": "23456789",
		"hashed_token": "25f94a2a5c7fbaf499c665bc73d67c1c87e496da8985131633ee0a95819db2e8",
		"scopes":       []string{"read:user", "user:email"}, "expires_at": nil, "note": "made of " + opaqueToken,
		"app":  map[string]any{"client_id": opaqueClient, "name": "ours"},
		"user": map[string]any{"id": 583231, "login": "octocat", "avatar_url": "https://avatars.example.com/u/583231"},
	}, changes)
}

func TestATokenInfoAnswerNamesTheCaller(t *testing.T) {
	t.Parallel()
	p := says(200, google(t, nil))
	info := wantAccepted(t, googleShaped(t, p))
	if info.Subject != "1046" || info.ClientID != opaqueClient || info.Issuer != opaqueIssuer ||
		!info.ExpiresAt.Equal(opaqueNow.Add(30*time.Minute)) || !reflect.DeepEqual(info.Scopes, []string{"openid", "email"}) ||
		!reflect.DeepEqual(info.User.Scopes, info.Scopes) {
		t.Errorf("the caller is %+v", info)
	}
	r := p.seen()[0]
	if r.Method != http.MethodPost || r.URL != "https://oauth2.example.com/tokeninfo" || r.Header.Get("Authorization") != "" ||
		r.Body != "access_token="+opaqueToken {
		t.Errorf("the request is %s %s with %q", r.Method, r.URL, r.Body)
	}
}

func TestATokenMayTravelInOtherPlaces(t *testing.T) {
	t.Parallel()
	t.Run("in the header", func(t *testing.T) {
		t.Parallel()
		p := says(200, google(t, nil))
		wantAccepted(t, googleShaped(t, p, func(c *verify.TokenInfoConfig) { c.Place = facts.TokenInHeader }))
		r := p.seen()[0]
		if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer "+opaqueToken ||
			strings.Contains(r.URL, opaqueToken) || r.Body != "" {
			t.Errorf("the request is %+v", r)
		}
	})
	t.Run("in the query, beside what the URL has", func(t *testing.T) {
		t.Parallel()
		p := says(200, google(t, nil))
		wantAccepted(t, googleShaped(t, p, func(c *verify.TokenInfoConfig) {
			c.URL, c.Place, c.Parameter = "https://idp.example.com/info?v=3", facts.TokenInQuery, "token"
		}))
		if r := p.seen()[0]; r.Method != http.MethodGet || r.URL != "https://idp.example.com/info?token="+opaqueToken+"&v=3" ||
			r.Header.Get("Authorization") != "" {
			t.Errorf("the request is %+v", r)
		}
	})
	t.Run("in the form beside the credentials", func(t *testing.T) {
		t.Parallel()
		p := says(200, google(t, nil))
		wantAccepted(t, googleShaped(t, p, func(c *verify.TokenInfoConfig) {
			c.AuthMethod, c.ClientID, c.ClientSecret = facts.AuthPost, opaqueClient, opaqueSecret
		}))
		want := url.Values{"access_token": {opaqueToken}, "client_id": {opaqueClient}, "client_secret": {opaqueSecret}}
		if r := p.seen()[0]; r.Body != want.Encode() {
			t.Errorf("the request is %+v", r)
		}
	})
}

// TestTokenInfoRefusesTokens: RS-5, and "the documented GitHub verifier accepts any app's token" of
// the seed.
// covers: RS-5
func TestTokenInfoRefusesTokens(t *testing.T) {
	t.Parallel()
	at := opaqueNow.Unix()
	for name, c := range map[string]struct {
		changes map[string]any
		want    oauth.Reason
	}{
		"a token of another application":            {map[string]any{"aud": "other", "azp": "other"}, oauth.ReasonAudience},
		"a token for us by another application":     {map[string]any{"azp": "other"}, oauth.ReasonAudience},
		"a token of ours for another application":   {map[string]any{"aud": "other"}, oauth.ReasonAudience},
		"a token that the old form calls another's": {map[string]any{"issued_to": "other"}, oauth.ReasonAudience},
		"a token whose application is not named":    {map[string]any{"aud": nil, "azp": nil}, oauth.ReasonAudience},
		"an expired token":                          {map[string]any{"exp": strconv.FormatInt(at-60, 10)}, oauth.ReasonExpired},
		"a token with no time left":                 {map[string]any{"expires_in": "0"}, oauth.ReasonExpired},
		"a token with no time left, as a number":    {map[string]any{"expires_in": 0}, oauth.ReasonExpired},
		"a negative rest":                           {map[string]any{"expires_in": "-1"}, oauth.ReasonInvalidTime},
		"an end in words":                           {map[string]any{"exp": "tomorrow"}, oauth.ReasonInvalidTime},
		"an end in hexadecimal":                     {map[string]any{"exp": "0x7fffffff"}, oauth.ReasonInvalidTime},
		"an end with an exponent":                   {map[string]any{"exp": "2e9"}, oauth.ReasonInvalidTime},
		"an end with a sign":                        {map[string]any{"exp": "+1772370000"}, oauth.ReasonInvalidTime},
		"an end that is infinite":                   {map[string]any{"exp": "Inf"}, oauth.ReasonInvalidTime},
		"an end that is true":                       {map[string]any{"exp": true}, oauth.ReasonInvalidTime},
		"an end beyond 2^53":                        {map[string]any{"exp": "9007199254740993000"}, oauth.ReasonInvalidTime},
		"a token without end":                       {map[string]any{"exp": nil, "expires_in": nil}, oauth.ReasonInvalidTime},
		"a token that is not active":                {map[string]any{"active": false}, oauth.ReasonInactive},
		"a token that is active by a string":        {map[string]any{"active": "true"}, oauth.ReasonInactive},
		"a key-bound token":                         {map[string]any{"cnf": map[string]any{"jkt": "x"}}, oauth.ReasonSenderConstrained},
		"a refresh token":                           {map[string]any{"token_type": "refresh_token"}, oauth.ReasonTokenType},
		"an ID token":                               {map[string]any{"at_hash": "x"}, oauth.ReasonTokenType},
		"another issuer":                            {map[string]any{"iss": "https://evil.example.com"}, oauth.ReasonIssuer},
		"a token without user":                      {map[string]any{"sub": nil}, oauth.ReasonClaim},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, googleShaped(t, says(200, google(t, c.changes))), c.want)
		})
	}
}

func TestTheEarliestEndCounts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes map[string]any
		want    time.Duration
	}{
		"strings":                      {map[string]any{"expires_in": "1700"}, 1700 * time.Second},
		"numbers":                      {map[string]any{"exp": opaqueNow.Unix() + 60, "expires_in": 70}, time.Minute},
		"a rest alone":                 {map[string]any{"exp": nil, "expires_in": 90}, 90 * time.Second},
		"a rest longer than a century": {map[string]any{"expires_in": 9e15}, 30 * time.Minute},
	} {
		t.Run("reads "+name, func(t *testing.T) {
			t.Parallel()
			info := wantAccepted(t, googleShaped(t, says(200, google(t, c.changes))))
			if left := info.ExpiresAt.Sub(opaqueNow); left != c.want {
				t.Errorf("the token ends in %s, want %s", left, c.want)
			}
		})
	}
}

func TestAnAnswerThatTheTokenIsUnknownIsARefusal(t *testing.T) {
	t.Parallel()
	noAuth := map[string]*providerAPI{
		"Google's 400":                 says(400, `{"error_description":"Invalid Value"}`),
		"401 where we need no account": says(401, "no", "Content-Type", "text/plain"),
		"an error with status 200":     says(200, `{"error":"invalid_token"}`),
		"403 for a lack of scope":      says(403, `{}`, "WWW-Authenticate", `Bearer error="insufficient_scope"`),
	}
	for name, p := range noAuth {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, googleShaped(t, p), oauth.ReasonInactive, oauth.ReasonClaim)
		})
	}
	for _, status := range []int{http.StatusNotFound, http.StatusUnprocessableEntity} {
		t.Run("GitHub's "+strconv.Itoa(status), func(t *testing.T) {
			t.Parallel()
			wantRefused(t, githubShaped(t, says(status, `{"message":"Not Found"}`)), oauth.ReasonInactive)
		})
	}
	t.Run("but 403 from a gateway is an outage", func(t *testing.T) {
		t.Parallel()
		wantOutage(t, googleShaped(t, says(403, "<html>blocked", "Content-Type", "text/html")))
	})
}

func TestAGitHubShapedCheckNamesTheCaller(t *testing.T) {
	t.Parallel()
	p := says(200, github(t, nil))
	info := wantAccepted(t, githubShaped(t, p))
	if info.Subject != "583231" || info.User.Username != "octocat" || info.ClientID != opaqueClient || !info.ExpiresAt.IsZero() ||
		!reflect.DeepEqual(info.Scopes, []string{"read:user", "user:email"}) {
		t.Errorf("the caller is %+v", info)
	}
	r := p.seen()[0]
	authorization := "Basic " + base64.StdEncoding.EncodeToString([]byte(opaqueClient+":"+url.QueryEscape(opaqueSecret)))
	if r.Method != http.MethodPost || r.Body != `{"access_token":"`+opaqueToken+`"}` || r.Header.Get("Authorization") != authorization ||
		r.Header.Get("Accept") != "application/vnd.github+json" || r.Header.Get("X-Github-Api-Version") != "2022-11-28" ||
		r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("the request is %+v", r)
	}
	text, err := info.Claims.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	wantNoSecrets(t, string(text))
	for _, gone := range []string{"token", "hashed_token", "token_last_eight", "note"} {
		if info.Claims.Has(gone) {
			t.Errorf("the claims hold %s", gone)
		}
	}
}

func TestAGitHubShapedCheckRefusesTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		changes map[string]any
		want    oauth.Reason
	}{
		"of another application":       {map[string]any{"app": map[string]any{"client_id": "other"}}, oauth.ReasonAudience},
		"of an application of no name": {map[string]any{"app": map[string]any{"name": opaqueClient}}, oauth.ReasonAudience},
		"of no application":            {map[string]any{"app": nil, "client_id": opaqueClient}, oauth.ReasonAudience},
		"that ended":                   {map[string]any{"expires_at": "2026-03-01T11:59:00Z"}, oauth.ReasonExpired},
		"with an unreadable end":       {map[string]any{"expires_at": "2026-03-02 12:00"}, oauth.ReasonInvalidTime},
		"of nobody":                    {map[string]any{"user": nil}, oauth.ReasonClaim},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, githubShaped(t, says(200, github(t, c.changes))), c.want)
		})
	}
	t.Run("but accepts one with an end", func(t *testing.T) {
		t.Parallel()
		p := says(200, github(t, map[string]any{"expires_at": "2026-03-01T13:00:00.000000+00:00"}))
		if info := wantAccepted(t, githubShaped(t, p)); !info.ExpiresAt.Equal(opaqueNow.Add(time.Hour)) {
			t.Errorf("it ends at %s", info.ExpiresAt)
		}
	})
}

func TestAGitLabShapedAnswerNamesTheCaller(t *testing.T) {
	t.Parallel()
	p := says(200, `{"resource_owner_id":42,"scope":["read_user"],"expires_in":7200,"application":{"uid":"our-client"},"created_at":1772366000}`)
	o := googleShaped(t, p, func(c *verify.TokenInfoConfig) {
		c.Place = facts.TokenInHeader
		c.Binding.ClientClaims = []string{"application.uid"}
		c.Mapper = newMapper(t, facts.ClaimMap{UserID: []string{"resource_owner_id"}})
	})
	if info := wantAccepted(t, o); info.Subject != "42" || !reflect.DeepEqual(info.Scopes, []string{"read_user"}) {
		t.Errorf("the caller is %+v", info)
	}
}

func TestAnApplicationMayBeANumber(t *testing.T) {
	t.Parallel()
	for raw, accepted := range map[string]bool{"1234": true, `"1234"`: true, "12345": false, "1234.0": false, "-1234": false, "1.234e3": false} {
		p := says(200, `{"sub":"u","app_id":`+raw+`,"expires_in":60}`)
		o := googleShaped(t, p, func(c *verify.TokenInfoConfig) {
			c.Binding = facts.Binding{ClientIDs: []string{"1234"}, ClientClaims: []string{"app_id"}}
		})
		if accepted {
			wantAccepted(t, o)
		} else {
			wantRefused(t, o, oauth.ReasonAudience)
		}
	}
}
