package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/explain"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
)

// KeySource finds the public keys of tokens. Package keys has one.
type KeySource interface {
	// Keys returns the keys that may have signed a token with the given kid, which may be empty,
	// and algorithm: one at least. arrived is when the token did. The error is an [*oauth.Error]:
	// 401 for an unknown key, 503 when nobody can know.
	Keys(ctx context.Context, id string, algorithm jose.Algorithm, arrived time.Time) (jose.Candidates, error)
	// Replaced returns the keys that took the place of those with which the signature was found
	// wrong; none if there are no others, so that it is wrong. The error is an [*oauth.Error], 503
	// when nobody can know.
	Replaced(ctx context.Context, id string, algorithm jose.Algorithm, arrived time.Time, tried *jose.Candidates) (jose.Candidates, error)
	// Holds reports whether the provider publishes this very key for such tokens. It never waits.
	// now is the time.
	Holds(id string, algorithm jose.Algorithm, key *jose.Key, now time.Time) bool
	// Flooded returns the error that Keys would give for an unknown key, at once and cheaply, while
	// more tokens with unknown keys arrive than are worth a closer look; nil otherwise.
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
	// Mapper reads the caller from the claims. Nil stands for an empty [facts.ClaimMap]: sub is the
	// user.
	Mapper *Mapper
	// UserMapper replaces Mapper for [oauth.AuthInfo.User]. Client, scopes and permissions of the
	// caller stay Mapper's.
	UserMapper oauth.UserMapper
	Insecure   Insecure
	// Cache bounds the cache of verified tokens. There is none with Insecure.SkipSignature: whoever
	// can make up tokens could fill it.
	Cache TokenCache
	// Leeway is how far the clocks of provider and server may be apart, at most ten minutes. Zero
	// is none.
	Leeway time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Events gets the warnings of insecure settings.
	Events *events.Sender
}

// JWT verifies access tokens that are signed JWTs (RFC 9068, RFC 8725). It is safe for concurrent
// use.
type JWT struct {
	arrivals *arrivals
	rules    compiledRules
	keys     KeySource
	callers  callers
	clock    clock
	accepted *acceptedTokens
	// header is that of the token that was accepted last: the next one has the same as a rule.
	header   atomic.Pointer[jose.Header]
	insecure *insecureLog
	// checks are what a token has to pass, in this order; user is the last one, for those who want
	// a caller.
	checks checkTable
	user   check
	// inspections are for reuse: a check takes no memory that remains.
	inspections sync.Pool
}

var _ oauth.TokenVerifier = (*JWT)(nil)

// NewJWT checks the rules and returns a verifier. An error names what is wrong or missing; there
// are no defaults for what decides about access.
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
	cache, err := newAcceptedTokens(config.Cache)
	if err != nil {
		return nil, err
	}
	v := &JWT{
		rules: rules, keys: config.Keys, callers: who, clock: times, accepted: cache,
		arrivals: newArrivals(), insecure: newInsecureLog(config, times.now),
		inspections: sync.Pool{New: func() any { return new(inspection) }},
	}
	v.checks, v.user = v.table(), who.check()
	return v, nil
}

// table lists the checks of a JWT. Issuer and expiry come before the signature: they are free, they
// spare the provider a key fetch for tokens of somebody else, and the reason in the log is the true
// one. Nothing else is looked at before the signature is known to be good.
func (v *JWT) table() checkTable {
	unsigned := ""
	if v.insecure.SkipSignature {
		unsigned = "INSECURE: signatures are not checked (InsecureSkipSignature)"
	}
	t := checkTable{
		{id: checkSize, run: checkTokenSize, values: tokenSize},
		{id: checkFormat, needs: []string{checkSize}, run: v.format},
		{id: checkAlgorithm, needs: []string{checkFormat}, run: v.rules.algorithm, values: v.rules.algorithmValues},
		{id: checkType, needs: []string{checkFormat}, run: v.rules.typ, values: v.rules.typeValues},
		{id: checkFlood, needs: []string{checkFormat}, run: v.flooded, silent: true, off: unsigned},
		{id: checkContent, needs: []string{checkFormat}, run: content},
		{id: checkIssuer, needs: []string{checkContent}, run: v.rules.issuer, values: v.rules.issuerValues},
		{id: checkExpiry, needs: []string{checkContent}, run: expiryOf(true), values: expiryValues},
		{id: checkKey, needs: []string{checkAlgorithm, checkContent}, run: v.key, values: keyValues, off: unsigned},
		{id: checkSignature, needs: []string{checkKey}, run: v.signature, off: unsigned},
		{id: checkNotBefore, needs: []string{checkContent}, run: notBefore, values: notBeforeValues},
		{id: checkIssuedAt, needs: []string{checkContent}, run: issuedAt, values: issuedAtValues},
		{id: checkAudience, needs: []string{checkContent}, run: v.rules.audience.check, values: v.rules.audience.values, off: v.rules.audience.off},
		{id: checkSender, needs: []string{checkContent}, run: bearerOnly},
		{id: checkKind, needs: []string{checkContent}, run: v.rules.accessToken},
	}
	for i := range v.rules.require {
		t = append(t, v.rules.require[i].asCheck())
	}
	return append(t, check{id: checkSubject, needs: []string{checkContent}, run: v.rules.subject, values: subjectValues})
}

