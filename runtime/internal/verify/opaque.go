package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/explain"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Verifier is what all ways to verify tokens have in common: [JWT] and [Opaque] are of it.
type Verifier interface {
	oauth.TokenVerifier
	Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error)
	// Explain runs all checks on a token, not to the first that fails, and returns what each of
	// them says.
	Explain(ctx context.Context, presented oauth.Presented) []explain.Check
	UserInfo(claims oauth.Claims) oauth.UserInfo
}

// ExchangeVerifier verifies tokens for whoever obtained them: package broker, which receives a
// provider's tokens for the authorization codes that it redeems and the refresh tokens that it
// holds.
type ExchangeVerifier interface {
	// VerifyExchanged asks the provider about a token, whatever was cached. To call it is a
	// promise: that the caller itself received the token from the provider's token endpoint, over
	// TLS, for a code or a refresh token and with this server's own credentials. Never call it with
	// a token that came from outside.
	VerifyExchanged(ctx context.Context, token, resource string) (*oauth.AuthInfo, error)
	// Forget drops what is cached about a token.
	Forget(token string)
	UserInfo(claims oauth.Claims) oauth.UserInfo
}

var (
	_ Verifier         = (*JWT)(nil)
	_ Verifier         = (*Opaque)(nil)
	_ ExchangeVerifier = (*Opaque)(nil)
	_ ExchangeVerifier = (*Custom)(nil)
)

// OpaqueConfig is what all ways to check an opaque token at the provider have in common.
type OpaqueConfig struct {
	// Provider is the provider's short name, Title its name for people.
	Provider string
	Title    string
	// Issuers are the accepted iss values of an answer that has one, compared byte for byte. The
	// first one is the issuer of callers whose answer has none. Required.
	Issuers []string
	// Binding ties tokens to this server. Required.
	Binding facts.Binding
	// Require lists claims that must be in the answer, the profile's included.
	Require []facts.Requirement
	// NumericSubject, when not empty, is the documented reason why sub may be a number.
	NumericSubject string
	// Profile, when set, adds the user's profile to the answer. The token goes to its address too,
	// once it was accepted.
	Profile *Profile
	// Mapper reads the caller from the answer. Nil stands for an empty [facts.ClaimMap]: sub is the
	// user.
	Mapper *Mapper
	// UserMapper replaces Mapper for [oauth.AuthInfo.User]. Client, scopes and permissions of the
	// caller stay Mapper's.
	UserMapper oauth.UserMapper
	// ScopeAliases maps scopes as the provider reports them to the names by which they are asked
	// for and required: Google reports https://www.googleapis.com/auth/userinfo.email for email.
	ScopeAliases map[string]string
	// Insecure may switch Binding off with SkipAudience. There is no signature to skip.
	Insecure Insecure
	// Leeway is how far the clocks of provider and server may be apart, at most ten minutes. Zero
	// is none.
	Leeway time.Duration
	// Now is the clock. The default is time.Now.
	Now func() time.Time
	// Events gets the questions to the provider and the warnings of insecure settings, and says
	// when the provider refuses this server's own credentials.
	Events *events.Sender
	// SecretVariable is the variable that holds this server's own secret, where there is one, for
	// hints.
	SecretVariable string
	// Client sends the questions. Redirects are never followed, whatever it says. The default
	// reaches public hosts over HTTPS only, by package egress.
	Client *http.Client
	// InsecureHTTPHosts are the hosts that plain http may reach besides those of this machine.
	InsecureHTTPHosts plainurl.HTTPHosts
	// Cache says how long answers are relied on.
	Cache AnswerCache
	// Timeout limits a question: the wait for one of MaxConcurrent, all requests and their answers.
	// Zero means [DefaultAnswerTimeout].
	Timeout time.Duration
	// MaxConcurrent is how many questions are under way at once; eight times as many may wait, and
	// what goes beyond is answered with 503. It keeps a flood of made-up tokens from using up what
	// the provider allows this server. Zero means [DefaultMaxConcurrent].
	MaxConcurrent int
	// Limits bounds how often strangers' tokens are asked about.
	Limits InquiryLimits
}

// Opaque verifies access tokens that mean something to their provider only, by asking it.
// [NewIntrospection], [NewTokenInfo] and [NewUserInfo] make one. It is safe for concurrent use and
// there is nothing to close.
//
// A provider that cannot be asked makes an [oauth.ErrTemporarilyUnavailable] with a time to wait,
// never a 401. So does one that refuses this server's own credentials, with
// [oauth.ReasonOwnCredentials]; it is then left alone for a while, as it is when it asks for that
// (429, or 503 with Retry-After). Tokens in the cache are served on.
type Opaque struct {
	strategy  strategy
	issuers   []string
	binding   binding
	require   []requirement
	profile   *Profile
	callers   callers
	aliases   map[string]string
	clock     clock
	insecure  *insecureLog
	log       *credentialsLog
	cache     *answers
	inquiries *inquiries
	// numericSub says that the provider documents numbers as sub.
	numericSub bool
	// checks are what an answer has to pass for any resource.
	checks checkTable
}

