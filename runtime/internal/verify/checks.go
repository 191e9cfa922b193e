package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// MaxTokenSize is the size in bytes of the longest token that is looked at, whatever a guard lets
// through: half of what the header of a request may have as a whole at net/http's default,
// http.DefaultMaxHeaderBytes.
const MaxTokenSize = 512 << 10

// checkTokenSize refuses a token that is too long to be looked at.
func checkTokenSize(_ context.Context, in *inspection) error {
	if len(in.token) > MaxTokenSize {
		return refuse(oauth.ReasonTokenTooLarge, fmt.Sprintf("the token has %d bytes, the limit is %d", len(in.token), MaxTokenSize), "")
	}
	return nil
}

func tokenSize(in *inspection) (got, want []string) {
	return []string{strconv.Itoa(len(in.token)) + " bytes"}, []string{fmt.Sprintf("at most %d bytes", MaxTokenSize)}
}

// maxLeeway is the largest leeway that still makes sense as a difference of clocks.
const maxLeeway = 10 * time.Minute

// clock tells the time. All checks of one token share a reading of it.
type clock struct {
	now    func() time.Time
	leeway time.Duration
}

func newClock(now func() time.Time, leeway time.Duration) (clock, error) {
	if now == nil {
		now = time.Now
	}
	if leeway < 0 || leeway > maxLeeway {
		return clock{}, fmt.Errorf("leeway %s must be between 0 and %s: it bridges clocks that differ, it does not prolong tokens",
			leeway, maxLeeway)
	}
	return clock{now: now, leeway: leeway}, nil
}

// moment is one reading of a clock.
type moment struct {
	time   time.Time
	leeway time.Duration
}

func (c clock) read() moment { return moment{time: c.now(), leeway: c.leeway} }

// expiryOf returns the check of exp (RFC 7519 section 4.1.4), which may be absent where it is not
// required.
func expiryOf(required bool) func(context.Context, *inspection) error {
	return func(_ context.Context, in *inspection) error {
		expires, present, err := instant(in.claims, "exp")
		switch {
		case err != nil:
			return err
		case !present && required:
			return refuse(oauth.ReasonInvalidTime, "the token has no exp claim", "")
		case present && !in.now.time.Before(expires.Add(in.now.leeway)):
			return expired(expires, in.now)
		}
		in.expires = expires
		return nil
	}
}

func expired(expires time.Time, now moment) error {
	return refuse(oauth.ReasonExpired, fmt.Sprintf("the token expired at %s, now is %s", stamp(expires), stamp(now.time)),
		"The client has to refresh it; where it is new, the provider's clock or this server's is wrong")
}

func expiryValues(in *inspection) (got, want []string) {
	return shownInstant(in, "exp"), []string{"after " + stamp(in.now.time.Add(-in.now.leeway))}
}

// notBefore checks nbf (RFC 7519 section 4.1.5), which a token may lack.
func notBefore(_ context.Context, in *inspection) error { return begun(in, "nbf", in.now.leeway) }

func notBeforeValues(in *inspection) (got, want []string) {
	return shownInstant(in, "nbf"), []string{"none", "at or before " + stamp(in.now.time.Add(in.now.leeway))}
}

// maxAhead is how far ahead a token may have been issued. RFC 7519 section 4.1.6 asks for no check
// of iat at all, and clocks that are apart make new tokens come from the future; what is a day
// ahead is no matter of clocks.
const maxAhead = 24 * time.Hour

// issuedAt refuses an iat that is absurd.
func issuedAt(_ context.Context, in *inspection) error { return begun(in, "iat", maxAhead) }

func issuedAtValues(in *inspection) (got, want []string) {
	return shownInstant(in, "iat"), []string{"none", "at or before " + stamp(in.now.time.Add(maxAhead))}
}

// begun refuses a token of which a claim says that it begins later than a given time from now.
func begun(in *inspection, name string, ahead time.Duration) error {
	t, present, err := instant(in.claims, name)
	if err != nil {
		return err
	}
	if present && in.now.time.Add(ahead).Before(t) {
		return refuse(oauth.ReasonNotYetValid, fmt.Sprintf("%s is %s, now is %s", name, stamp(t), stamp(in.now.time)),
			"The provider's clock or this server's may be wrong")
	}
	return nil
}

// shownInstant is a time claim for people.
func shownInstant(in *inspection, name string) []string {
	if t, ok := in.claims.Time(name); ok {
		return []string{stamp(t)}
	}
	if in.claims.Raw(name) != nil {
		return []string{"not a number of seconds"}
	}
	return []string{"none"}
}

// instant reads a NumericDate claim. A claim that is there and no such number is an error.
func instant(claims oauth.Claims, name string) (t time.Time, present bool, err error) {
	if t, ok := claims.Time(name); ok {
		return t, true, nil
	}
	if claims.Raw(name) != nil {
		return time.Time{}, true, oauth.InvalidToken(oauth.ReasonInvalidTime, fmt.Errorf(
			"%s is not a number of seconds (RFC 7519 section 2)", name))
	}
	return time.Time{}, false, nil
}

// stamp writes a time for a log; years beyond RFC 3339 as seconds.
func stamp(t time.Time) string {
	if t.Year() > 9999 {
		return fmt.Sprintf("%d s", t.Unix())
	}
	return t.UTC().Format(time.RFC3339)
}