// Verify checks an access token for the protected resource that it is presented to and returns its
// caller. Every refusal is an [*oauth.Error] with a reason; its cause never holds the token. All
// requests with one token and resource may share the caller.
func (v *JWT) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	token, resource := presented.Token.Reveal(), presented.Resource
	now := v.clock.read()
	if e := v.recall(token, resource, now.time); e != nil && e.caller != nil {
		return e.caller, nil
	}
	in := v.inspect(token, resource, now)
	defer v.done(in)
	if err := v.pass(ctx, in); err != nil {
		return nil, err
	}
	if err := v.user.run(ctx, in); err != nil {
		return nil, err
	}
	v.keep(in)
	return in.caller, nil
}

// VerifyToken is Verify without the mapping to a caller: it implements [oauth.TokenVerifier].
func (v *JWT) VerifyToken(ctx context.Context, presented oauth.Presented) (oauth.Claims, error) {
	token, resource := presented.Token.Reveal(), presented.Resource
	now := v.clock.read()
	if e := v.recall(token, resource, now.time); e != nil {
		return e.claims, nil
	}
	in := v.inspect(token, resource, now)
	defer v.done(in)
	if err := v.pass(ctx, in); err != nil {
		return oauth.Claims{}, err
	}
	v.keep(in)
	return in.claims, nil
}

// Explain runs all checks on a token and returns what each of them says, whatever was cached. It
// fetches keys as Verify does.
func (v *JWT) Explain(ctx context.Context, presented oauth.Presented) []explain.Check {
	in := v.inspect(presented.Token.Reveal(), presented.Resource, v.clock.read())
	defer v.done(in)
	return explained(ctx, in, append(slices.Clip(v.checks), v.user))
}

func (v *JWT) inspect(token, resource string, now moment) *inspection {
	in := v.inspections.Get().(*inspection) //nolint:forcetypeassert // the pool makes nothing else
	in.token, in.resource, in.now = token, resource, now
	return in
}

// done puts an inspection back, with nothing of its token in it.
func (v *JWT) done(in *inspection) {
	*in = inspection{}
	v.inspections.Put(in)
}

// pass runs all checks to the first that fails.
func (v *JWT) pass(ctx context.Context, in *inspection) error {
	if err := v.checks.run(ctx, in); err != nil {
		return err
	}
	if !in.jws.Same(v.header.Load()) {
		v.header.Store(in.jws.Keep())
	}
	v.insecure.used()
	return nil
}