// Format prints the provider's name alone, whatever the verb: the inside holds a client secret.
func (o *Opaque) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "opaque tokens of %s", strings.Join(o.issuers, ", "))
}

// strategy is one way to ask about a token.
type strategy struct {
	endpoint endpoint
	// checks are those of what only this way of asking knows, when the token ends for one.
	checks checkTable
}

// answer is what a provider said of a token that is good in itself: nothing but the audience
// remains to be checked for each resource. It is immutable, but for the caller that was made of it
// last.
type answer struct {
	verified

	client  string    // the application that the token was issued to, where that was checked
	asked   time.Time // when the question was asked
	version uint64    // of the cache at that time
	partial bool      // an optional profile is missing
	size    int
	caller  atomic.Pointer[oauth.AuthInfo]
}

func newOpaque(config OpaqueConfig, s strategy) (*Opaque, error) {
	var errs []error
	problem := func(err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.endpoint.name, err))
		}
	}
	times, err := newClock(config.Now, config.Leeway)
	problem(err)
	if times.now == nil {
		times.now = time.Now
	}
	s.endpoint.now, s.endpoint.events = times.now, config.Events
	problem(s.endpoint.check(config.Client, config.InsecureHTTPHosts))
	if len(config.Issuers) == 0 || slices.Contains(config.Issuers, "") {
		problem(errors.New("an issuer is missing"))
	}
	if config.Insecure.SkipSignature {
		problem(errors.New("an opaque token has no signature that could be skipped"))
	}
	bound, err := compileBinding(config.Binding, config.Insecure.SkipAudience)
	problem(err)
	require, err := compileRequirements(config.Require)
	problem(err)
	who, err := newCallers(config.Provider, config.Mapper, config.UserMapper)
	problem(err)
	settings, err := config.Cache.withDefaults()
	problem(err)
	o := &Opaque{
		strategy: s, issuers: slices.Clone(config.Issuers), binding: bound, require: require, profile: config.Profile,
		callers: who, aliases: config.ScopeAliases, clock: times, cache: newAnswers(settings), numericSub: config.NumericSubject != "",
		log: &credentialsLog{
			provider: config.Provider, endpoint: &s.endpoint, variable: config.SecretVariable, events: config.Events, now: times.now,
		},
	}
	o.checks = o.table(o.ask)
	o.inquiries, err = newInquiries(o.question, config.Timeout, config.MaxConcurrent, config.Limits, times.now)
	problem(err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	o.insecure = newInsecureLog(Config{
		Provider: config.Provider, Title: config.Title, Insecure: config.Insecure, Events: config.Events,
	}, times.now)
	return o, nil
}

// Verify checks an access token for the protected resource that it is presented to and returns its
// caller. Every refusal is an [*oauth.Error] with a reason; its cause never holds the token.
func (o *Opaque) Verify(ctx context.Context, presented oauth.Presented) (*oauth.AuthInfo, error) {
	token, resource := presented.Token.Reveal(), presented.Resource
	a, err := o.admit(ctx, token, resource)
	if err != nil {
		return nil, err
	}
	return o.callerOf(a, token, resource)
}

// Recall returns the caller of a token whose answer is in the cache and good for the resource; nil
// if it has to be verified. Verify does the same first. It is for callers who have checks of their
// own that an accepted token has passed.
func (o *Opaque) Recall(token, resource string) *oauth.AuthInfo {
	if o.binding.exchange {
		return nil
	}
	a, known, err := o.cache.find(keyOf(token), resource, o.clock.now())
	if err != nil || !known {
		return nil
	}
	info := a.caller.Load() // made after all checks for its resource
	if info == nil || info.Resource != resource {
		return nil
	}
	o.insecure.used()
	return info
}

// VerifyToken is Verify without the mapping to a caller: it implements [oauth.TokenVerifier].
func (o *Opaque) VerifyToken(ctx context.Context, presented oauth.Presented) (oauth.Claims, error) {
	a, err := o.admit(ctx, presented.Token.Reveal(), presented.Resource)
	if err != nil {
		return oauth.Claims{}, err
	}
	return a.claims, nil
}

// VerifyExchanged checks a token that the caller itself obtained, as [ExchangeVerifier] explains,
// and returns its caller. It asks the provider whatever the cache says: use it for a token that
// just arrived, and to learn whether one still works.
func (o *Opaque) VerifyExchanged(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
	if err := sendable(token); err != nil {
		return nil, err
	}
	key := keyOf(token)
	a, err := o.inquiries.askAnew(ctx, token)
	if err != nil {
		return nil, o.remember(key, err, refused{everywhere: true})
	}
	if err := o.binding.recipient(a.verified, resource); err != nil {
		return nil, o.remember(key, err, refused{resource: resource})
	}
	if !o.binding.exchange {
		o.cache.accept(key, a)
	}
	return o.callerOf(a, token, resource)
}

