package verify_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

func TestAGoodTokenNamesItsCaller(t *testing.T) {
	t.Parallel()
	mapper, err := verify.NewMapper(facts.ClaimMap{
		Email: []string{"email"}, Permissions: facts.List{From: []string{"permissions"}}, Extra: []facts.Extra{{Claim: "org_id", As: "organization"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, func(c *verify.Config) { c.Mapper = mapper })
	changes := map[string]any{
		"email": "a@example.com", "permissions": []string{"notes:read"}, "org_id": "org-1", "aud": []string{"https://api.example.com", resource},
		"exp": float64(now.Unix()) + 3600.5,
	}
	for _, a := range []jose.Algorithm{jose.RS256, jose.ES256, jose.EdDSA} {
		text := signed(t, a, map[string]any{"typ": "at+jwt"}, payload(t, changes))
		info := wantCaller(t, v, text)
		if info.Provider != "example" || info.Issuer != issuer || info.Subject != "user-1" || info.ClientID != "client-1" || info.Resource != resource {
			t.Errorf("%s: got provider %q, issuer %q, subject %q, client %q, resource %q", a, info.Provider, info.Issuer, info.Subject, info.ClientID, info.Resource)
		}
		if want := now.Add(time.Hour + 500*time.Millisecond); !info.ExpiresAt.Equal(want) {
			t.Errorf("%s: expires at %s, want %s", a, info.ExpiresAt, want)
		}
		if !reflect.DeepEqual(info.Audience, changes["aud"]) || !reflect.DeepEqual(info.Scopes, []string{"read", "write"}) ||
			!reflect.DeepEqual(info.Permissions, []string{"notes:read"}) {
			t.Errorf("%s: got audience %q, scopes %q, permissions %q", a, info.Audience, info.Scopes, info.Permissions)
		}
		if info.User.ID != "user-1" || info.User.Email != "a@example.com" || info.User.Extra.String("organization") != "org-1" {
			t.Errorf("%s: got user %+v", a, info.User)
		}
		if info.Claims.String("org_id") != "org-1" || info.AccessToken.Reveal() != text {
			t.Errorf("%s: claims or access token are not the token's", a)
		}
		if got := v.UserInfo(info.Claims); !reflect.DeepEqual(got, info.User) {
			t.Errorf("%s: UserInfo gives %+v, want %+v", a, got, info.User)
		}
		fromClaims, err := v.VerifyToken(context.Background(), presented(text, resource))
		if err != nil || fromClaims.String("sub") != "user-1" {
			t.Errorf("%s: VerifyToken gives %v, %v", a, fromClaims, err)
		}
	}
}

func TestAUserMapperReplacesTheUserOnly(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *verify.Config) {
		c.UserMapper = oauth.UserMapperFunc(func(claims oauth.Claims) oauth.UserInfo {
			return oauth.UserInfo{ID: "mapped-" + claims.String("sub"), Scopes: []string{"everything"}, Permissions: []string{"everything"}}
		})
	})
	info := wantCaller(t, v, token(t, nil))
	if info.User.ID != "mapped-user-1" || info.Subject != "user-1" {
		t.Errorf("got user %q, subject %q", info.User.ID, info.Subject)
	}
	if info.HasAny("everything") || !info.HasAll("read", "write") {
		t.Errorf("a user mapper changed what the caller may do: scopes %q, permissions %q", info.Scopes, info.Permissions)
	}
	nobody := newVerifier(t, func(c *verify.Config) {
		c.UserMapper = oauth.UserMapperFunc(func(oauth.Claims) oauth.UserInfo { return oauth.UserInfo{} })
	})
	wantRefusal(t, nobody, token(t, nil), oauth.ReasonClaim)
}

func TestATokenMustNameItsUser(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	for name, sub := range map[string]any{"missing": nil, "empty": "", "an object": map[string]any{}, "a list": []string{"user-1"}, "true": true, "negative": -1, "fractional": 1.5} {
		t.Run("sub is "+name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, v, token(t, map[string]any{"sub": sub}), oauth.ReasonClaim)
		})
	}
	other, err := verify.NewMapper(facts.ClaimMap{UserID: []string{"uid"}})
	if err != nil {
		t.Fatal(err)
	}
	v = newVerifier(t, func(c *verify.Config) { c.Mapper = other })
	if info := wantCaller(t, v, token(t, map[string]any{"uid": "u-7", "sub": nil})); info.User.ID != "u-7" || info.Subject != "u-7" {
		t.Errorf("got user %q, subject %q", info.User.ID, info.Subject)
	}
}

