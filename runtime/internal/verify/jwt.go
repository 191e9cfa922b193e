package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
)

// KeySource finds the public keys of tokens. Package keys has one.
type KeySource interface {
	// Keys returns the keys that may have signed a token with the given kid, which may be empty, and algorithm: one at least.
	// arrived is when the token did. The error is an [*oauth.Error]: 401 for an unknown key, 503 when nobody can know.
	Keys(ctx context.Context, id string, algorithm jose.Algorithm, arrived time.Time) (jose.Candidates, error)
	// Replaced returns the keys that took the place of those with which the signature was found wrong; none if there are no
	// others, so that it is wrong. The error is an [*oauth.Error], 503 when nobody can know.
	Replaced(ctx context.Context, id string, algorithm jose.Algorithm, arrived time.Time, tried *jose.Candidates) (jose.Candidates, error)
	// Holds reports whether Keys would give this very key at once. now is the time.
	Holds(id string, algorithm jose.Algorithm, key *jose.Key, now time.Time) bool
	// Flooded returns the error that Keys would give for an unknown key, at once and cheaply, while so many tokens with unknown
	// keys arrive that they are not worth a closer look; nil otherwise.
	Flooded(id string, algorithm jose.Algorithm, now time.Time) error
}

// Config says how a provider's JWT access tokens are checked.
type Config struct {
	// Provider is the provider's short name, Title its name for people, for warnings.
	Provider string
	Title    string
	Rules    facts.Rules
	// Keys are the provider's public keys. It may be nil where all algorithms use shared secrets.
	Keys KeySource
	// Mapper reads the caller from the claims. Nil stands for an empty [facts.ClaimMap]: sub is the user.
	Mapper *Mapper
	// UserMapper replaces Mapper for [oauth.AuthInfo.User]. Client, scopes and permissions of the caller stay Mapper's.
	UserMapper oauth.UserMapper
	Insecure   Insecure
	// Cache bounds the cache of verified tokens. There is none with Insecure.SkipSignature: whoever can make up tokens could
	// fill it.
	Cache TokenCache
	// Leeway is how far the clocks of provider and server may be apart, at most ten minutes. Zero is none.
	Leeway time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Events gets the warnings of insecure settings.
	Events *events.Sender
	// OpaqueHint tells the operator, in the log, why a token that is no JWT may have arrived.
	OpaqueHint string
	// AlgorithmHint tells the operator, in the log, why a token with another algorithm may have arrived.
	AlgorithmHint string
}

// JWT verifies access tokens that are signed JWTs (RFC 9068, RFC 8725). It is safe for concurrent use.
type JWT struct {
	rules    compiledRules
	keys     KeySource
	callers  callers
	clock    clock
	accepted *acceptedTokens
	// header is that of the token that was accepted last: the next one has the same as a rule.
	header     atomic.Pointer[jose.Header]
	insecure   *insecureLog
	opaqueHint string
}

var _ oauth.TokenVerifier = (*JWT)(nil)

// NewJWT checks the rules and returns a verifier. An error names what is wrong or missing; there are no defaults for what
// decides about access.
func NewJWT(config Config) (*JWT, error) {
	rules, err := compileRules(config.Rules, config.Insecure)
	if err != nil {
		return nil, err
	}
	if config.Keys == nil && rules.needsKeys {
		return nil, errors.New("verification rules: the algorithms need the provider's public keys and there is no source of keys")
	}
	times, err := newClock(config.Now, config.Leeway)
	if err != nil {
		return nil, err
	}
	who, err := newCallers(config.Provider, config.Mapper, config.UserMapper)
	if err != nil {
		return nil, err
	}
	config.Cache.Off = config.Cache.Off || config.Insecure.SkipSignature
	rules.algorithmHint = config.AlgorithmHint
	cache, err := newAcceptedTokens(config.Cache)
	if err != nil {
		return nil, err
	}
	return &JWT{
		rules: rules, keys: config.Keys, callers: who, clock: times, accepted: cache,
		insecure: newInsecureLog(config, times.now), opaqueHint: config.OpaqueHint,
	}, nil
}

// Verify checks an access token for the protected resource that it is presented to and returns its caller. Every
// refusal is an [*oauth.Error] with a reason; its cause never holds the token. All requests with one token and resource may
// share the caller.
func (v *JWT) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	token, resource := presented.Token.Reveal(), presented.Resource
	m := v.clock.read()
	if e := v.recall(token, resource, m.now); e != nil && e.caller != nil {
		return e.caller, nil
	}
	verified, by, err := v.check(ctx, token, resource, m)
	if err != nil {
		return nil, err
	}
	caller, err := v.callers.caller(verified, token, resource)
	if err != nil {
		return nil, err
	}
	e := &accepted{token: token, resource: resource, claims: verified.claims, caller: caller, signer: by}
	v.accepted.put(e, m.now, verified.expires.Add(m.leeway))
	return caller, nil
}

