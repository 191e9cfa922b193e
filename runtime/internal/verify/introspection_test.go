package verify_test

import (
	"encoding/base64"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

func TestIntrospectionNamesTheCallerOfAnActiveToken(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, map[string]any{"roles": []string{"editor"}}))
	o := introspection(t, p, func(c *verify.IntrospectionConfig) {
		c.Mapper = newMapper(t, facts.ClaimMap{Roles: facts.List{From: []string{"roles"}}})
	})
	info := wantAccepted(t, o)
	if info.Provider != "fake" || info.Issuer != opaqueIssuer || info.Subject != "alice" || info.ClientID != opaqueClient ||
		info.Resource != opaqueResource || !info.ExpiresAt.Equal(opaqueNow.Add(time.Hour)) ||
		!reflect.DeepEqual(info.Scopes, []string{"openid", "notes:read"}) || !reflect.DeepEqual(info.User.Roles, []string{"editor"}) ||
		!reflect.DeepEqual(info.Audience, []string{opaqueResource}) || info.AccessToken.Reveal() != opaqueToken {
		t.Errorf("the caller is %+v", info)
	}
	claims, err := o.VerifyToken(t.Context(), presented(opaqueToken, opaqueResource))
	if err != nil || claims.String("sub") != "alice" {
		t.Errorf("VerifyToken: %v, %v", claims, err)
	}
	if user := o.UserInfo(claims); user.ID != "alice" || !reflect.DeepEqual(user.Scopes, info.Scopes) {
		t.Errorf("UserInfo: %+v", user)
	}
}

func TestIntrospectionRequests(t *testing.T) {
	t.Parallel()
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte(opaqueClient+":"+url.QueryEscape(opaqueSecret)))
	for name, c := range map[string]struct {
		method        facts.AuthMethod
		authorization string
		secretInForm  bool
	}{
		"sends form-encoded credentials in the header by default": {"", basic, false},
		"sends credentials in the form":                           {facts.AuthPost, "", true},
		"sends a bearer token of its own":                         {facts.AuthBearer, "Bearer " + opaqueSecret, false},
		"sends no credentials":                                    {facts.AuthNone, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := says(200, active(t, nil))
			wantAccepted(t, introspection(t, p, func(config *verify.IntrospectionConfig) { config.AuthMethod = c.method }))
			r := p.seen()[0]
			form, err := url.ParseQuery(r.Body)
			if err != nil {
				t.Fatal(err)
			}
			if r.Method != http.MethodPost || r.URL != "https://idp.example.com/introspect" ||
				r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("Accept") != "application/json" ||
				form.Get("token") != opaqueToken || form.Get("token_type_hint") != "access_token" {
				t.Errorf("the request is %s %s with %v", r.Method, r.URL, form)
			}
			if r.Header.Get("Authorization") != c.authorization || form.Has("client_secret") != c.secretInForm ||
				c.secretInForm && (form.Get("client_secret") != opaqueSecret || form.Get("client_id") != opaqueClient) {
				t.Errorf("the credentials are %q and %v", r.Header.Get("Authorization"), form)
			}
		})
	}
}