// RS-4 and RS-6 (MCP authorization): a token is validated before anything else, and an invalid one
// is 401 invalid_token.
// covers: T-TOK-04, T-TOK-05, T-TOK-08, T-TOK-12, T-TOK-14, RS-4, RS-6
func TestShapes(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *verify.Config) { c.Rules.OpaqueHint = "Ask for the audience mcp." })
	good := token(t, nil)
	cut := strings.LastIndexByte(good, '.')
	for name, c := range map[string]struct {
		token string
		want  oauth.Reason
	}{
		"empty":                       {"", oauth.ReasonNotAJWT},
		"opaque":                      {"ya29.a0AfH6SMBxExampleExampleExample", oauth.ReasonNotAJWT},
		"two segments":                {good[:cut], oauth.ReasonNotAJWT},
		"four segments":               {good + ".x", oauth.ReasonNotAJWT},
		"a JWE":                       {"a.b.c.d.e", oauth.ReasonNotAJWT},
		"a stripped signature":        {good[:cut+1], oauth.ReasonMalformedToken},
		"a truncated signature":       {good[:len(good)-2], oauth.ReasonBadSignature},
		"the signature of another":    {good[:cut] + token(t, map[string]any{"sub": "user-2"})[strings.LastIndexByte(token(t, map[string]any{"sub": "user-2"}), '.'):], oauth.ReasonBadSignature},
		"a space before":              {" " + good, oauth.ReasonMalformedToken},
		"a space behind":              {good + " ", oauth.ReasonMalformedToken},
		"a line feed behind":          {good + "\n", oauth.ReasonMalformedToken},
		"a line feed inside":          {good[:cut+9] + "\n" + good[cut+9:], oauth.ReasonMalformedToken},
		"padding":                     {good + "=", oauth.ReasonMalformedToken},
		"as many bytes as may be":     {good + strings.Repeat("A", verify.MaxTokenSize-len(good)), oauth.ReasonMalformedToken},
		"one byte too much":           {good + strings.Repeat("A", verify.MaxTokenSize+1-len(good)), oauth.ReasonTokenTooLarge},
		"a megabyte":                  {strings.Repeat("A", 1<<20), oauth.ReasonTokenTooLarge},
		"a megabyte of dots":          {strings.Repeat(".", 1<<20), oauth.ReasonTokenTooLarge},
		"no JSON inside":              {signed(t, jose.EdDSA, nil, "sub=user-1"), oauth.ReasonMalformedToken},
		"an array inside":             {signed(t, jose.EdDSA, nil, `["user-1"]`), oauth.ReasonMalformedToken},
		"nothing inside":              {signed(t, jose.EdDSA, nil, ""), oauth.ReasonMalformedToken},
		"invalid UTF-8":               {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), "user-1", "user\xff", 1)), oauth.ReasonMalformedToken},
		"a NUL":                       {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), "user-1", `user\u0000`, 1)), oauth.ReasonMalformedToken},
		"a raw NUL":                   {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), "user-1", "user\x00", 1)), oauth.ReasonMalformedToken},
		"deep nesting":                {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), `"user-1"`, strings.Repeat("[", 5000)+strings.Repeat("]", 5000), 1)), oauth.ReasonMalformedToken},
		"text behind the claims":      {signed(t, jose.EdDSA, nil, payload(t, nil)+"{}"), oauth.ReasonMalformedToken},
		"a duplicate sub":             {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), "{", `{"sub":"admin",`, 1)), oauth.ReasonMalformedToken},
		"a duplicate behind escapes":  {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), "{", `{"\u0073ub":"admin",`, 1)), oauth.ReasonMalformedToken},
		"a duplicate exp":             {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), "{", `{"exp":99999999999,`, 1)), oauth.ReasonMalformedToken},
		"a duplicate in an object":    {signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), "{", `{"x":{"y":1,"y":2},`, 1)), oauth.ReasonMalformedToken},
		"crit":                        {signed(t, jose.EdDSA, map[string]any{"crit": []string{"exp"}, "exp": 1}, payload(t, nil)), oauth.ReasonCriticalHeader},
		"an unencoded payload":        {signed(t, jose.EdDSA, map[string]any{"crit": []string{"b64"}, "b64": false}, payload(t, nil)), oauth.ReasonCriticalHeader},
		"b64 of false alone":          {signed(t, jose.EdDSA, map[string]any{"b64": false}, payload(t, nil)), oauth.ReasonCriticalHeader},
		"a kid of ten kilobytes":      {signed(t, jose.EdDSA, map[string]any{"kid": strings.Repeat("k", 10<<10)}, payload(t, nil)), oauth.ReasonMalformedToken},
		"a kid with control bytes":    {signed(t, jose.EdDSA, map[string]any{"kid": "a\r\nb"}, payload(t, nil)), oauth.ReasonMalformedToken},
		"a kid that is a path":        {signed(t, jose.EdDSA, map[string]any{"kid": "../../../../dev/null"}, payload(t, nil)), oauth.ReasonUnknownKey},
		"a kid that is a URL":         {signed(t, jose.EdDSA, map[string]any{"kid": "https://evil.example.com/jwks"}, payload(t, nil)), oauth.ReasonUnknownKey},
		"a kid that is SQL":           {signed(t, jose.EdDSA, map[string]any{"kid": "' OR 1=1 --"}, payload(t, nil)), oauth.ReasonUnknownKey},
		"a kid of another algorithm":  {signed(t, jose.EdDSA, map[string]any{"kid": "key-RS256"}, payload(t, nil)), oauth.ReasonUnknownKey},
		"a kid that is a number":      {signed(t, jose.EdDSA, map[string]any{"kid": 1}, payload(t, nil)), oauth.ReasonMalformedToken},
		"no kid where one key fits":   {signed(t, jose.EdDSA, map[string]any{"kid": nil}, payload(t, nil)), ""},
		"unusual but valid spellings": {signed(t, jose.EdDSA, nil, strings.ReplaceAll(payload(t, nil), "/", `\/`)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.want == "" {
				wantCaller(t, v, c.token)
				return
			}
			wantRefusal(t, v, c.token, c.want)
		})
	}
}

func TestAnOpaqueTokenIsExplainedToTheOperator(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *verify.Config) { c.Rules.OpaqueHint = "Ask for the audience mcp." })
	e := wantRefusal(t, v, "gho_16C7e42F292c6912E7710c838347Ae178B4a", oauth.ReasonNotAJWT)
	for _, part := range []string{"is not a signed JWT", "Auth0 included", "valid audience", "check that configuration", "Ask for the audience mcp."} {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("%q lacks %q", e.Error(), part)
		}
	}
	e = wantRefusal(t, v, "a.b.c.d.e", oauth.ReasonNotAJWT)
	for _, part := range []string{"encrypted", "Turn token encryption off", "Auth0 included", "Ask for the audience mcp."} {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("a JWE is explained with %q, which lacks %q", e.Error(), part)
		}
	}
}