// VerifyToken is Verify without the mapping to a caller: it implements [oauth.TokenVerifier].
func (v *JWT) VerifyToken(ctx context.Context, presented oauth.Presented) (oauth.Claims, error) {
	token, resource := presented.Token.Reveal(), presented.Resource
	m := v.clock.read()
	if e := v.recall(token, resource, m.now); e != nil {
		return e.claims, nil
	}
	verified, by, err := v.check(ctx, token, resource, m)
	if err != nil {
		return oauth.Claims{}, err
	}
	e := &accepted{token: token, resource: resource, claims: verified.claims, signer: by}
	v.accepted.put(e, m.now, verified.expires.Add(m.leeway))
	return verified.claims, nil
}

// UserInfo maps verified claims to the common user shape.
func (v *JWT) UserInfo(claims oauth.Claims) oauth.UserInfo { return v.callers.userInfo(claims) }

// verified are a token's claims after all checks.
type verified struct {
	claims   oauth.Claims
	issuer   string
	audience []string
	expires  time.Time
}

// signer is the key that a signature was checked with, and how it is found. The key is nil for a shared secret, which never
// changes.
type signer struct {
	key       *jose.Key
	keyID     string
	algorithm jose.Algorithm
}

// check runs all checks. Issuer and expiry come before the signature: they are free, they spare the provider a key fetch
// for tokens of somebody else, and the reason in the log is the true one. Nothing else is read before the signature is
// known to be good.
func (v *JWT) check(ctx context.Context, token, resource string, m moment) (verified, signer, error) {
	var jws jose.JWS
	if err := v.parse(&jws, token); err != nil {
		return verified{}, signer{}, err
	}
	if err := v.rules.header(&jws); err != nil {
		return verified{}, signer{}, err
	}
	if err := v.flooded(&jws, m.now); err != nil {
		return verified{}, signer{}, err
	}
	if err := jws.Decode(); err != nil {
		return verified{}, signer{}, oauth.InvalidToken(oauth.ReasonMalformedToken, err)
	}
	claims, err := oauth.ParseClaims(jws.Payload)
	if err != nil {
		return verified{}, signer{}, oauth.InvalidToken(oauth.ReasonMalformedToken, err)
	}
	issuer, err := v.rules.issuer(claims)
	if err != nil {
		return verified{}, signer{}, err
	}
	expires, err := m.expiry(claims, true)
	if err != nil {
		return verified{}, signer{}, err
	}
	by, err := v.signature(ctx, &jws, issuer, m.now)
	if err != nil {
		return verified{}, signer{}, err
	}
	if err := m.start(claims); err != nil {
		return verified{}, signer{}, err
	}
	audience, err := v.rules.claims(claims, resource)
	if err != nil {
		return verified{}, signer{}, err
	}
	if !jws.Same(v.header.Load()) {
		v.header.Store(jws.Keep())
	}
	v.insecure.used()
	return verified{claims: claims, issuer: issuer, audience: audience, expires: expires}, by, nil
}

// flooded refuses a token at its key id, before its issuer could give the better reason, while a flood of such tokens arrives.
func (v *JWT) flooded(jws *jose.JWS, now time.Time) error {
	if v.insecure.SkipSignature || jws.Algorithm.Symmetric() {
		return nil
	}
	return v.keys.Flooded(jws.KeyID, jws.Algorithm, now)
}

// parse divides the token and reads its header.
func (v *JWT) parse(jws *jose.JWS, token string) error {
	if len(token) > MaxTokenSize {
		return oauth.InvalidToken(oauth.ReasonTokenTooLarge, fmt.Errorf(
			"the token has %d bytes, the limit is %d", len(token), MaxTokenSize))
	}
	switch err := jws.ParseHeader(token, v.header.Load()); {
	case err == nil:
		return nil
	case errors.Is(err, jose.ErrNotCompact):
		return oauth.InvalidToken(oauth.ReasonNotAJWT, errors.New(strings.TrimSpace(opaqueExplanation+" "+v.opaqueHint)))
	case errors.Is(err, jose.ErrEncrypted):
		return oauth.InvalidToken(oauth.ReasonNotAJWT, errors.New(strings.TrimSpace(
			"the token is an encrypted JWT (JWE), which only its recipient can read: turn token encryption off for this API at the "+
				"provider, if it is on. "+audienceExplanation+" "+v.opaqueHint)))
	case errors.Is(err, jose.ErrCritical):
		return oauth.InvalidToken(oauth.ReasonCriticalHeader, err)
	default:
		return oauth.InvalidToken(oauth.ReasonMalformedToken, err)
	}
}