// Forget drops what is cached about a token, so that the next request asks the provider. Call it
// after revoking one.
func (o *Opaque) Forget(token string) { o.cache.forget(keyOf(token)) }

// UserInfo maps verified claims to the common user shape.
func (o *Opaque) UserInfo(claims oauth.Claims) oauth.UserInfo {
	user := o.callers.userInfo(claims)
	if o.callers.custom == nil {
		user.Scopes = o.alias(user.Scopes)
	}
	return user
}

// admit returns the provider's answer about a token that may be used for a resource.
func (o *Opaque) admit(ctx context.Context, token, resource string) (*answer, error) {
	if err := sendable(token); err != nil {
		return nil, err
	}
	if o.binding.exchange {
		return nil, errFromOutside()
	}
	key := keyOf(token)
	a, known, err := o.cache.find(key, resource, o.clock.now())
	switch {
	case err != nil:
		return nil, err
	case !known:
		who := stranger(ctx)
		who.familiar = o.cache.knows(key, o.clock.now())
		if a, err = o.inquiries.ask(ctx, key, token, who); err != nil {
			return nil, o.remember(key, err, refused{everywhere: true})
		}
	}
	if err := o.binding.recipient(a.verified, resource); err != nil {
		if !known {
			err = o.remember(key, err, refused{resource: resource})
		}
		return nil, err
	}
	if !known {
		o.cache.accept(key, a)
	}
	o.insecure.used()
	return a, nil
}

// remember keeps the refusal of a token, not an outage, and returns it for this request alone.
func (o *Opaque) remember(key tokenKey, err error, r refused) error {
	var e *oauth.Error
	if !errors.As(err, &e) {
		return err
	}
	if e.Code == oauth.CodeInvalidToken {
		r.err, r.at = e, o.clock.now()
		o.cache.refuse(key, r)
	}
	o.log.outage(e)
	return ownCopy(e)
}

// table lists the checks that do not depend on the resource, after the one that asks the provider.
func (o *Opaque) table(ask func(context.Context, *inspection) error) checkTable {
	answered := []string{checkAnswer}
	t := append(checkTable{{id: checkAnswer, run: ask}}, o.strategy.checks...)
	t = append(t,
		check{id: checkIssuer, needs: answered, run: o.issuer, values: o.issuerValues},
		check{id: checkSender, needs: answered, run: bearerOnly},
	)
	if len(o.binding.clientIDs) > 0 {
		t = append(t, check{id: checkApplication, needs: answered, run: o.binding.application, values: o.binding.applicationValues})
	}
	t = append(t, check{id: checkProfile, needs: answered, run: o.complete, silent: o.profile == nil})
	for i := range o.require {
		c := o.require[i].asCheck()
		c.needs = answered
		t = append(t, c)
	}
	return append(t, check{id: checkSubject, needs: answered, values: subjectValues, run: func(_ context.Context, in *inspection) error {
		return textSubject(in.claims, o.numericSub)
	}})
}

// Explain runs all checks on a token and returns what each of them says. It asks the provider,
// whatever was cached, within the limits of all questions.
func (o *Opaque) Explain(ctx context.Context, presented oauth.Presented) []explain.Check {
	from := ""
	if !o.binding.exchange {
		from = "tokens from outside are accepted"
	}
	t := append(checkTable{
		{id: checkSize, run: checkTokenSize, values: tokenSize},
		{id: checkFormat, needs: []string{checkSize}, run: sendableText},
		{id: checkOrigin, run: func(context.Context, *inspection) error { return errFromOutside() }, off: from},
	}, o.table(func(ctx context.Context, in *inspection) error {
		_, err := o.inquiries.within(ctx, stranger(ctx), func(ctx context.Context) (*answer, error) { return nil, o.ask(ctx, in) })
		return err
	})...)
	t[len(t)-len(o.checks)].needs = []string{checkFormat}
	user := o.callers.check()
	user.needs = []string{checkAnswer}
	in := &inspection{token: presented.Token.Reveal(), resource: presented.Resource, now: o.clock.read()}
	return explained(ctx, in, append(t, o.binding.recipientCheck(), user))
}

// question asks the provider about a token and checks all that does not depend on the resource.
func (o *Opaque) question(ctx context.Context, token string) (*answer, error) {
	a := &answer{asked: o.clock.now(), version: o.cache.version()}
	in := &inspection{token: token}
	if err := o.checks.run(ctx, in); err != nil {
		return nil, in.withoutToken(err)
	}
	a.verified, a.client, a.partial = in.verified, in.client, in.partial
	a.audience = a.claims.Strings("aud")
	for _, raw := range a.claims.All() {
		a.size += len(raw) + 64
	}
	a.size += len(token) + 1024
	return a, nil
}