// covers: T-TOK-01
func TestAlgorithmsComeFromTheRules(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	good := strings.Split(token(t, nil), ".")
	for _, alg := range []any{
		"none", "None", "NONE", "nOnE", "none ", " none", "", "null", "HS256", "HS384", "HS512", "rs256", "Rs256", "RS256 ", "RS384", "PS256", "ES384",
		"ES256K", "EdDSA ", "eddsa", "ed25519", "Ed25519 ", "Ed448", "RSA-OAEP", "dir", "A128KW", "RS1", "ES256\u200b",
	} {
		for name, forged := range map[string]string{
			"signed by the provider": signed(t, jose.EdDSA, map[string]any{"alg": alg}, payload(t, nil)),
			"with a stripped signature": strings.Join(append(
				strings.Split(signed(t, jose.EdDSA, map[string]any{"alg": alg}, payload(t, nil)), ".")[:2], ""), "."),
			"with a borrowed signature": strings.Join(append(
				strings.Split(signed(t, jose.EdDSA, map[string]any{"alg": alg}, payload(t, nil)), ".")[:2], good[2]), "."),
		} {
			e := wantRefusal(t, v, forged, oauth.ReasonAlgorithmNotAllowed, oauth.ReasonMalformedToken)
			if strings.Contains(e.Error(), "\u200b") {
				t.Errorf("alg %q %s: the error is not escaped", alg, name)
			}
		}
	}
	for name, alg := range map[string]any{"missing": nil, "a list": []string{"RS256"}, "a number": 256, "an object": map[string]any{}} {
		if name == "missing" {
			wantRefusal(t, v, signed(t, jose.EdDSA, map[string]any{"alg": nil}, payload(t, nil)), oauth.ReasonAlgorithmNotAllowed)
			continue
		}
		wantRefusal(t, v, signed(t, jose.EdDSA, map[string]any{"alg": alg}, payload(t, nil)), oauth.ReasonMalformedToken)
	}
	// A genuine key of the provider, for an algorithm that the rules do not list.
	wantRefusal(t, v, signed(t, jose.PS256, nil, payload(t, nil)), oauth.ReasonAlgorithmNotAllowed)
	// The same algorithm under the name of another: each token has one.
	wantRefusal(t, v, signed(t, jose.RS256, map[string]any{"alg": "ES256"}, payload(t, nil)), oauth.ReasonUnknownKey)
}