const (
	opaqueExplanation   = "the token is not a signed JWT. " + audienceExplanation
	audienceExplanation = "Many providers (Auth0 included) issue JWT access tokens only when the authorization request names a " +
		"valid audience: check that configuration."
)

// signature checks the signature with the provider's keys, or the shared secret, for the token's algorithm.
func (v *JWT) signature(ctx context.Context, jws *jose.JWS, issuer string, arrived time.Time) (signer, error) {
	if v.insecure.SkipSignature {
		return signer{}, nil
	}
	if jws.Algorithm.Symmetric() {
		secret, err := v.rules.secret(jws.Algorithm)
		if err != nil {
			return signer{}, err
		}
		if err := jws.Verify(secret); err != nil {
			return signer{}, oauth.InvalidToken(oauth.ReasonBadSignature, err)
		}
		return signer{}, nil
	}
	candidates, err := v.keys.Keys(ctx, jws.KeyID, jws.Algorithm, arrived)
	if err != nil {
		return signer{}, err
	}
	key, err := v.signedBy(jws, issuer, &candidates)
	if err != nil || key != nil {
		return signer{key: key, keyID: jws.KeyID, algorithm: jws.Algorithm}, err
	}
	replaced, err := v.keys.Replaced(ctx, jws.KeyID, jws.Algorithm, arrived, &candidates)
	if err != nil {
		return signer{}, err
	}
	if key, err = v.signedBy(jws, issuer, &replaced); err == nil && key == nil {
		err = oauth.InvalidToken(oauth.ReasonBadSignature, mismatch(&candidates))
	}
	return signer{key: key, keyID: jws.KeyID, algorithm: jws.Algorithm}, err
}

// signedBy returns which of the candidates made the signature; nil if none did.
func (v *JWT) signedBy(jws *jose.JWS, issuer string, candidates *jose.Candidates) (*jose.Key, error) {
	if v.rules.tenants == nil || candidates.Len() == 0 {
		return jws.VerifyAny(candidates), nil
	}
	ours, err := v.rules.tenants.signersFor(issuer, candidates)
	if err != nil {
		return nil, err
	}
	return jws.VerifyAny(&ours), nil
}

// mismatch says why none of a token's keys made its signature.
func mismatch(candidates *jose.Candidates) error {
	if fitting := candidates.Fitting(); fitting > candidates.Len() {
		return fmt.Errorf("%w: %d of the provider's keys fit, of which %d are tried: have the provider name the key in its tokens (kid)",
			jose.ErrSignature, fitting, candidates.Len())
	}
	return jose.ErrSignature
}

// compiledRules are [facts.Rules] after their own check.
type compiledRules struct {
	issuers       []string
	tenants       *tenantRule // nil if the provider has none
	algorithms    []jose.Algorithm
	types         []string
	audience      audienceRule
	require       []requirement
	secrets       []sharedSecret
	idTokenShaped bool
	needsKeys     bool
	algorithmHint string
}

type sharedSecret struct {
	algorithm jose.Algorithm
	key       *jose.Key // nil if none is configured
	missing   string
}

func compileRules(rules facts.Rules, insecure Insecure) (compiledRules, error) {
	var c compiledRules
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("verification rules: "+format, args...))
	}
	if len(rules.Issuers) == 0 && rules.Tenants == nil || slices.Contains(rules.Issuers, "") {
		problem("an issuer is missing")
	}
	c.issuers = slices.Clone(rules.Issuers)
	var err error
	if c.tenants, err = compileTenants(rules.Tenants); err != nil {
		problem("%w", err)
	}
	if len(rules.Algorithms) == 0 {
		problem("no algorithm is listed; the algorithms must come from the provider's documentation, never from a token")
	}
	for _, name := range rules.Algorithms {
		a := jose.Algorithm(name)
		switch {
		case !a.Known():
			problem("algorithm %q is not one that can be verified", name)
		case a.Symmetric() && !slices.ContainsFunc(rules.SharedSecrets, func(s facts.SharedSecret) bool { return s.Algorithm == name }):
			problem("algorithm %s needs an entry in SharedSecrets", name)
		}
		c.algorithms = append(c.algorithms, a)
		c.needsKeys = c.needsKeys || !a.Symmetric() && !insecure.SkipSignature
	}
	for _, s := range rules.SharedSecrets {
		secret, err := compileSecret(s, c.algorithms)
		if err != nil {
			problem("%w", err)
		}
		if slices.ContainsFunc(c.secrets, func(other sharedSecret) bool { return other.algorithm == secret.algorithm }) {
			problem("two shared secrets for %s", s.Algorithm)
		}
		c.secrets = append(c.secrets, secret)
	}
	c.types = defaultTypes
	if len(rules.Types) > 0 {
		c.types = nil
	}
	for _, t := range rules.Types {
		if t == "" {
			problem("an empty entry in Types")
		}
		c.types = append(c.types, t)
	}
	if c.audience, err = compileAudience(rules.Audience, insecure.SkipAudience); err != nil {
		problem("%w", err)
	}
	if c.require, err = compileRequirements(rules.Require); err != nil {
		problem("%w", err)
	}
	c.idTokenShaped = rules.IDTokenShaped != ""
	return c, errors.Join(errs...)
}

