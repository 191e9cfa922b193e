package verify_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

const (
	userInfoURL = "https://api.example.com/user"
	emailsURL   = "https://api.example.com/user/emails"
)

func userInfo(t testing.TB, p *providerAPI, changes ...func(*verify.UserInfoConfig)) *verify.Opaque {
	t.Helper()
	config := verify.UserInfoConfig{OpaqueConfig: common(p), URL: userInfoURL}
	config.Binding = facts.Binding{Exchange: true}
	for _, change := range changes {
		change(&config)
	}
	o, err := verify.NewUserInfo(config)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestAUserInfoCallBindsNothing: RS-5. That a provider knows a token says nothing about the
// application that got it.
// covers: RS-5
func TestAUserInfoCallBindsNothing(t *testing.T) {
	t.Parallel()
	p := says(200, `{"sub":"alice","email":"alice@example.com","aud":"`+opaqueResource+`"}`)
	o := userInfo(t, p)
	wantRefused(t, o, oauth.ReasonRefusedByVerifier)
	_, err := o.VerifyToken(t.Context(), presented(opaqueToken, opaqueResource))
	wantError(t, nil, err, http.StatusUnauthorized, oauth.ReasonRefusedByVerifier)
	if p.calls() != 0 {
		t.Errorf("a token from outside went out")
	}
	for range 3 {
		info, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
		if err != nil {
			t.Fatalf("a token that was obtained here: %v", err)
		}
		if info.Subject != "alice" || info.Issuer != opaqueIssuer || info.Resource != opaqueResource || !info.ExpiresAt.IsZero() {
			t.Errorf("the caller is %+v", info)
		}
	}
	if p.calls() != 3 {
		t.Errorf("%d questions about tokens that were obtained here, want 3", p.calls())
	}
	if r := p.seen()[0]; r.Method != http.MethodGet || r.URL != userInfoURL || r.Header.Get("Authorization") != "Bearer "+opaqueToken {
		t.Errorf("the request is %+v", r)
	}
	wantRefused(t, o, oauth.ReasonRefusedByVerifier) // even after that
	if accepted, _ := verify.CachedAnswers(o); accepted != 0 {
		t.Errorf("%d answers are kept that nobody may use", accepted)
	}
}

func TestAnInsecureSettingAcceptsUnboundTokens(t *testing.T) {
	t.Parallel()
	o := userInfo(t, says(200, `{"sub":"alice"}`), func(c *verify.UserInfoConfig) { c.Insecure.SkipAudience = true })
	if info := wantAccepted(t, o); info.Subject != "alice" {
		t.Errorf("the caller is %+v", info)
	}
}

func TestAUserInfoCallRefusesTokens(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		provider *providerAPI
		status   int
	}{
		"401 is a refusal":                                {says(401, ""), 401},
		"an error that the spec lists is a refusal":       {says(200, `{"ok":false,"error":"token_revoked"}`), 401},
		"an error that the spec does not list is none":    {says(200, `{"ok":false,"error":"ratelimited"}`), 503},
		"a status that the spec lists is a refusal":       {says(410, ""), 401},
		"a status that the spec does not list is none":    {says(404, ""), 503},
		"a profile of nobody is a refusal":                {says(200, `{"name":"Alice"}`), 401},
		"a profile whose names are in another case, too":  {says(200, `{"Sub":"alice"}`), 401},
		"a profile with two users is an outage":           {says(200, `{"sub":"alice","sub":"bob"}`), 503},
		"a signed profile that nobody asked for, as well": {says(200, "eyJ.e30.x", "Content-Type", "application/jwt"), 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := userInfo(t, c.provider, func(config *verify.UserInfoConfig) {
				config.InvalidErrors, config.InvalidStatus = []string{"invalid_auth", "token_revoked"}, []int{http.StatusGone}
			})
			info, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
			wantError(t, info, err, c.status, oauth.ReasonInactive, oauth.ReasonClaim, oauth.ReasonProviderUnavailable)
		})
	}
}