// ask asks the provider.
func (o *Opaque) ask(ctx context.Context, in *inspection) error {
	var err error
	in.claims, err = o.strategy.endpoint.ask(ctx, in.token)
	in.now = o.clock.read()
	return err
}

// complete adds the user's profile, where one is asked for, and leaves out what repeats the token.
func (o *Opaque) complete(ctx context.Context, in *inspection) error {
	var profile oauth.Claims
	var err error
	if o.profile != nil {
		if profile, in.partial, err = o.profile.of(ctx, in.token, o.callers.mapper.localID(in.claims)); err != nil {
			return err
		}
	}
	if in.claims, err = merge(in.claims, profile, in.token); err != nil {
		return o.strategy.endpoint.outage("the answer cannot be used: %w", err)
	}
	return nil
}

// issuer checks iss, byte for byte, where the answer has one (RFC 7662 section 2.2 makes it
// optional; the answer comes from the configured endpoint in any case).
func (o *Opaque) issuer(_ context.Context, in *inspection) error {
	if in.issuer = o.issuers[0]; !in.claims.Has("iss") {
		return nil
	}
	if in.issuer = in.claims.String("iss"); !slices.Contains(o.issuers, in.issuer) {
		return refuse(oauth.ReasonIssuer, fmt.Sprintf(
			"the answer's issuer is %s, accepted is %q (every character counts)", quote(in.issuer), o.issuers), "")
	}
	return nil
}

func (o *Opaque) issuerValues(in *inspection) (got, want []string) {
	return in.claims.Strings("iss"), o.issuers
}

// callerOf returns who an answer is about. All requests with one token and resource share the
// value.
func (o *Opaque) callerOf(a *answer, token, resource string) (*oauth.AuthInfo, error) {
	if info := a.caller.Load(); info != nil && info.Resource == resource {
		return info, nil
	}
	info, err := o.callers.caller(a.verified, token, resource)
	if err != nil {
		return nil, err
	}
	if info.ClientID == "" {
		info.ClientID = a.client
	}
	info.Scopes = o.alias(info.Scopes)
	if o.callers.custom == nil {
		info.User.Scopes = info.Scopes
	}
	a.caller.Store(info)
	return info, nil
}

// alias gives scopes the names by which they are required.
func (o *Opaque) alias(scopes []string) []string {
	if len(o.aliases) == 0 {
		return scopes
	}
	named := make([]string, 0, len(scopes))
	for _, scope := range scopes {
		if alias, ok := o.aliases[scope]; ok {
			scope = alias
		}
		if !slices.Contains(named, scope) {
			named = append(named, scope)
		}
	}
	return named
}

// numericSubject reports whether the provider documents numbers as sub.
func (o *Opaque) numericSubject() bool { return o.numericSub }

func errFromOutside() error {
	return refuse(oauth.ReasonRefusedByVerifier,
		"nothing in this provider's answers ties a token to this server, so tokens from outside are not accepted",
		"Clients must log in here and use the token that they get here")
}

// sendable refuses what cannot be a token before it goes anywhere.
func sendable(token string) error {
	in := &inspection{token: token}
	if err := checkTokenSize(context.Background(), in); err != nil {
		return err
	}
	return sendableText(context.Background(), in)
}

// sendableText refuses characters that no token has (RFC 6749 appendix A.12).
func sendableText(_ context.Context, in *inspection) error {
	if in.token == "" || strings.ContainsFunc(in.token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse(oauth.ReasonMalformedToken, "the token is empty or has characters that no token has", "")
	}
	return nil
}

// credentialsLog tells the operator, at most once in warnInterval, that the provider refuses this
// server's credentials.
type credentialsLog struct {
	provider string
	endpoint *endpoint
	variable string
	events   *events.Sender
	now      func() time.Time
	last     atomic.Int64 // Unix nanoseconds of the last line
}

func (l *credentialsLog) outage(e *oauth.Error) {
	if e.Reason != oauth.ReasonOwnCredentials {
		return
	}
	now, last := l.now().UnixNano(), l.last.Load()
	if last != 0 && now-last < int64(warnInterval) || !l.last.CompareAndSwap(last, now) {
		return
	}
	l.events.Observe(context.Background(), observe.Event{
		Kind: observe.Notice, Level: slog.LevelError, Reason: e.Reason, Provider: l.provider, Err: e.Cause,
		Endpoint: l.endpoint.kind, URL: events.PlainURL(l.endpoint.url), Hint: events.CredentialsHint(l.variable),
		Message: "the provider refuses this server's own credentials: no caller can be verified until they are corrected",
	})
}