// keep puts an accepted token into the cache.
func (v *JWT) keep(in *inspection) {
	e := &accepted{token: in.token, resource: in.resource, claims: in.claims, caller: in.caller, signer: in.signer}
	v.accepted.put(e, in.now.time, in.expires.Add(in.now.leeway))
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

// signer is the key that a signature was checked with, and how it is found. The key is nil for a
// shared secret, which never changes.
type signer struct {
	key       *jose.Key
	keyID     string
	algorithm jose.Algorithm
}

// flooded refuses a token at its key id, before its issuer could give the better reason, while a
// flood of such tokens arrives.
func (v *JWT) flooded(_ context.Context, in *inspection) error {
	if in.jws.Algorithm.Symmetric() {
		return nil
	}
	err := v.keys.Flooded(in.jws.KeyID, in.jws.Algorithm, in.now.time)
	if err == nil {
		return nil
	}
	if _, known := v.arrivals.of(in.token); known {
		return nil // and what is known of it decides
	}
	return err
}

// format divides the token and reads its header.
func (v *JWT) format(_ context.Context, in *inspection) error {
	switch err := in.jws.ParseHeader(in.token, v.header.Load()); {
	case err == nil:
		return nil
	case errors.Is(err, jose.ErrNotCompact):
		return refuse(oauth.ReasonNotAJWT, "the token is not a signed JWT", audienceExplanation+" "+v.rules.opaqueHint)
	case errors.Is(err, jose.ErrEncrypted):
		return refuse(oauth.ReasonNotAJWT, "the token is an encrypted JWT (JWE), which only its recipient can read",
			"Turn token encryption off for this API at the provider, if it is on. "+audienceExplanation+" "+v.rules.opaqueHint)
	case errors.Is(err, jose.ErrCritical):
		return oauth.InvalidToken(oauth.ReasonCriticalHeader, err)
	default:
		return oauth.InvalidToken(oauth.ReasonMalformedToken, err)
	}
}

const audienceExplanation = "Many providers (Auth0 included) issue JWT access tokens only when the authorization request names a " +
	"valid audience: check that configuration."

// content decodes payload and signature and reads the claims.
func content(_ context.Context, in *inspection) error {
	err := in.jws.Decode()
	if err == nil {
		in.claims, err = oauth.ParseClaims(in.jws.Payload)
	}
	if err != nil {
		return oauth.InvalidToken(oauth.ReasonMalformedToken, err)
	}
	return nil
}

// key finds the keys that may have made the signature, or the shared secret.
func (v *JWT) key(ctx context.Context, in *inspection) error {
	var err error
	if in.jws.Algorithm.Symmetric() {
		in.secret, err = v.rules.secret(in.jws.Algorithm)
		return err
	}
	in.candidates, err = v.keysFor(ctx, in, func(ctx context.Context, arrived time.Time) (jose.Candidates, error) {
		return v.keys.Keys(ctx, in.jws.KeyID, in.jws.Algorithm, arrived)
	})
	if err != nil || v.rules.tenants == nil {
		return err
	}
	in.candidates, err = v.rules.tenants.signersFor(in.claims.String("iss"), in.candidates)
	return err
}

// signature checks the signature with the key. Where it is wrong under the provider's, that may
// have been replaced.
func (v *JWT) signature(ctx context.Context, in *inspection) error {
	if in.secret != nil {
		if err := in.jws.Verify(in.secret); err != nil {
			return oauth.InvalidToken(oauth.ReasonBadSignature, err)
		}
		return nil
	}
	key := in.jws.VerifyAny(&in.candidates)
	if key == nil {
		replaced, err := v.keysFor(ctx, in, func(ctx context.Context, arrived time.Time) (jose.Candidates, error) {
			return v.keys.Replaced(ctx, in.jws.KeyID, in.jws.Algorithm, arrived, &in.candidates)
		})
		if err == nil && v.rules.tenants != nil && replaced.Len() > 0 {
			replaced, err = v.rules.tenants.signersFor(in.claims.String("iss"), replaced)
		}
		if err != nil {
			return err
		}
		if key = in.jws.VerifyAny(&replaced); key == nil {
			v.arrivals.note(in.token, in.now.time)
			return mismatch(&in.candidates)
		}
	}
	in.signer = signer{key: key, keyID: in.jws.KeyID, algorithm: in.jws.Algorithm}
	return nil
}

// mismatch is the refusal of a token whose signature none of its keys made.
func mismatch(candidates *jose.Candidates) error {
	if fitting := candidates.Fitting(); fitting > candidates.Len() {
		return refuse(oauth.ReasonBadSignature, fmt.Sprintf("%s: %d of the provider's keys fit, of which %d are tried",
			jose.ErrSignature, fitting, candidates.Len()), "Have the provider name the key in its tokens (kid)")
	}
	return oauth.InvalidToken(oauth.ReasonBadSignature, errMismatch)
}

var errMismatch = fmt.Errorf("%w: none of the provider's keys with its kid made it. The token was changed, or it is of another "+
	"deployment of the provider, which may have replaced a key under the same kid: compare the key set with the one that signs",
	jose.ErrSignature)

func keyValues(in *inspection) (got, want []string) {
	if in.jws.KeyID == "" {
		return []string{"no kid"}, nil
	}
	return []string{"kid " + in.jws.KeyID}, nil
}

// numericSubject reports whether the provider documents numbers as sub.
func (v *JWT) numericSubject() bool { return v.rules.numericSub }