func TestAnAnsweredBindingMakesUserInfoGoodForAll(t *testing.T) {
	t.Parallel()
	byClient := func(c *verify.UserInfoConfig) {
		c.Binding = facts.Binding{ClientIDs: []string{opaqueClient}, ClientClaims: []string{"application.id"}}
	}
	wantAccepted(t, userInfo(t, says(200, `{"sub":"alice","application":{"id":"our-client"}}`), byClient))
	wantRefused(t, userInfo(t, says(200, `{"sub":"alice","application":{"id":"other"}}`), byClient), oauth.ReasonAudience)
}

// profiles answers introspection with a good token, and the user's API with the given answers.
func profiles(t testing.TB, user, emails *http.Response) *providerAPI {
	t.Helper()
	good := active(t, map[string]any{"name": nil})
	return &providerAPI{answer: func(r asked) *http.Response {
		switch r.URL {
		case userInfoURL:
			return user
		case emailsURL:
			return emails
		default:
			return reply(200, good)
		}
	}}
}

func withProfile(t testing.TB, p *providerAPI, changes ...func(*verify.ProfileConfig)) *verify.Opaque {
	t.Helper()
	config := verify.ProfileConfig{URL: userInfoURL, Client: p.client()}
	for _, change := range changes {
		change(&config)
	}
	profile, err := verify.NewProfile(config)
	if err != nil {
		t.Fatal(err)
	}
	return introspection(t, p, func(c *verify.IntrospectionConfig) {
		c.Profile = profile
		c.Mapper = newMapper(t, facts.ClaimMap{Name: []string{"name"}, Email: []string{"email"}})
	})
}

func TestAProfileCompletesTheUser(t *testing.T) {
	t.Parallel()
	p := profiles(t, reply(200, `{"sub":"alice","name":"Alice","email":"alice@example.com","aud":"x","exp":1,"cnf":{},"scope":"admin","client_id":"x"}`), nil)
	info := wantAccepted(t, withProfile(t, p))
	if info.User.Name != "Alice" || info.User.Email != "alice@example.com" {
		t.Errorf("the user is %+v", info.User)
	}
	if info.ClientID != opaqueClient || strings.Join(info.Scopes, " ") != "openid notes:read" || info.Claims.Has("cnf") ||
		info.Claims.String("aud") != opaqueResource {
		t.Errorf("the profile changed what the token is good for: %+v", info)
	}
}

// TestAProfileCannotGrant: a user can often choose what stands in a profile.
func TestAProfileCannotGrant(t *testing.T) {
	t.Parallel()
	bare := `{"active":true,"token_type":"Bearer","sub":"alice","client_id":"our-client","exp":1772370000}`
	p := &providerAPI{answer: func(r asked) *http.Response {
		if r.URL == userInfoURL {
			return reply(200, `{"sub":"alice","scope":"admin","scp":["admin"],"aud":"x","azp":"x","iss":"x","token_use":"x"}`)
		}
		return reply(200, bare)
	}}
	info := wantAccepted(t, withProfile(t, p))
	if len(info.Scopes) > 0 || info.Claims.Len() != 5 {
		text, _ := info.Claims.MarshalJSON()
		t.Errorf("scopes %v, claims %s", info.Scopes, text)
	}
}

func TestAProfileIsAskedForOnlyAboutGoodTokens(t *testing.T) {
	t.Parallel()
	p := &providerAPI{answer: func(asked) *http.Response { return reply(200, active(t, map[string]any{"client_id": "other"})) }}
	wantRefused(t, withProfile(t, p), oauth.ReasonAudience)
	for _, r := range p.seen() {
		if r.URL == userInfoURL {
			t.Errorf("the token of another application went to the userinfo endpoint")
		}
	}
}

