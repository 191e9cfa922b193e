package providertest

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// variant returns the first accepted token with other claims.
func (w *world) variant(claims map[string]any) Token {
	token := w.suite.Accept[0]
	all := maps.Clone(token.Claims)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, claims)
	return Token{Header: token.Header, Claims: all, Profile: token.Profile}
}

// misdirected returns the first accepted token with another audience.
func (w *world) misdirected(audience any) Token {
	token := w.variant(nil)
	token.audience = &audience
	return token
}

// variation is a token that no provider may accept.
type variation struct {
	name   string
	token  Token
	reason oauth.Reason
}

// checkClaims rejects variations of a good token.
func (w *world) checkClaims(t *testing.T) {
	t.Helper()
	variations := w.badClaims()
	if !w.suite.OwnVerifier {
		variations = append(variations, w.worseClaims()...)
		if !w.suite.IssuerBound || w.description.Audience != "" {
			variations = append(variations, w.badAudiences()...)
		}
		if !w.suite.IssuerBound || !w.suite.IDTokenShaped {
			variations = append(variations, w.idToken("an ID token", "client-1"))
		}
		if w.suite.Proxy != nil {
			variations = append(variations, w.ownIDTokens()...)
		}
		if !w.suite.IDTokenShaped {
			variations = append(variations, w.idTokenForUs())
		}
	}
	for _, v := range variations {
		t.Run("rejects "+v.name, func(t *testing.T) {
			t.Parallel()
			w.rejects(t, w.sign(t, v.token), v.reason)
		})
	}
}

// badClaims are refused even where a function of the operator checks tokens.
func (w *world) badClaims() []variation {
	issuer := w.description.Issuer
	return []variation{
		{"a token of another issuer", w.variant(map[string]any{"iss": "https://attacker.example"}), oauth.ReasonIssuer},
		{"a token whose issuer has one slash more or less", w.variant(map[string]any{"iss": slashed(issuer)}), oauth.ReasonIssuer},
		{"a token whose issuer is written in capitals", w.variant(map[string]any{"iss": strings.ToUpper(issuer)}), oauth.ReasonIssuer},
		{"an expired token", w.variant(map[string]any{"exp": now.Add(-time.Hour).Unix()}), oauth.ReasonExpired},
		{"a token with an expiry that is text", w.variant(map[string]any{"exp": "never"}), oauth.ReasonInvalidTime},
		{"a token that is not valid yet", w.variant(map[string]any{"nbf": now.Add(time.Hour).Unix()}), oauth.ReasonNotYetValid},
		{
			"a token that is bound to a client's key",
			w.variant(map[string]any{"cnf": map[string]any{"jkt": "thumbprint"}}), oauth.ReasonSenderConstrained,
		},
	}
}

// worseClaims are refused where the rules check tokens.
func (w *world) worseClaims() []variation {
	return []variation{
		{"a token without issuer", w.variant(map[string]any{"iss": nil}), oauth.ReasonIssuer},
		{"a token with a list of issuers", w.variant(map[string]any{"iss": []any{w.description.Issuer}}), oauth.ReasonIssuer},
		{"a token without expiry", w.variant(map[string]any{"exp": nil}), oauth.ReasonInvalidTime},
		{"a refresh token of the same key", w.variant(map[string]any{"tokenType": "refresh-token"}), oauth.ReasonTokenType},
		{"a refresh token with another mark", w.variant(map[string]any{"token_use": "refresh_token"}), oauth.ReasonTokenType},
	}
}

// badAudiences are tokens for somebody else.
func (w *world) badAudiences() []variation {
	return []variation{
		{"a token whose audience is another server", w.misdirected("https://other.example.com/mcp"), oauth.ReasonAudience},
		{"a token whose audience begins like ours", w.misdirected(w.audience() + "2"), oauth.ReasonAudience},
		{"a token whose audiences are all others", w.misdirected([]any{"one", "two"}), oauth.ReasonAudience},
		{"a token without audience", w.misdirected(nil), oauth.ReasonAudience},
		{"a token whose list of audiences is empty", w.misdirected([]any{}), oauth.ReasonAudience},
	}
}

// ownIDTokens are ID tokens of the very application that the server has at the provider: the first
// access token with what only ID tokens have.
func (w *world) ownIDTokens() []variation {
	login := w.idToken("an ID token of a login by this server", w.suite.Proxy.ClientID)
	login.token.Claims["c_hash"] = "MTIzNDU2Nzg5MDEyMzQ1Ng"
	if w.suite.IDTokenShaped {
		return []variation{login}
	}
	return []variation{login, w.idToken("an ID token of a refresh by this server", w.suite.Proxy.ClientID)}
}