// TestIntrospectionRefusesTokens covers rows of the threat model's Tokens table (RS-4, RS-5):
// audience, times, issuer, other kinds of tokens, names in another case.
// covers: T-TOK-11, T-TOK-12, T-TOK-13, RS-4, RS-5
func TestIntrospectionRefusesTokens(t *testing.T) {
	t.Parallel()
	at := opaqueNow.Unix()
	for name, c := range map[string]struct {
		changes map[string]any
		want    oauth.Reason
	}{
		"an inactive token":                     {map[string]any{"active": false}, oauth.ReasonInactive},
		"a token of another client":             {map[string]any{"client_id": "other-client"}, oauth.ReasonAudience},
		"a client id in another case":           {map[string]any{"client_id": "OUR-CLIENT"}, oauth.ReasonAudience},
		"a client id that ours begins":          {map[string]any{"client_id": "our-client2"}, oauth.ReasonAudience},
		"an empty client id":                    {map[string]any{"client_id": ""}, oauth.ReasonAudience},
		"no client id":                          {map[string]any{"client_id": nil}, oauth.ReasonAudience},
		"a client id that is an object":         {map[string]any{"client_id": map[string]any{"id": opaqueClient}}, oauth.ReasonAudience},
		"a client claim in another case":        {map[string]any{"client_id": nil, "Client_ID": opaqueClient}, oauth.ReasonAudience},
		"an expired token":                      {map[string]any{"exp": at - 30}, oauth.ReasonExpired},
		"a token without exp":                   {map[string]any{"exp": nil}, oauth.ReasonInvalidTime},
		"exp in another case":                   {map[string]any{"exp": nil, "EXP": at + 60}, oauth.ReasonInvalidTime},
		"exp as a string":                       {map[string]any{"exp": "1772370000"}, oauth.ReasonInvalidTime},
		"exp zero":                              {map[string]any{"exp": 0}, oauth.ReasonExpired},
		"a negative exp":                        {map[string]any{"exp": -1}, oauth.ReasonInvalidTime},
		"exp beyond 2^53":                       {map[string]any{"exp": math.MaxInt64}, oauth.ReasonInvalidTime},
		"nbf beyond the leeway":                 {map[string]any{"nbf": at + 31}, oauth.ReasonNotYetValid},
		"iat more than a day ahead":             {map[string]any{"iat": at + 86_401}, oauth.ReasonNotYetValid},
		"nbf as a string":                       {map[string]any{"nbf": "1"}, oauth.ReasonInvalidTime},
		"another issuer":                        {map[string]any{"iss": opaqueIssuer + "/"}, oauth.ReasonIssuer},
		"an issuer that is no string":           {map[string]any{"iss": 7}, oauth.ReasonIssuer},
		"an empty issuer":                       {map[string]any{"iss": ""}, oauth.ReasonIssuer},
		"a key-bound token":                     {map[string]any{"cnf": map[string]any{"jkt": "x"}}, oauth.ReasonSenderConstrained},
		"a DPoP token":                          {map[string]any{"token_type": "dpop"}, oauth.ReasonSenderConstrained},
		"a refresh token by its type":           {map[string]any{"token_type": "refresh_token"}, oauth.ReasonTokenType},
		"a token of no type":                    {map[string]any{"token_type": nil}, oauth.ReasonTokenType},
		"a token of an unknown use":             {map[string]any{"token_type": nil, "token_use": "x"}, oauth.ReasonTokenType},
		"a type in another case":                {map[string]any{"token_type": nil, "Token_Type": "Bearer"}, oauth.ReasonTokenType},
		"an empty type":                         {map[string]any{"token_type": ""}, oauth.ReasonTokenType},
		"a type that is no string":              {map[string]any{"token_type": 1}, oauth.ReasonTokenType},
		"a refresh token by its use":            {map[string]any{"token_use": "refresh_token"}, oauth.ReasonTokenType},
		"an ID token by its use":                {map[string]any{"token_use": "id"}, oauth.ReasonTokenType},
		"a refresh token by Keycloak's typ":     {map[string]any{"typ": "Refresh"}, oauth.ReasonTokenType},
		"an ID token by its hash":               {map[string]any{"at_hash": "x"}, oauth.ReasonTokenType},
		"a token that names no user":            {map[string]any{"sub": nil}, oauth.ReasonClaim},
		"a user in another case":                {map[string]any{"sub": nil, "SUB": "alice"}, oauth.ReasonClaim},
		"a token without a claim that is asked": {map[string]any{"scope": nil}, oauth.ReasonClaim},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			o := introspection(t, says(200, active(t, c.changes)), func(config *verify.IntrospectionConfig) {
				config.Require = []facts.Requirement{{Claim: "scope"}}
			})
			wantRefused(t, o, c.want)
			wantRefused(t, o, c.want) // from the cache, by the same reason
		})
	}
}