func TestAProfileThatCannotBeHad(t *testing.T) {
	t.Parallel()
	optional := func(c *verify.ProfileConfig) { c.Optional = true }
	for name, c := range map[string]struct {
		user    *http.Response
		changes []func(*verify.ProfileConfig)
		status  int // 0: accepted
	}{
		"is an outage":                            {reply(500, ""), nil, 503},
		"leaves an optional one out":              {reply(500, ""), []func(*verify.ProfileConfig){optional}, 0},
		"is a refusal for a lack of scope":        {reply(403, `{"error":"insufficient_scope"}`), nil, 401},
		"for a lack of scope may be left out":     {reply(403, `{"error":"insufficient_scope"}`), []func(*verify.ProfileConfig){optional}, 0},
		"since the token is no good is a refusal": {reply(401, ""), []func(*verify.ProfileConfig){optional}, 401},
		"since it is another user's is a refusal": {reply(200, `{"sub":"bob"}`), []func(*verify.ProfileConfig){optional}, 401},
		"since it names nobody is an outage":      {reply(200, `{"name":"Bob"}`), nil, 503},
		"since it names two users is an outage":   {reply(200, `{"sub":["alice","bob"]}`), nil, 503},
		"since a redirect leads away is one":      {reply(302, "", "Location", "https://evil.example.com/"), nil, 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := withProfile(t, profiles(t, c.user, nil), c.changes...)
			if c.status == 0 {
				if info := wantAccepted(t, o); info.Subject != "alice" || info.User.Name != "" {
					t.Errorf("the caller is %+v", info)
				}
				return
			}
			info, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
			wantError(t, info, err, c.status, oauth.ReasonProviderUnavailable, oauth.ReasonClaim, oauth.ReasonInactive)
		})
	}
}