// idToken is what a client gets beside the access token: for the client, with a nonce and hashes.
func (w *world) idToken(name string, client any) variation {
	token := w.variant(map[string]any{"nonce": "n-0S6_WzA2Mj", "at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng"})
	token.Header = maps.Clone(token.Header)
	if token.Header == nil {
		token.Header = map[string]any{}
	}
	token.Header["typ"] = "JWT"
	token.audience = &client
	return variation{name, token, ""}
}

// idTokenForUs is an ID token whose audience is that of access tokens: where that is the client id
// of the application, or where the provider writes the resource into both, the audience tells
// nothing.
func (w *world) idTokenForUs() variation {
	v := w.idToken("an ID token with the audience of access tokens", nil)
	v.token.audience = nil
	return v
}

// slashed returns a URL with its trailing slash taken or given.
func slashed(url string) string {
	if cut, ok := strings.CutSuffix(url, "/"); ok {
		return cut
	}
	return url + "/"
}

// checkAlgorithms accepts a good token in every algorithm, and refuses every other algorithm.
func (w *world) checkAlgorithms(t *testing.T) {
	t.Helper()
	for _, algorithm := range w.oneOfEachKind() {
		t.Run("accepts a token signed with "+algorithm, func(t *testing.T) {
			t.Parallel()
			if _, err := w.provider.Verify(t.Context(), presented(w.signWith(t, w.keys[algorithm], w.suite.Accept[0]))); err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
	for _, algorithm := range []string{"ES256", "ES512", "EdDSA", "HS256"} {
		if slices.Contains(w.suite.Algorithms, algorithm) {
			continue
		}
		t.Run("rejects a token signed with "+algorithm, func(t *testing.T) {
			t.Parallel()
			key, err := jose.GenerateKey(jose.Algorithm(algorithm), "key-1")
			if err != nil {
				t.Fatal(err)
			}
			w.rejects(t, w.signWith(t, key, w.suite.Accept[0]), oauth.ReasonAlgorithmNotAllowed)
		})
	}
}

// checkForgeries refuses tokens that the provider did not sign.
func (w *world) checkForgeries(t *testing.T) {
	t.Helper()
	first := w.algorithms()[0]
	good := w.sign(t, w.suite.Accept[0])
	head, rest, _ := strings.Cut(good, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	forgeries := map[string]string{ //nolint:gosec // tokens that nobody accepts
		"nothing":                          "",
		"an opaque token":                  "opaque-token-of-a-client",
		"a token without its signature":    head + "." + payload + ".",
		"a token cut in two":               head + "." + payload,
		"a token with a fourth part":       good + "." + signature,
		"a token with another payload":     head + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"admin"}`)) + "." + signature,
		"a token that says it is unsigned": w.unsigned(t, payload),
	}
	for name, key := range map[string]*jose.SigningKey{
		"a token signed with another key of the same name": w.foreign(t, first, "key-"+first),
		"a token signed with a key of another name":        w.foreign(t, first, "../../key"),
	} {
		forgeries[name] = w.signWith(t, key, w.suite.Accept[0])
	}
	for name, secret := range w.publicKeySecrets(t) {
		token := w.suite.Accept[0]
		forged := w.signWith(t, secret, Token{Header: without(token.Header, "alg"), Claims: token.Claims})
		forgeries["a token whose HMAC key is the provider's public key as "+name] = forged
	}
	for name, token := range forgeries {
		t.Run("rejects "+name, func(t *testing.T) {
			t.Parallel()
			w.rejects(t, token, "")
		})
	}
}

func without(object map[string]any, key string) map[string]any {
	out := maps.Clone(object)
	delete(out, key)
	return out
}

// foreign is a key that the provider does not have. For a shared secret it is another secret.
func (w *world) foreign(t *testing.T, algorithm, id string) *jose.SigningKey {
	t.Helper()
	key, err := jose.GenerateKey(jose.Algorithm(algorithm), id)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (w *world) unsigned(t *testing.T, payload string) string {
	t.Helper()
	header, err := json.Marshal(map[string]any{"alg": "none", "typ": w.typ()})
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(header) + "." + payload + "."
}

// typ is that of good tokens.
func (w *world) typ() any {
	if typ, ok := w.suite.Accept[0].Header["typ"]; ok {
		return typ
	}
	return "JWT"
}

// publicKeySecrets are HMAC keys made of the provider's public key in the spellings in which
// somebody might have it.
func (w *world) publicKeySecrets(t *testing.T) map[string]*jose.SigningKey {
	t.Helper()
	key := w.asymmetric()
	if key == nil {
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	jwk, err := key.PublicJWK()
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]*jose.SigningKey{}
	for name, spelling := range map[string][]byte{
		"PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "DER": der, "JWK": jwk,
	} {
		if secrets[name], err = jose.NewSecretSigningKey("HS256", spelling); err != nil {
			t.Fatal(err)
		}
	}
	return secrets
}

// asymmetric is the fake's first key with a public part, nil where there is none.
func (w *world) asymmetric() *jose.SigningKey {
	for _, algorithm := range w.oneOfEachKind() {
		if key := w.keys[algorithm]; key.Public() != nil {
			return key
		}
	}
	return nil
}

// checkOutage answers 503, never 401, while the provider's keys cannot be had.
func (w *world) checkOutage(t *testing.T) {
	t.Helper()
	t.Run("says that the provider is unavailable when its keys cannot be fetched", func(t *testing.T) {
		t.Parallel()
		key := w.asymmetric()
		if key == nil {
			return
		}
		_, err := w.newProvider(t, w.withoutKeys()).Verify(t.Context(), presented(w.signWith(t, key, w.suite.Accept[0])))
		if !errors.Is(err, oauth.ErrTemporarilyUnavailable) {
			t.Errorf("the answer is %v, want temporarily_unavailable", err)
		}
	})
}

// withoutKeys is a network that does not work, but for the document of a provider that cannot be
// made without.
func (w *world) withoutKeys() http.RoundTripper {
	if w.suite.Issuer == "" {
		return broken{}
	}
	bare := newFake()
	for address, document := range w.fake.documents {
		if address != w.description.Endpoints.JWKS {
			bare.documents[address] = document
		}
	}
	bare.handlers[w.description.Endpoints.JWKS] = func(writer http.ResponseWriter, _ *http.Request) {
		writer.WriteHeader(http.StatusBadGateway)
	}
	return bare
}

// broken is a network that does not work.
type broken struct{}

// RoundTrip implements [http.RoundTripper].
func (broken) RoundTrip(*http.Request) (*http.Response, error) { return nil, errors.New("no network") }

// checkMetadata serves the provider's metadata to clients with the very issuer that tokens and
// resource metadata name.
func (w *world) checkMetadata(t *testing.T) {
	t.Helper()
	t.Run("serves authorization server metadata of its issuer", func(t *testing.T) {
		t.Parallel()
		guard, err := runtime.NewGuard(w.provider, runtime.GuardConfig{Resource: Resource, Proxy: proxy.Options{SealingKeys: sealingKeys()}})
		if err != nil {
			t.Fatal(err)
		}
		recorder := httptest.NewRecorder()
		guard.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(
			t.Context(), http.MethodGet, "https://mcp.example.com/.well-known/oauth-authorization-server", nil))
		var document oauth.AuthorizationServerMetadata
		if err := json.NewDecoder(bytes.NewReader(recorder.Body.Bytes())).Decode(&document); err != nil {
			t.Fatalf("status %d, %v", recorder.Code, err)
		}
		issuer := w.description.Issuer
		if w.suite.Proxy != nil {
			issuer = Resource // the server stands in for the provider
		}
		if document.Issuer != issuer || document.TokenEndpoint == "" || document.AuthorizationEndpoint == "" {
			t.Errorf("the document names issuer %q, want %q, with token and authorization endpoints", document.Issuer, issuer)
		}
	})
}

// Verifier stands in for the operator's function of a provider that has one: it reads the claims of
// any signed token, checks nothing, and refuses what is no token. It is for tests, which is why it
// wants one.
func Verifier(tb testing.TB) oauth.TokenVerifier {
	tb.Helper()
	return oauth.TokenVerifierFunc(func(_ context.Context, presented oauth.Presented) (oauth.Claims, error) {
		parts := strings.Split(presented.Token.Reveal(), ".")
		if len(parts) != 3 {
			return oauth.Claims{}, errors.New("not a signed token")
		}
		payload, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			return oauth.Claims{}, err
		}
		return oauth.ParseClaims(string(payload))
	})
}