func compileSecret(s facts.SharedSecret, allowed []jose.Algorithm) (sharedSecret, error) {
	compiled := sharedSecret{algorithm: jose.Algorithm(s.Algorithm), missing: s.Missing}
	if !slices.Contains(allowed, compiled.algorithm) || !compiled.algorithm.Symmetric() {
		return compiled, fmt.Errorf("a shared secret for %q, which is not one of the HMAC algorithms listed", s.Algorithm)
	}
	if compiled.missing == "" {
		compiled.missing = "no shared secret is configured for " + s.Algorithm
	}
	if s.Secret == "" {
		return compiled, nil
	}
	var err error
	compiled.key, err = jose.NewSecretKey(compiled.algorithm, s.Secret.Reveal())
	return compiled, err
}

// secret returns the shared secret of an HMAC algorithm of the rules. compileRules made sure that there is one entry for it.
func (c *compiledRules) secret(a jose.Algorithm) (*jose.Key, error) {
	entry := c.secrets[slices.IndexFunc(c.secrets, func(s sharedSecret) bool { return s.algorithm == a })]
	if entry.key == nil {
		return nil, oauth.InvalidToken(oauth.ReasonConfigurationMissing, errors.New(entry.missing))
	}
	return entry.key, nil
}

// defaultTypes are accepted where a provider's rules say nothing. An absent typ is the empty string.
var defaultTypes = []string{"", "JWT", "at+jwt"}

// sameType compares typ values without case and without the prefix that RFC 7515 section 4.1.9 lets issuers leave out.
func sameType(a, b string) bool { return equalFoldASCII(withoutPrefix(a), withoutPrefix(b)) }

func withoutPrefix(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && equalFoldASCII(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}

// equalFoldASCII is strings.EqualFold without Unicode's lookalikes, of which the long s folds to s.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// header checks the algorithm and the type.
func (c *compiledRules) header(jws *jose.JWS) error {
	if !jws.Algorithm.Within(c.algorithms) {
		if c.algorithmHint != "" {
			return oauth.InvalidToken(oauth.ReasonAlgorithmNotAllowed, fmt.Errorf(
				"the token is signed with algorithm %s, accepted are %v. %s", quote(string(jws.Algorithm)), c.algorithms, c.algorithmHint))
		}
		if jws.Algorithm.Symmetric() && !slices.ContainsFunc(c.algorithms, jose.Algorithm.Symmetric) {
			return oauth.InvalidToken(oauth.ReasonAlgorithmNotAllowed, fmt.Errorf(
				"the token is signed with %s, a secret that its issuer shares with nobody here: it is no access token, but probably a "+
					"refresh token or another one that the provider made for itself; the client must send its access token",
				quote(string(jws.Algorithm))))
		}
		return oauth.InvalidToken(oauth.ReasonAlgorithmNotAllowed, fmt.Errorf(
			"the token is signed with algorithm %s, accepted are %v: choose one of them for this API's tokens at the provider",
			quote(string(jws.Algorithm)), c.algorithms))
	}
	if !slices.ContainsFunc(c.types, func(t string) bool { return sameType(t, jws.Type) }) {
		return oauth.InvalidToken(oauth.ReasonTokenType, fmt.Errorf(
			"the token's typ is %s, accepted are %q: it may be another kind of token than an access token", quote(jws.Type), c.types))
	}
	return nil
}

// issuer checks iss, byte for byte.
func (c *compiledRules) issuer(claims oauth.Claims) (string, error) {
	issuer := claims.String("iss")
	if slices.Contains(c.issuers, issuer) {
		return issuer, nil
	}
	if c.tenants != nil {
		return issuer, c.tenants.check(claims, issuer)
	}
	return "", oauth.InvalidToken(oauth.ReasonIssuer, fmt.Errorf(
		"the token's issuer is %s, accepted is %q (every character counts)", quote(issuer), c.issuers))
}

// claims checks everything but issuer and times, and returns the token's audience.
func (c *compiledRules) claims(claims oauth.Claims, resource string) ([]string, error) {
	audience := claims.Strings("aud")
	if err := c.audience.check(claims, audience, resource); err != nil {
		return nil, err
	}
	if err := bearerOnly(claims); err != nil {
		return nil, err
	}
	if err := accessTokenShaped(claims, c.idTokenShaped); err != nil {
		return nil, err
	}
	for i := range c.require {
		if err := c.require[i].check(claims); err != nil {
			return nil, err
		}
	}
	return audience, nil
}