func TestIntrospectionAcceptsWhatRFC7662LeavesOpen(t *testing.T) {
	t.Parallel()
	at := opaqueNow.Unix()
	for name, changes := range map[string]map[string]any{
		"an answer without issuer":     {"iss": nil},
		"a type in another case":       {"token_type": "bearer"},
		"a type by its URI":            {"token_type": "urn:ietf:params:oauth:token-type:access_token"},
		"exp within the leeway":        {"exp": at - 29},
		"an iat a day ahead":           {"iat": at + 86_400},
		"times with fractions":         {"exp": float64(at) + 60.5, "iat": float64(at) - 0.5},
		"an answer without an iat":     {"iat": nil},
		"a nonce beside a client":      {"nonce": "n"},
		"another audience, by client":  {"aud": "https://api.example.com"},
		"Keycloak's mark of bearer":    {"typ": "Bearer", "token_type": nil},
		"Hydra's mark of access token": {"token_use": "access_token", "token_type": nil},
	} {
		t.Run("accepts "+name, func(t *testing.T) {
			t.Parallel()
			if info := wantAccepted(t, introspection(t, says(200, active(t, changes)))); info.Issuer != opaqueIssuer {
				t.Errorf("the issuer is %q", info.Issuer)
			}
		})
	}
}

// ory/fosite describes a refresh token in the words that it has for an access token, and says of
// neither what it is. RFC 7662 section 2.2 leaves token_type open.
func TestAnAnswerThatDoesNotSayWhatItDescribesNeedsAReason(t *testing.T) {
	t.Parallel()
	untyped := func(changes map[string]any) *providerAPI {
		changes["token_type"] = nil
		return says(200, active(t, changes))
	}
	reason := func(c *verify.IntrospectionConfig) { c.NoTokenType = "it does not describe refresh tokens" }
	wantRefused(t, introspection(t, untyped(map[string]any{})), oauth.ReasonTokenType)
	wantAccepted(t, introspection(t, untyped(map[string]any{}), reason))
	t.Run("and what says that it is something else is refused all the same", func(t *testing.T) {
		t.Parallel()
		wantRefused(t, introspection(t, untyped(map[string]any{"token_use": "refresh_token"}), reason), oauth.ReasonTokenType)
		wantRefused(t, introspection(t, says(200, active(t, map[string]any{"token_type": "refresh_token"})), reason), oauth.ReasonTokenType)
	})
}

// TestIntrospectionByAudience: RS-5.
// covers: T-TOK-11, RS-5
func TestIntrospectionByAudience(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		aud      any
		accepted bool
	}{
		"accepts our resource":                {opaqueResource, true},
		"accepts a list with our resource":    {[]string{"https://api.example.com", opaqueResource}, true},
		"refuses another server":              {"https://other.example.com/mcp", false},
		"refuses a prefix of ours":            {"https://mcp.example.com", false},
		"refuses ours with a slash":           {opaqueResource + "/", false},
		"refuses a list without ours":         {[]string{"https://api.example.com"}, false},
		"refuses an empty list":               {[]string{}, false},
		"refuses an empty text":               {"", false},
		"refuses a missing audience":          {nil, false},
		"refuses a list with an odd element":  {[]any{opaqueResource, 1}, false},
		"refuses an audience in another case": {strings.ToUpper(opaqueResource), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := active(t, map[string]any{"aud": c.aud, "client_id": "any-client"})
			o := introspection(t, says(200, body), byAudience)
			if c.accepted {
				wantAccepted(t, o)
				return
			}
			wantRefused(t, o, oauth.ReasonAudience)
		})
	}
}

func TestIntrospectionByClientAndAudience(t *testing.T) {
	t.Parallel()
	both := func(c *verify.IntrospectionConfig) {
		c.Binding.Audience = facts.Audience{AnyOf: []string{"", "api://ours"}}
	}
	t.Run("refuses our client's token for another audience", func(t *testing.T) {
		t.Parallel()
		wantRefused(t, introspection(t, says(200, active(t, nil)), both), oauth.ReasonAudience)
	})
	t.Run("checks the audience although the provider's JWTs are bound by their issuer", func(t *testing.T) {
		t.Parallel()
		o := introspection(t, says(200, active(t, map[string]any{"aud": "https://other.example.com"})), func(c *verify.IntrospectionConfig) {
			c.Binding.Audience = facts.Audience{OrResource: true, IssuerBound: "the tokens of this provider name no audience"}
		})
		wantRefused(t, o, oauth.ReasonAudience)
	})
	t.Run("refuses our audience for another client", func(t *testing.T) {
		t.Parallel()
		p := says(200, active(t, map[string]any{"aud": "api://ours", "client_id": "other"}))
		wantRefused(t, introspection(t, p, both), oauth.ReasonAudience)
	})
	t.Run("accepts our client's token without an audience", func(t *testing.T) {
		t.Parallel()
		wantAccepted(t, introspection(t, says(200, active(t, map[string]any{"aud": nil})), both))
	})
	t.Run("refuses a token one of whose client claims names another client", func(t *testing.T) {
		t.Parallel()
		p := says(200, active(t, map[string]any{"azp": "other"}))
		o := introspection(t, p, func(c *verify.IntrospectionConfig) { c.Binding.ClientClaims = []string{"client_id", "azp"} })
		wantRefused(t, o, oauth.ReasonAudience)
	})
}