// RFC 9864: EdDSA with Ed25519 has two names. The rules may list either; each key keeps to the one
// that it names.
// covers: T-TOK-01, T-TOK-02
func TestEd25519IsTheOtherNameOfEdDSA(t *testing.T) {
	t.Parallel()
	named, old := generate(t, jose.Ed25519, "new"), generate(t, jose.EdDSA, "old")
	verifier := func(keys *published, algorithms ...string) *verify.JWT {
		return newVerifier(t, func(c *verify.Config) { c.Keys = keys }, rules(func(r *facts.Rules) { r.Algorithms = algorithms }))
	}
	token := func(key *jose.SigningKey, alg jose.Algorithm, id any) string {
		return signedWith(t, key, map[string]any{"alg": alg, "kid": id}, payload(t, nil))
	}
	both := publish(t, named, old)
	for _, id := range []any{"new", nil} {
		wantCaller(t, verifier(both, "EdDSA"), token(named, jose.Ed25519, id))
		wantCaller(t, verifier(both, "Ed25519"), token(named, jose.Ed25519, id))
	}
	wantCaller(t, verifier(both, "EdDSA"), token(old, jose.EdDSA, "old"))
	wantRefusal(t, verifier(both, "Ed25519"), token(old, jose.EdDSA, "old"), oauth.ReasonAlgorithmNotAllowed)
	wantRefusal(t, verifier(both, "RS256", "ES256"), token(named, jose.Ed25519, "new"), oauth.ReasonAlgorithmNotAllowed)

	v := verifier(publish(t, named, old, signingKeys()[jose.RS256], signingKeys()[jose.ES256]), "EdDSA", "RS256", "ES256")
	forged := generate(t, jose.Ed25519, "new")
	good := strings.Split(token(named, jose.Ed25519, "new"), ".")
	for name, c := range map[string]struct {
		token string
		want  oauth.Reason
	}{
		"the old name with a key of the new":      {token(named, jose.EdDSA, "new"), oauth.ReasonUnknownKey},
		"the new name with a key of the old":      {token(old, jose.Ed25519, "old"), oauth.ReasonUnknownKey},
		"the new name with an RSA key":            {token(named, jose.Ed25519, "key-RS256"), oauth.ReasonUnknownKey},
		"the new name with a P-256 key":           {token(named, jose.Ed25519, "key-ES256"), oauth.ReasonUnknownKey},
		"another algorithm's name with its key":   {token(named, jose.ES256, "new"), oauth.ReasonUnknownKey},
		"somebody else's key of the same name":    {token(forged, jose.Ed25519, "new"), oauth.ReasonBadSignature},
		"another token's signature":               {good[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(payload(t, map[string]any{"sub": "admin"}))) + "." + good[2], oauth.ReasonBadSignature},
		"a header changed to the old name":        {base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"EdDSA","kid":"old"}`)) + "." + good[1] + "." + good[2], oauth.ReasonBadSignature},
		"no signature":                            {good[0] + "." + good[1] + ".", oauth.ReasonMalformedToken},
		"an HMAC with the public key as a secret": {hmacWithPublicKey(t, named), oauth.ReasonAlgorithmNotAllowed},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, v, c.token, c.want)
		})
	}
}

func generate(t *testing.T, a jose.Algorithm, id string) *jose.SigningKey {
	t.Helper()
	key, err := jose.GenerateKey(a, id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// hmacWithPublicKey signs with HS256 and the bytes of a public key, for whoever takes them for a
// secret.
func hmacWithPublicKey(t *testing.T, key *jose.SigningKey) string {
	t.Helper()
	forger, err := jose.NewSecretSigningKey(jose.HS256, key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return signedWith(t, forger, map[string]any{"kid": "new"}, payload(t, nil))
}

// covers: T-TOK-03, T-TOK-05
func TestATokenBringsNoKey(t *testing.T) {
	t.Parallel()
	attacker, err := jose.GenerateKey(jose.EdDSA, "attacker")
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := attacker.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	for name, header := range map[string]map[string]any{
		"jwk":                {"jwk": jwk},
		"jwk and no kid":     {"jwk": jwk, "kid": nil},
		"jwk and a real kid": {"jwk": jwk, "kid": "key-EdDSA"},
		"jku":                {"jku": "https://evil.example.com/jwks"},
		"jku and a real kid": {"jku": "https://evil.example.com/jwks", "kid": "key-EdDSA"},
		"x5u":                {"x5u": "https://evil.example.com/cert.pem", "kid": "key-EdDSA"},
		"x5c":                {"x5c": []string{"MIIB"}, "kid": "key-EdDSA"},
		"x5t":                {"x5t": "AAAA", "kid": "key-EdDSA"},
		"nothing":            {"kid": "key-EdDSA"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := asymmetric(t)
			v := newVerifier(t, func(c *verify.Config) { c.Keys = keys })
			wantRefusal(t, v, signedWith(t, attacker, header, payload(t, nil)), oauth.ReasonUnknownKey, oauth.ReasonBadSignature)
			for _, id := range keys.asked {
				if id != "" && id != "attacker" && id != "key-EdDSA" {
					t.Errorf("a key named %q was asked for", id)
				}
			}
		})
	}
	// Beside a good signature they are harmless: some providers send them.
	wantCaller(t, newVerifier(t), signed(t, jose.EdDSA, map[string]any{"jwk": jwk, "jku": "https://idp.example.com/jwks", "x5t": "AAAA"}, payload(t, nil)))
}

// covers: T-TOK-13
func TestTypes(t *testing.T) {
	t.Parallel()
	usual := newVerifier(t)
	strict := newVerifier(t, rules(func(r *facts.Rules) { r.Types = []string{"application/at+jwt"} }))
	for _, c := range []struct {
		typ           any
		usual, strict bool
	}{
		{nil, true, false}, {"", true, false}, {"JWT", true, false}, {"jwt", true, false}, {"application/jwt", true, false},
		{"at+jwt", true, true}, {"AT+JWT", true, true}, {"application/at+jwt", true, true}, {"Application/At+Jwt", true, true},
		{"id_token+jwt", false, false}, {"logout+jwt", false, false}, {"dpop+jwt", false, false}, {"secevent+jwt", false, false},
		{"rt+jwt", false, false}, {"oauth-authz-req+jwt", false, false}, {"application/", false, false}, {"at+jwt ", false, false},
		{"application/application/at+jwt", false, false}, {"x/at+jwt", false, false},
	} {
		text := signed(t, jose.EdDSA, map[string]any{"typ": c.typ}, payload(t, nil))
		for _, side := range []struct {
			name string
			v    *verify.JWT
			want bool
		}{{"usual", usual, c.usual}, {"strict", strict, c.strict}} {
			_, err := side.v.Verify(context.Background(), presented(text, resource))
			if got := err == nil; got != side.want {
				t.Errorf("typ %q with %s rules: accepted is %v, want %v (%v)", c.typ, side.name, got, side.want, err)
			}
			if err != nil && !errors.Is(err, &oauth.Error{Code: oauth.CodeInvalidToken, Reason: oauth.ReasonTokenType}) {
				t.Errorf("typ %q: got %v", c.typ, err)
			}
		}
	}
}

// Case is that of ASCII: in Unicode the long s is another s, and the sign for kelvin another k.
func TestALookalikeOfATypeIsAnotherType(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, rules(func(r *facts.Rules) { r.Types = []string{"task+jwt"} }))
	for _, typ := range []string{"task+jwt", "TASK+JWT"} {
		wantCaller(t, v, signed(t, jose.EdDSA, map[string]any{"typ": typ}, payload(t, nil)))
	}
	for _, typ := range []string{"ta\u017fk+jwt", "tas\u212a+jwt"} {
		wantRefusal(t, v, signed(t, jose.EdDSA, map[string]any{"typ": typ}, payload(t, nil)), oauth.ReasonTokenType)
	}
}

// A log line holds a part of a value that a token makes up, whatever its length.
func TestErrorsQuoteAPartOfALongValue(t *testing.T) {
	t.Parallel()
	e := wantRefusal(t, newVerifier(t), token(t, map[string]any{"iss": "https://" + strings.Repeat("x", 1500)}), oauth.ReasonIssuer)
	if !strings.Contains(e.Error(), strings.Repeat("x", 100)) || strings.Contains(e.Error(), strings.Repeat("x", 200)) {
		t.Errorf("the error is %v", e)
	}
}

// covers: T-TOK-09, T-TOK-10
func TestIssuersAreComparedByteForByte(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	for name, iss := range map[string]any{
		"missing":               nil,
		"empty":                 "",
		"with a slash":          issuer + "/",
		"without its path":      "https://idp.example.com",
		"in upper case":         strings.ToUpper(issuer),
		"with an upper host":    "https://IDP.example.com/tenant",
		"with a port":           "https://idp.example.com:443/tenant",
		"with another port":     "https://idp.example.com:8443/tenant",
		"over http":             "http://idp.example.com/tenant",
		"with a dot":            "https://idp.example.com./tenant",
		"with a query":          issuer + "?",
		"with a fragment":       issuer + "#",
		"with userinfo":         "https://a@idp.example.com/tenant",
		"of another tenant":     "https://idp.example.com/tenant2",
		"with a dot segment":    "https://idp.example.com/x/../tenant",
		"percent-encoded":       "https://idp.example.com/%74enant",
		"with a lookalike":      "https://idp.exаmple.com/tenant", // Cyrillic а
		"with a fullwidth one":  "https://ｉdp.example.com/tenant",
		"with a zero width":     issuer + "\u200b",
		"with a space":          issuer + " ",
		"a list":                []string{issuer},
		"an object":             map[string]any{"iss": issuer},
		"a prefix of ours":      issuer[:len(issuer)-1],
		"a decomposed spelling": "https://idp.exa\u0301mple.com/tenant",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := asymmetric(t)
			v := newVerifier(t, func(c *verify.Config) { c.Keys = keys })
			wantRefusal(t, v, token(t, map[string]any{"iss": iss}), oauth.ReasonIssuer)
			if len(keys.asked) != 0 {
				t.Error("a key was looked up for a token of somebody else")
			}
		})
	}
	wantRefusal(t, v, signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), `"iss"`, `"ISS"`, 1)), oauth.ReasonIssuer)
	both := newVerifier(t, rules(func(r *facts.Rules) { r.Issuers = []string{"https://other.example.com", issuer} }))
	if info := wantCaller(t, both, token(t, nil)); info.Issuer != issuer {
		t.Errorf("got issuer %q", info.Issuer)
	}
}

// RS-5 (MCP authorization): only tokens issued for this server are accepted.
// covers: T-TOK-11, RS-5
func TestAudiences(t *testing.T) {
	t.Parallel()
	ours := []any{resource, []string{resource}, []string{"https://api.example.com", resource}, []string{resource, ""}}
	foreign := map[string]any{
		"missing":                   nil,
		"empty":                     "",
		"an empty list":             []string{},
		"a list of nothing":         []string{""},
		"another server":            "https://other.example.com/mcp",
		"a prefix of ours":          "https://mcp.example.com",
		"ours and more":             resource + "/admin",
		"ours with a slash":         resource + "/",
		"ours in another case":      "https://mcp.example.com/MCP",
		"ours with a port":          "https://mcp.example.com:443/mcp",
		"ours over http":            "http://mcp.example.com/mcp",
		"ours with a query":         resource + "?",
		"a lookalike of ours":       "https://mcp.exаmple.com/mcp",
		"a list without ours":       []string{"https://a.example.com", "https://b.example.com"},
		"a list with a number":      []any{resource, 1},
		"a list with null":          []any{resource, nil},
		"a list in a list":          []any{[]string{resource}},
		"an object":                 map[string]any{"aud": resource},
		"an object with our name":   map[string]any{resource: true},
		"true":                      true,
		"a number":                  1,
		"ours among others by text": resource + " https://other.example.com",
		"ours with commas":          "x," + resource,
		"more than are quoted":      []string{strings.Repeat("x", 1000), "2", "3", "4", "5", "6", "7"},
	}
	t.Run("of the resource", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		for _, aud := range ours {
			wantCaller(t, v, token(t, map[string]any{"aud": aud}))
		}
		for name, aud := range foreign {
			t.Run(name, func(t *testing.T) {
				e := wantRefusal(t, v, token(t, map[string]any{"aud": aud}), oauth.ReasonAudience)
				if !strings.Contains(e.Error(), "Register the server as an API.") {
					t.Errorf("%q lacks the hint", e.Error())
				}
			})
		}
		wantRefusal(t, v, signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), `"aud"`, `"AUD"`, 1)), oauth.ReasonAudience)
		for _, aud := range []any{resource, "", "/", []string{""}, nil} {
			if _, err := v.Verify(context.Background(), presented(token(t, map[string]any{"aud": aud}), "")); err == nil {
				t.Errorf("audience %q is accepted where the server has no resource URL", aud)
			}
		}
	})
	t.Run("of a resource without a path, also with the slash of URL libraries", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		for aud, want := range map[string]bool{
			"https://mcp.example.com": true, "https://mcp.example.com/": true, "https://mcp.example.com//": false, "https://mcp.example.com/mcp": false,
		} {
			_, err := v.Verify(context.Background(), presented(token(t, map[string]any{"aud": aud}), "https://mcp.example.com"))
			if got := err == nil; got != want {
				t.Errorf("%s: accepted is %v, want %v", aud, got, want)
			}
		}
	})
	t.Run("of configured values, which replace the resource", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, rules(func(r *facts.Rules) {
			r.Audience = facts.Audience{AnyOf: []string{"", "api-1", "api-2"}, OrResource: true}
		}))
		wantCaller(t, v, token(t, map[string]any{"aud": "api-2"}))
		wantCaller(t, v, token(t, map[string]any{"aud": []string{"x", "api-1"}}))
		wantRefusal(t, v, token(t, nil), oauth.ReasonAudience)
		wantRefusal(t, v, token(t, map[string]any{"aud": ""}), oauth.ReasonAudience)
		wantRefusal(t, v, token(t, map[string]any{"aud": "api-"}), oauth.ReasonAudience)
	})
	t.Run("of configured values and of the resource beside them", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, rules(func(r *facts.Rules) {
			r.Audience = facts.Audience{AnyOf: []string{"", "api-1"}, AlsoResource: true}
		}))
		wantCaller(t, v, token(t, map[string]any{"aud": "api-1"}))
		wantCaller(t, v, token(t, nil))
		wantRefusal(t, v, token(t, map[string]any{"aud": ""}), oauth.ReasonAudience)
		wantRefusal(t, v, token(t, map[string]any{"aud": resource + "/other"}), oauth.ReasonAudience)
		wantRefusal(t, v, token(t, map[string]any{"aud": []string{"api-2", "https://other.example.com/mcp"}}), oauth.ReasonAudience)
	})
	t.Run("in another claim", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, rules(func(r *facts.Rules) { r.Audience = facts.Audience{Claim: "client_id", AnyOf: []string{"client-1"}} }))
		if info := wantCaller(t, v, token(t, nil)); !slices.Equal(info.Audience, []string{resource}) {
			t.Errorf("got audience %q", info.Audience)
		}
		wantRefusal(t, v, token(t, map[string]any{"client_id": "client-2", "aud": "client-1"}), oauth.ReasonAudience)
	})
	t.Run("that a provider cannot name", func(t *testing.T) {
		t.Parallel()
		bound := func(values ...string) *verify.JWT {
			return newVerifier(t, rules(func(r *facts.Rules) {
				r.Audience = facts.Audience{AnyOf: values, IssuerBound: "tokens of this provider have no audience"}
			}))
		}
		wantCaller(t, bound(), token(t, map[string]any{"aud": nil}))
		wantCaller(t, bound(""), token(t, map[string]any{"aud": "anything"}))
		wantCaller(t, bound("api-1"), token(t, map[string]any{"aud": "api-1"}))
		wantRefusal(t, bound("api-1"), token(t, map[string]any{"aud": nil}), oauth.ReasonAudience)
		wantRefusal(t, bound("api-1"), token(t, map[string]any{"aud": "api-2"}), oauth.ReasonAudience)
	})
}

// covers: T-TOK-12, R20
func TestTimes(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	at := func(d time.Duration) float64 { return float64(now.Add(d).UnixMilli()) / 1000 }
	for name, c := range map[string]struct {
		claim string
		value any
		want  oauth.Reason
	}{
		"exp missing":                   {"exp", nil, oauth.ReasonInvalidTime},
		"exp is null":                   {"exp", jsonNull{}, oauth.ReasonInvalidTime},
		"exp is a string":               {"exp", "1900000000", oauth.ReasonInvalidTime},
		"exp is a date":                 {"exp", "2030-01-01T00:00:00Z", oauth.ReasonInvalidTime},
		"exp is true":                   {"exp", true, oauth.ReasonInvalidTime},
		"exp is a list":                 {"exp", []int64{now.Unix() + 60}, oauth.ReasonInvalidTime},
		"exp is negative":               {"exp", -1, oauth.ReasonInvalidTime},
		"exp is zero":                   {"exp", 0, oauth.ReasonExpired},
		"exp beyond 2^53":               {"exp", number("9007199254740994"), oauth.ReasonInvalidTime},
		"exp beyond a float":            {"exp", number("1e400"), oauth.ReasonInvalidTime},
		"exp in milliseconds":           {"exp", now.UnixMilli() + 1000, ""}, // a date far away is a number all the same
		"exp just passed, with leeway":  {"exp", at(-29 * time.Second), ""},
		"exp at the end of the leeway":  {"exp", at(-30 * time.Second), oauth.ReasonExpired},
		"exp beyond the leeway":         {"exp", at(-31 * time.Second), oauth.ReasonExpired},
		"exp with a fraction":           {"exp", at(500 * time.Millisecond), ""},
		"exp with a fraction, too late": {"exp", at(-30*time.Second - 500*time.Millisecond), oauth.ReasonExpired},
		"exp with an exponent":          {"exp", number("1.9e9"), ""},
		"nbf missing":                   {"nbf", nil, ""},
		"nbf passed":                    {"nbf", at(-time.Hour), ""},
		"nbf within the leeway":         {"nbf", at(30 * time.Second), ""},
		"nbf beyond the leeway":         {"nbf", at(31 * time.Second), oauth.ReasonNotYetValid},
		"nbf is a string":               {"nbf", "0", oauth.ReasonInvalidTime},
		"nbf is null":                   {"nbf", jsonNull{}, oauth.ReasonInvalidTime},
		"nbf is negative":               {"nbf", -5, oauth.ReasonInvalidTime},
		"nbf beyond 2^53":               {"nbf", number("1e18"), oauth.ReasonInvalidTime},
		"nbf in a far year":             {"nbf", number("9007199254740992"), oauth.ReasonNotYetValid},
		"iat missing":                   {"iat", nil, ""},
		"R20 iat 40 seconds ahead":      {"iat", at(40 * time.Second), ""},
		"R20 iat a day ahead":           {"iat", at(24 * time.Hour), ""},
		"iat more than a day ahead":     {"iat", at(24*time.Hour + time.Second), oauth.ReasonNotYetValid},
		"iat is a string":               {"iat", "now", oauth.ReasonInvalidTime},
		"iat is long ago":               {"iat", at(-365 * 24 * time.Hour), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := token(t, map[string]any{c.claim: c.value})
			if c.want == "" {
				wantCaller(t, v, text)
				return
			}
			wantRefusal(t, v, text, c.want)
		})
	}
	t.Run("EXP in upper case is not exp", func(t *testing.T) {
		t.Parallel()
		wantRefusal(t, v, signed(t, jose.EdDSA, nil, strings.Replace(payload(t, nil), `"exp"`, `"EXP"`, 1)), oauth.ReasonInvalidTime)
		wantRefusal(t, v, token(t, map[string]any{"exp": now.Unix() - 60, "EXP": now.Unix() + 60}), oauth.ReasonExpired)
	})
	t.Run("no leeway when none is configured", func(t *testing.T) {
		t.Parallel()
		exact := newVerifier(t, func(c *verify.Config) { c.Leeway = 0 })
		wantRefusal(t, exact, token(t, map[string]any{"exp": now.Unix()}), oauth.ReasonExpired)
		wantCaller(t, exact, token(t, map[string]any{"exp": now.Unix() + 1}))
	})
	t.Run("an expired token costs no look-up of a key", func(t *testing.T) {
		t.Parallel()
		keys := asymmetric(t)
		v := newVerifier(t, func(c *verify.Config) { c.Keys = keys })
		wantRefusal(t, v, token(t, map[string]any{"exp": now.Unix() - 60}), oauth.ReasonExpired)
		if len(keys.asked) != 0 {
			t.Error("a key was looked up")
		}
	})
}

// jsonNull marshals as null, which a nil in claims cannot.
type jsonNull struct{}

func (jsonNull) MarshalJSON() ([]byte, error) { return []byte("null"), nil }

// number marshals as its own text.
type number string

func (n number) MarshalJSON() ([]byte, error) { return []byte(n), nil }

// RS-4 (MCP authorization): other tokens of the same provider, for the same audience and signed
// with the same key, are no access tokens.
// covers: T-TOK-13, RS-4
func TestOtherTokensOfTheProviderAreRefused(t *testing.T) {
	t.Parallel()
	idToken := map[string]any{"nonce": "n-0S6_WzA2Mj", "auth_time": now.Unix(), "email": "a@example.com", "scope": nil, "client_id": nil, "azp": "client-1"}
	for name, c := range map[string]struct {
		claims map[string]any
		want   oauth.Reason
	}{
		"an ID token with at_hash":                  {map[string]any{"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}, oauth.ReasonTokenType},
		"an ID token with c_hash":                   {map[string]any{"c_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}, oauth.ReasonTokenType},
		"an ID token with s_hash":                   {map[string]any{"s_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}, oauth.ReasonTokenType},
		"an ID token of the code flow, with nonce":  {idToken, oauth.ReasonTokenType},
		"an ID token by token_use":                  {map[string]any{"token_use": "id"}, oauth.ReasonTokenType},
		"a refresh token by token_use":              {map[string]any{"token_use": "refresh"}, oauth.ReasonTokenType},
		"a refresh token by token_use in full":      {map[string]any{"token_use": "refresh_token"}, oauth.ReasonTokenType},
		"a refresh token by token_type":             {map[string]any{"token_type": "Refresh"}, oauth.ReasonTokenType},
		"a refresh token by tokenType":              {map[string]any{"tokenType": "refresh-token"}, oauth.ReasonTokenType},
		"a refresh token by TokenType":              {map[string]any{"tokenType": "access-token", "TokenType": "refresh-token"}, oauth.ReasonTokenType},
		"an ID token by the claim typ":              {map[string]any{"typ": "ID"}, oauth.ReasonTokenType},
		"a refresh token by the claim typ":          {map[string]any{"typ": "Refresh"}, oauth.ReasonTokenType},
		"an offline token by the claim typ":         {map[string]any{"typ": "Offline"}, oauth.ReasonTokenType},
		"a logout token by the claim typ":           {map[string]any{"typ": "Logout"}, oauth.ReasonTokenType},
		"a logout token":                            {map[string]any{"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}, oauth.ReasonTokenType},
		"a token bound by DPoP":                     {map[string]any{"cnf": map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}, oauth.ReasonSenderConstrained},
		"a token bound to a certificate":            {map[string]any{"cnf": map[string]any{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}, oauth.ReasonSenderConstrained},
		"a token with an odd cnf":                   {map[string]any{"cnf": "x"}, oauth.ReasonSenderConstrained},
		"an access token with a nonce and a scope":  {map[string]any{"nonce": "n-0S6_WzA2Mj"}, ""},
		"an access token with auth_time and acr":    {map[string]any{"auth_time": now.Unix(), "acr": "1", "sid": "s-1", "email": "a@example.com"}, ""},
		"an access token by token_use":              {map[string]any{"token_use": "access"}, ""},
		"an access token by the claim typ":          {map[string]any{"typ": "Bearer"}, ""},
		"an access token without scope and client":  {map[string]any{"scope": nil, "client_id": nil}, ""},
		"an access token with another events claim": {map[string]any{"events": []string{"concert"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if v, text := newVerifier(t), token(t, c.claims); c.want != "" {
				wantRefusal(t, v, text, c.want)
			} else {
				wantCaller(t, v, text)
			}
		})
	}
	t.Run("unless the provider's access tokens are known to look like that", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, rules(func(r *facts.Rules) {
			r.IDTokenShaped = "this provider signs access tokens with the code of ID tokens"
		}))
		wantCaller(t, v, token(t, map[string]any{"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}))
		wantCaller(t, v, token(t, idToken))
		wantRefusal(t, v, token(t, map[string]any{"token_use": "id"}), oauth.ReasonTokenType)
		wantRefusal(t, v, token(t, map[string]any{"at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng", "c_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}), oauth.ReasonTokenType)
		wantRefusal(t, v, token(t, map[string]any{"s_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"}), oauth.ReasonTokenType)
	})
}

// covers: T-TOK-13
func TestRequiredClaims(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, rules(func(r *facts.Rules) {
		r.Require = []facts.Requirement{
			{Claim: "token_use", AnyOf: []string{"access"}, Hint: "Send the access token."},
			{Claim: "app.kind", Hint: "Not a token of the OAuth server."},
		}
	}))
	app := map[string]any{"kind": "mcp"}
	wantCaller(t, v, token(t, map[string]any{"token_use": "access", "app": app}))
	wantCaller(t, v, token(t, map[string]any{"token_use": []string{"x", "access"}, "app": app}))
	for name, changes := range map[string]map[string]any{
		"a value is missing":        {"app": app},
		"a value is another":        {"token_use": "session", "app": app},
		"a value has another case":  {"token_use": "Access", "app": app},
		"a value is no string":      {"token_use": true, "app": app},
		"a list has something else": {"token_use": []any{"access", 1}, "app": app},
		"a claim is missing":        {"token_use": "access"},
		"a claim is null":           {"token_use": "access", "app": map[string]any{"kind": nil}},
		"a claim is empty":          {"token_use": "access", "app": map[string]any{"kind": ""}},
		"a claim is false":          {"token_use": "access", "app": map[string]any{"kind": false}},
		"a parent is no object":     {"token_use": "access", "app": "kind"},
		"a claim has a dot instead": {"token_use": "access", "app.kind": "mcp"},
		"a claim has another case":  {"token_use": "access", "app": map[string]any{"Kind": "mcp"}},
	} {
		t.Run("refuses when "+name, func(t *testing.T) {
			t.Parallel()
			e := wantRefusal(t, v, token(t, changes), oauth.ReasonClaim)
			if !strings.Contains(e.Error(), "Send the access token.") && !strings.Contains(e.Error(), "Not a token of the OAuth server.") {
				t.Errorf("%q lacks the hint", e.Error())
			}
		})
	}
}

// A claim that only another kind of token has is as good as a wrong value: Stytch tells its session
// tokens by one.
// covers: T-TOK-13
func TestClaimsThatMustBeAbsent(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, rules(func(r *facts.Rules) {
		r.Require = []facts.Requirement{{Claim: "urn:session", Absent: true, Hint: "Send the access token."}}
	}))
	wantCaller(t, v, token(t, nil))
	wantCaller(t, v, token(t, map[string]any{"urn:session": jsonNull{}}))
	for name, value := range map[string]any{"has a value": "session-1", "is empty": "", "is false": false, "is an object": map[string]any{}} {
		t.Run("refuses when the claim "+name, func(t *testing.T) {
			t.Parallel()
			e := wantRefusal(t, v, token(t, map[string]any{"urn:session": value}), oauth.ReasonClaim)
			if !strings.Contains(e.Error(), "has the claim urn:session") || !strings.Contains(e.Error(), "Send the access token.") {
				t.Errorf("%q says something else", e.Error())
			}
		})
	}
}

// Some providers number their accounts.
func TestRequiredNumbers(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, rules(func(r *facts.Rules) { r.Require = []facts.Requirement{{Claim: "account", AnyOf: []string{"62515"}}} }))
	for _, account := range []any{62515, "62515", []string{"1", "62515"}} {
		wantCaller(t, v, token(t, map[string]any{"account": account}))
	}
	for _, account := range []any{62516, -62515, 62515.5, "062515", []int{62515}, true, nil} {
		wantRefusal(t, v, token(t, map[string]any{"account": account}), oauth.ReasonClaim)
	}
}

// covers: T-TOK-09
func TestNamesOfClaimsKeepTheirCase(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	info := wantCaller(t, v, token(t, map[string]any{"SUB": "admin", "Sub": "admin", "SCOPE": "admin", "Client_ID": "admin", "ISS": "x", "AUD": "x", "EXP": 1}))
	if info.User.ID != "user-1" || info.Subject != "user-1" || info.ClientID != "client-1" || slices.Contains(info.Scopes, "admin") {
		t.Errorf("a claim in another case was read: %+v", info)
	}
	wantRefusal(t, v, token(t, map[string]any{"SUB": "admin", "sub": nil}), oauth.ReasonClaim)
}

// covers: T-TOK-02
func TestSharedSecrets(t *testing.T) {
	t.Parallel()
	const missing = "JWT Secret is required for HS256 tokens."
	secretKey := signingKeys()[jose.HS256]
	with := func(secret oauth.Secret) *verify.JWT {
		return newVerifier(t, rules(func(r *facts.Rules) {
			r.Algorithms = []string{"HS256", "RS256"}
			r.SharedSecrets = []facts.SharedSecret{{Algorithm: "HS256", Secret: secret, Missing: missing}}
		}))
	}
	v := with(oauth.Secret(secretKey.Secret()))
	wantCaller(t, v, signedWith(t, secretKey, nil, payload(t, nil)))
	wantCaller(t, v, signed(t, jose.RS256, nil, payload(t, nil)))
	wantCaller(t, v, signedWith(t, secretKey, map[string]any{"kid": "key-RS256"}, payload(t, nil))) // the name of a public key is no such key
	other, err := jose.GenerateKey(jose.HS256, "")
	if err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, v, signedWith(t, other, nil, payload(t, nil)), oauth.ReasonBadSignature)
	for name, secret := range publicForms(t, signingKeys()[jose.RS256]) {
		forger, err := jose.NewSecretSigningKey(jose.HS256, secret)
		if err != nil {
			t.Fatal(err)
		}
		forged := signedWith(t, forger, map[string]any{"kid": "key-RS256"}, payload(t, nil))
		t.Run("a public key as secret, "+name, func(t *testing.T) {
			t.Parallel()
			wantRefusal(t, v, forged, oauth.ReasonBadSignature)
			wantRefusal(t, newVerifier(t), forged, oauth.ReasonAlgorithmNotAllowed)
		})
	}
	e := wantRefusal(t, with(""), signedWith(t, secretKey, nil, payload(t, nil)), oauth.ReasonConfigurationMissing)
	if e.Cause == nil || e.Cause.Error() != missing {
		t.Errorf("got cause %v, want %q", e.Cause, missing)
	}
	wantCaller(t, with(""), signed(t, jose.RS256, nil, payload(t, nil)))
}

// covers: T-TOK-19
func TestOutagesPassThrough(t *testing.T) {
	t.Parallel()
	keys := asymmetric(t)
	keys.err = oauth.Unavailable(7*time.Second, errors.New("down"))
	v := newVerifier(t, func(c *verify.Config) { c.Keys = keys })
	_, err := v.Verify(context.Background(), presented(token(t, nil), resource))
	var e *oauth.Error
	if !errors.As(err, &e) || e.Status != http.StatusServiceUnavailable || e.RetryAfter != 7*time.Second {
		t.Errorf("got %v, want the 503 of the key source", err)
	}
}

func TestVerificationIsConcurrent(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(c *verify.Config) { c.Insecure.SkipAudience = true })
	good, expired := token(t, nil), token(t, map[string]any{"exp": 1})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				wantCaller(t, v, good)
				wantRefusal(t, v, expired, oauth.ReasonExpired)
			}
		})
	}
	all.Wait()
}