// bearerOnly refuses tokens that are bound to a client's key (RFC 7800, as DPoP and mutual TLS use
// it): whoever presents one as a bearer token has not shown the key.
func bearerOnly(_ context.Context, in *inspection) error {
	if in.claims.Has("cnf") {
		return senderConstrained("cnf claim, DPoP or mutual TLS")
	}
	return nil
}

// senderConstrained refuses a token that is bound to a client's key, as the mark in it tells.
func senderConstrained(mark string) error {
	return refuse(oauth.ReasonSenderConstrained,
		fmt.Sprintf("the token is bound to a client's key (%s) and this server takes bearer tokens only", mark),
		"Turn sender-constrained tokens off for this client at the provider")
}

// accessTokenShaped refuses what carries the mark of another kind of token of the same provider.
func accessTokenShaped(claims oauth.Claims, idTokenShaped bool) error {
	if mark := idTokenHash(claims, "c_hash", "s_hash"); mark != "" {
		return refuse(oauth.ReasonTokenType, fmt.Sprintf("the token has %s, as only ID tokens do", mark), "The client must send the access token")
	}
	if mark := idTokenMark(claims); mark != "" && !idTokenShaped {
		return refuse(oauth.ReasonTokenType, fmt.Sprintf("the token has %s, as only ID tokens do", mark),
			"The client must send the access token. Where the provider's access tokens look so, give the reason in IDTokenShaped")
	}
	if use := claims.String("token_use"); use == "id" {
		return oauth.InvalidToken(oauth.ReasonTokenType, errors.New("token_use is id, not an access token"))
	}
	if mark := refreshTokenMark(claims); mark != "" {
		return refuse(oauth.ReasonTokenType, "the claim "+mark+" says that this is a refresh token", "The client must send the access token")
	}
	if typ := claims.String("typ"); slices.Contains([]string{"ID", "Offline", "Logout"}, typ) {
		return oauth.InvalidToken(oauth.ReasonTokenType, fmt.Errorf("the claim typ is %s, not an access token", typ))
	}
	if len(claims.Object("events").Raw("http://schemas.openid.net/event/backchannel-logout")) > 0 {
		return oauth.InvalidToken(oauth.ReasonTokenType, errors.New("the token is a logout token"))
	}
	return nil
}

// idTokenHash names the first of some hashes that the claims have; it is empty for others. at_hash,
// c_hash and s_hash are hashes of what an ID token was issued with (OpenID Connect Core section
// 3.3.2.11, FAPI 1.0 part 2 section 5.1).
func idTokenHash(claims oauth.Claims, hashes ...string) string {
	for _, hash := range hashes {
		if claims.Has(hash) {
			return "the claim " + hash
		}
	}
	return ""
}

// idTokenMark names what makes an ID token of the claims where the provider's access tokens do not
// have it, too; it is empty for others. A nonce alone proves nothing, since some providers copy it
// into access tokens; those, however, say for which scope or client they are.
func idTokenMark(claims oauth.Claims) string {
	if mark := idTokenHash(claims, "at_hash"); mark != "" {
		return mark
	}
	if !claims.Has("nonce") {
		return ""
	}
	for _, grant := range [...]string{"scope", "scp", "scopes", "client_id", "cid", "appid"} {
		if claims.Has(grant) {
			return ""
		}
	}
	return "a nonce and neither scope nor client"
}

// refreshTokenMark names the claim in which a provider says that a token is a refresh token; it is
// empty for others. Providers that sign refresh tokens with the keys of access tokens tell the two
// apart by one of these claims, and by nothing else.
func refreshTokenMark(claims oauth.Claims) string {
	const refresh = "refresh"
	for _, name := range [...]string{"token_use", "token_type", "tokenType", "TokenType", "typ"} {
		if kind := claims.String(name); len(kind) >= len(refresh) && equalFoldASCII(kind[:len(refresh)], refresh) {
			return name
		}
	}
	return ""
}

// textSubject refuses a sub that is no text (RFC 7519 section 4.1.2: a StringOrURI). A number can
// be written in several ways, and the user 7 is not the user "7"; numeric says that the provider
// documents numbers.
func textSubject(claims oauth.Claims, numeric bool) error {
	raw := claims.Raw("sub")
	if !claims.Has("sub") || raw[0] == '"' || numeric && isNaturalNumber(raw) {
		return nil
	}
	return refuse(oauth.ReasonClaim, "the token's sub is no text (RFC 7519 section 4.1.2)",
		"Have the provider write it as one; where it documents a number, a spec can say so (numeric_subject)")
}

func subjectValues(in *inspection) (got, want []string) {
	if !in.claims.Has("sub") {
		return []string{"none"}, []string{"none", "a text"}
	}
	return []string{string(in.claims.Raw("sub"))}, []string{"none", "a text"}
}

// maxQuoted is how many bytes of a value from a token an error quotes.
const maxQuoted = 120

// maxQuotedValues is how many values of a list an error quotes.
const maxQuotedValues = 4

// quote makes a value of a token fit for a log line: escaped and cut.
func quote(s string) string {
	if len(s) > maxQuoted {
		return fmt.Sprintf("%q…", s[:maxQuoted])
	}
	return fmt.Sprintf("%q", s)
}

// quoteAll makes a list of values of a token fit for a log line.
func quoteAll(values []string) string {
	quoted := make([]string, 0, maxQuotedValues)
	for _, v := range values[:min(len(values), maxQuotedValues)] {
		quoted = append(quoted, quote(v))
	}
	text := strings.Join(quoted, ", ")
	if more := len(values) - maxQuotedValues; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