func TestIntrospectionJudgesEachResourceByItself(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p, byAudience)
	const other = "https://mcp.example.com/other"
	info, err := o.Verify(t.Context(), presented(opaqueToken, other))
	wantError(t, info, err, http.StatusUnauthorized, oauth.ReasonAudience)
	wantAccepted(t, o)
	info, err = o.Verify(t.Context(), presented(opaqueToken, other))
	wantError(t, info, err, http.StatusUnauthorized, oauth.ReasonAudience)
	if info := wantAccepted(t, o); info.Resource != opaqueResource {
		t.Errorf("the resource is %s", info.Resource)
	}
	if p.calls() != 2 {
		t.Errorf("the provider was asked %d times, want once per resource", p.calls())
	}
}

func TestACallerIsNamedForTheResourceThatItCallsAt(t *testing.T) {
	t.Parallel()
	p := says(200, active(t, nil))
	o := introspection(t, p)
	for _, resource := range []string{opaqueResource, opaqueResource + "/sse", opaqueResource} {
		if info, err := o.Verify(t.Context(), presented(opaqueToken, resource)); err != nil || info.Resource != resource {
			t.Errorf("at %s: %+v, %v", resource, info, err)
		}
	}
	if p.calls() != 1 {
		t.Errorf("the provider was asked %d times, want once", p.calls())
	}
}