func TestAProfileMayNumberItsUsers(t *testing.T) {
	t.Parallel()
	p := &providerAPI{answer: func(r asked) *http.Response {
		if r.URL == userInfoURL {
			return reply(200, `{"id":583231,"login":"octocat","name":"The Octocat","email":null}`)
		}
		if r.URL == emailsURL {
			return reply(200, `[{"email":"old@example.com","primary":false,"verified":true},
				{"email":"cat@example.com","primary":true,"verified":true,"visibility":null}]`)
		}
		return reply(200, github(t, nil))
	}}
	profile, err := verify.NewProfile(verify.ProfileConfig{
		URL:    userInfoURL,
		Client: p.client(),
		Profile: facts.Profile{
			Subject:   []string{"id"},
			EmailsURL: emailsURL,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	info := wantAccepted(t, githubShaped(t, p, func(c *verify.TokenInfoConfig) { c.Profile = profile }))
	if info.Subject != "583231" || info.User.Name != "The Octocat" || info.User.Email != "cat@example.com" {
		t.Errorf("the user is %+v", info.User)
	}
}

func TestOnlyAPrimaryVerifiedAddressCounts(t *testing.T) {
	t.Parallel()
	const noEmail = `{"sub":"alice","name":"Alice"}`
	for name, c := range map[string]struct {
		user   string
		emails *http.Response
		want   string
		status int
	}{
		"takes the primary verified one":  {noEmail, reply(200, `[{"email":"a@example.com","primary":true,"verified":true}]`), "a@example.com", 0},
		"leaves the profile's alone":      {`{"sub":"alice","email":"p@example.com"}`, reply(500, ""), "p@example.com", 0},
		"takes none that is not verified": {noEmail, reply(200, `[{"email":"a@example.com","primary":true,"verified":false}]`), "", 0},
		"takes none that is not primary":  {noEmail, reply(200, `[{"email":"a@example.com","primary":false,"verified":true}]`), "", 0},
		"takes none by a string":          {noEmail, reply(200, `[{"email":"a@example.com","primary":true,"verified":"true"}]`), "", 0},
		"takes none in another case":      {noEmail, reply(200, `[{"email":"a@example.com","Primary":true,"Verified":true}]`), "", 0},
		"does without the right to ask":   {noEmail, reply(404, `{"message":"Not Found"}`), "", 0},
		"does without a list":             {noEmail, reply(403, ""), "", 0},
		"waits where asked to":            {noEmail, reply(403, "", "X-RateLimit-Remaining", "0"), "", 503},
		"cannot do with a broken list":    {noEmail, reply(200, `[{"email":"a","email":"b"}]`), "", 503},
		"cannot do with no list":          {noEmail, reply(200, `{}`), "", 503},
		"cannot do with HTML":             {noEmail, reply(200, `<html>`, "Content-Type", "text/html"), "", 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := withProfile(t, profiles(t, reply(200, c.user), c.emails), func(config *verify.ProfileConfig) { config.EmailsURL = emailsURL })
			if c.status != 0 {
				wantOutage(t, o)
				return
			}
			info := wantAccepted(t, o)
			if verified, _ := info.Claims.Bool("email_verified"); info.User.Email != c.want || verified != (c.want == "a@example.com") {
				t.Errorf("the address is %q, verified %v", info.User.Email, verified)
			}
		})
	}
}

func TestRequiredClaimsMayComeFromTheProfile(t *testing.T) {
	t.Parallel()
	for domain, accepted := range map[string]bool{"example.com": true, "example.org": false} {
		p := profiles(t, reply(200, `{"sub":"alice","hd":"`+domain+`"}`), nil)
		profile, err := verify.NewProfile(verify.ProfileConfig{URL: userInfoURL, Client: p.client()})
		if err != nil {
			t.Fatal(err)
		}
		o := introspection(t, p, func(c *verify.IntrospectionConfig) {
			c.Profile, c.Require = profile, []facts.Requirement{{Claim: "hd", AnyOf: []string{"example.com"}}}
		})
		if accepted {
			wantAccepted(t, o)
		} else {
			wantRefused(t, o, oauth.ReasonClaim)
		}
	}
}

func TestAProfileAloneCanBeAskedFor(t *testing.T) {
	t.Parallel()
	p := says(200, `{"sub":"alice","name":"Alice"}`)
	profile, err := verify.NewProfile(verify.ProfileConfig{URL: userInfoURL, Client: p.client()})
	if err != nil {
		t.Fatal(err)
	}
	claims, err := profile.Claims(t.Context(), opaqueToken)
	if err != nil || claims.String("name") != "Alice" {
		t.Errorf("%v, %v", claims, err)
	}
	_, err = profile.Claims(t.Context(), "not a\r\ntoken")
	wantError(t, nil, err, http.StatusUnauthorized, oauth.ReasonMalformedToken)
	if p.calls() != 1 {
		t.Errorf("%d calls, want 1", p.calls())
	}
}

// TestAProfileNamesTheUser of a token of which the provider says everything but whose it is.
func TestAProfileNamesTheUser(t *testing.T) {
	t.Parallel()
	nameless := func(user *http.Response) *providerAPI {
		answer := active(t, map[string]any{"sub": nil})
		return &providerAPI{answer: func(r asked) *http.Response {
			if r.URL == userInfoURL {
				return user
			}
			return reply(200, answer)
		}}
	}
	if info := wantAccepted(t, withProfile(t, nameless(reply(200, `{"sub":"alice"}`)))); info.Subject != "alice" || info.User.ID != "alice" {
		t.Errorf("the caller is %+v", info)
	}
	optional := func(c *verify.ProfileConfig) { c.Optional = true }
	wantRefused(t, withProfile(t, nameless(reply(403, `{"error":"insufficient_scope"}`)), optional), oauth.ReasonClaim)
}

func TestQuestionsArePutAsTheProviderWants(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		asking                      facts.Asking
		method, authorization, body string
	}{
		"a GET with Bearer":   {facts.Asking{}, "GET", "Bearer " + opaqueToken, ""},
		"another scheme":      {facts.Asking{Scheme: "OAuth"}, "GET", "OAuth " + opaqueToken, ""},
		"a POST without body": {facts.Asking{Post: true}, "POST", "Bearer " + opaqueToken, ""},
		"a GraphQL query":     {facts.Asking{GraphQL: `{ viewer { id } }`}, "POST", "Bearer " + opaqueToken, `{"query":"{ viewer { id } }"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := profiles(t, reply(200, `{"sub":"alice"}`), nil)
			wantAccepted(t, withProfile(t, p, func(config *verify.ProfileConfig) { config.Asking = c.asking }))
			for _, r := range p.seen() {
				if r.URL == userInfoURL && (r.Method != c.method || r.Header.Get("Authorization") != c.authorization || r.Body != c.body) {
					t.Errorf("the request is %s with %q and %q", r.Method, r.Header.Get("Authorization"), r.Body)
				}
			}
		})
	}
	t.Run("errors of GraphQL are an outage, and stand in no message", func(t *testing.T) {
		t.Parallel()
		o := withProfile(t, profiles(t, reply(200, `{"errors":[{"message":"secret"}],"sub":"alice"}`), nil), func(config *verify.ProfileConfig) {
			config.GraphQL = "{ viewer { id } }"
		})
		_, err := o.Verify(t.Context(), presented(opaqueToken, opaqueResource))
		if !errors.Is(err, oauth.ErrTemporarilyUnavailable) || strings.Contains(err.Error(), "secret") {
			t.Errorf("the answer is %v", err)
		}
	})
	for name, asking := range map[string]facts.Asking{
		"a scheme with a space": {Scheme: "O Auth"}, "a scheme with a line": {Scheme: "A\r\nB"}, "POST and GraphQL": {Post: true, GraphQL: "{ a }"},
	} {
		if _, err := verify.NewProfile(verify.ProfileConfig{URL: userInfoURL, Profile: facts.Profile{Asking: asking}}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// An identifier that names a user of each workspace is no one's without the workspace, whatever a
// mapping of the operator's makes of the claims.
func TestUsersOfWorkspacesAreToldApart(t *testing.T) {
	t.Parallel()
	realms, err := verify.NewMapper(facts.ClaimMap{UserRealm: []string{"team"}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		answer, subject string
		custom          oauth.UserMapper
	}{
		"a user of a workspace":                 {`{"sub":"U1","team":"T1"}`, "T1/U1", nil},
		"that of another":                       {`{"sub":"U1","team":"T2"}`, "T2/U1", nil},
		"a user of no workspace":                {`{"sub":"U1"}`, "", nil},
		"a user of a workspace, mapped by hand": {`{"sub":"U1","team":"T1"}`, "T1/U1", everybodyIsAda{}},
		"a user of no workspace, by hand":       {`{"sub":"U1"}`, "", everybodyIsAda{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := userInfo(t, says(200, c.answer), func(config *verify.UserInfoConfig) { config.Mapper, config.UserMapper = realms, c.custom })
			info, err := o.VerifyExchanged(t.Context(), opaqueToken, opaqueResource)
			if c.subject == "" {
				wantError(t, info, err, http.StatusUnauthorized, oauth.ReasonClaim)
				return
			}
			if err != nil || info.Subject != c.subject || c.custom == nil && info.User.ID != c.subject {
				t.Errorf("the caller is %+v, %v", info, err)
			}
		})
	}
}

type everybodyIsAda struct{}

// UserInfo implements [oauth.UserMapper].
func (everybodyIsAda) UserInfo(oauth.Claims) oauth.UserInfo { return oauth.UserInfo{ID: "ada"} }

func TestAListedProfileIsItsOneEntry(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]bool{
		`[{"sub":"alice","name":"Alice"}]`:                   true,
		"\ufeff [ {\"sub\":\"alice\",\"name\":\"Alice\"} ] ": true,
		`{"sub":"alice","name":"Alice"}`:                     true,
		`[]`:                                                 false,
		`[{"sub":"alice"},{"sub":"bob"}]`:                    false,
		`["alice"]`:                                          false,
		`[[{"sub":"alice"}]]`:                                false,
		`[{"sub":"alice","sub":"bob"}]`:                      false,
		`[{"sub":"alice"}] [{"sub":"bob"}]`:                  false,
	} {
		profile, err := verify.NewProfile(verify.ProfileConfig{
			URL: "https://idp.example.com/people", Client: says(200, body).client(),
			Profile: facts.Profile{Asking: facts.Asking{Listed: true}},
		})
		if err != nil {
			t.Fatal(err)
		}
		claims, err := profile.Claims(t.Context(), opaqueToken)
		switch {
		case want && (err != nil || claims.String("name") != "Alice"):
			t.Errorf("%s: %v", body, err)
		case !want && !errors.Is(err, oauth.ErrTemporarilyUnavailable):
			t.Errorf("%s: got %v", body, err)
		}
	}
}