// TestUnusableAnswersAreOutages: an answer that is none says nothing about the token, so clients
// are not sent to log in again.
func TestUnusableAnswersAreOutages(t *testing.T) {
	t.Parallel()
	good := active(t, nil)
	for name, p := range map[string]*providerAPI{
		"HTML":                               says(200, "<html>sign in</html>", "Content-Type", "text/html"),
		"a signed answer nobody asked for":   says(200, "eyJ.e30.x", "Content-Type", "application/token-introspection+jwt"),
		"an empty body":                      says(200, ""),
		"an array":                           says(200, "["+good+"]"),
		"null":                               says(200, "null"),
		"active as the string true":          says(200, active(t, map[string]any{"active": "true"})),
		"active as the number 1":             says(200, active(t, map[string]any{"active": 1})),
		"active null":                        says(200, strings.Replace(good, `"active":true`, `"active":null`, 1)),
		"active in another case":             says(200, active(t, map[string]any{"active": nil, "Active": true})),
		"no active":                          says(200, active(t, map[string]any{"active": nil})),
		"active twice":                       says(200, strings.Replace(good, `"active":true`, `"active":false,"active":true`, 1)),
		"sub twice":                          says(200, strings.Replace(good, `"sub":"alice"`, `"sub":"mallory","sub":"alice"`, 1)),
		"a duplicate deep inside":            says(200, strings.Replace(good, `{`, `{"a":{"b":1,"b":2},`, 1)),
		"trailing text":                      says(200, good+"x"),
		"two objects":                        says(200, good+good),
		"invalid UTF-8":                      says(200, strings.Replace(good, "alice", "al\xffice", 1)),
		"deep nesting":                       says(200, strings.Replace(good, `{`, `{"a":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+",", 1)),
		"an answer that is too large":        says(200, strings.Replace(good, `{`, `{"a":"`+strings.Repeat("x", 1<<20)+`",`, 1)),
		"an error with status 200":           says(200, `{"error":"server_error","active":true}`),
		"an error object with status 200":    says(200, strings.Replace(good, `{`, `{"error":{"code":401},`, 1)),
		"a redirect":                         says(302, good, "Location", "https://evil.example.com/"),
		"a created":                          says(201, good),
		"a bad request":                      says(400, `{"error":"invalid_request"}`),
		"not found":                          says(404, ""),
		"an internal error":                  says(500, good),
		"invalid_token with an internal one": says(500, `{"error":"invalid_token"}`),
		"a gateway's error":                  says(502, "<html>", "Content-Type", "text/html"),
	} {
		t.Run(name+" is an outage", func(t *testing.T) {
			t.Parallel()
			o := introspection(t, p)
			wantOutage(t, o)
			before := p.calls()
			wantOutage(t, o)
			if p.calls() != before+1 {
				t.Errorf("an outage was cached")
			}
		})
	}
}

func TestAnErrorThatSpeaksOfTheTokenIsARefusal(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]*providerAPI{
		"invalid_token with status 200": says(200, `{"error":"invalid_token"}`),
		"invalid_token with status 400": says(400, `{"error":"invalid_token","error_description":"no"}`),
		"invalid_token with status 401": says(401, `{"error":"invalid_token"}`),
		"a token of another type":       says(400, `{"error":"unsupported_token_type","error_description":"structured tokens cannot be introspected"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantRefused(t, introspection(t, p), oauth.ReasonInactive)
		})
	}
}

func TestAbsentExpiryNeedsAReason(t *testing.T) {
	t.Parallel()
	noExpiry := func(c *verify.IntrospectionConfig) {
		c.NoExpiry = "tokens of this provider live until they are revoked"
	}
	t.Run("accepts a token without exp where the provider's tokens have none", func(t *testing.T) {
		t.Parallel()
		info := wantAccepted(t, introspection(t, says(200, active(t, map[string]any{"exp": nil})), noExpiry))
		if !info.ExpiresAt.IsZero() {
			t.Errorf("it expires at %s", info.ExpiresAt)
		}
	})
	t.Run("still refuses an expired one", func(t *testing.T) {
		t.Parallel()
		p := says(200, active(t, map[string]any{"exp": opaqueNow.Unix() - 60}))
		wantRefused(t, introspection(t, p, noExpiry), oauth.ReasonExpired)
	})
	t.Run("still refuses an unreadable one", func(t *testing.T) {
		t.Parallel()
		p := says(200, active(t, map[string]any{"exp": "never"}))
		wantRefused(t, introspection(t, p, noExpiry), oauth.ReasonInvalidTime)
	})
}

func TestIntrospectionWithAnotherEnd(t *testing.T) {
	t.Parallel()
	later, past := opaqueNow.Add(30*time.Minute), opaqueNow.Add(-time.Hour)
	for name, c := range map[string]struct {
		changes map[string]any
		want    time.Time
		refused oauth.Reason
	}{
		"in milliseconds":       {map[string]any{"exp": nil, "expires_at": later.UnixMilli()}, later, ""},
		"in seconds":            {map[string]any{"exp": nil, "expires_at": later.Unix()}, later, ""},
		"earlier than exp":      {map[string]any{"expires_at": later.Unix()}, later, ""},
		"later than exp":        {map[string]any{"exp": later.Unix(), "expires_at": opaqueNow.Add(time.Hour).Unix()}, later, ""},
		"past, in milliseconds": {map[string]any{"exp": nil, "expires_at": past.UnixMilli()}, time.Time{}, oauth.ReasonExpired},
		"past, and exp is not":  {map[string]any{"expires_at": past.Unix()}, time.Time{}, oauth.ReasonExpired},
		"not to be read":        {map[string]any{"expires_at": "soon"}, time.Time{}, oauth.ReasonInvalidTime},
		"nowhere":               {map[string]any{"exp": nil}, time.Time{}, oauth.ReasonInvalidTime},
	} {
		t.Run("an end that is "+name, func(t *testing.T) {
			t.Parallel()
			o := introspection(t, says(200, active(t, c.changes)), func(config *verify.IntrospectionConfig) {
				config.Expiry = []facts.Expiry{{Claim: "expires_at", Format: facts.ExpirySecondsOrMilliseconds}}
			})
			if c.refused != "" {
				wantRefused(t, o, c.refused)
				return
			}
			if info := wantAccepted(t, o); !info.ExpiresAt.Equal(c.want.Truncate(time.Second)) && !info.ExpiresAt.Equal(c.want) {
				t.Errorf("the token ends at %s, want %s", info.ExpiresAt, c.want)
			}
		})
	}
}
