package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// MaxTokenSize is the size in bytes of the longest token that is looked at, whatever a guard lets through: half of what the
// header of a request may have as a whole at net/http's default, http.DefaultMaxHeaderBytes.
const MaxTokenSize = 512 << 10

// maxLeeway is the largest leeway that still makes sense as a difference of clocks.
const maxLeeway = 10 * time.Minute

// clock checks the times of a token, each at the moment of the check. Several checks of one token share a [moment].
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

func (c clock) expiry(claims oauth.Claims, required bool) (time.Time, error) {
	return c.read().expiry(claims, required)
}

func (c clock) start(claims oauth.Claims) error { return c.read().start(claims) }

// moment is one reading of a clock.
type moment struct {
	now    time.Time
	leeway time.Duration
}

func (c clock) read() moment { return moment{now: c.now(), leeway: c.leeway} }

// expiry checks exp (RFC 7519 section 4.1.4) and returns it. Without an exp it is the zero time, which is an error where
// the claim is required.
func (m moment) expiry(claims oauth.Claims, required bool) (time.Time, error) {
	expires, present, err := instant(claims, "exp")
	switch {
	case err != nil:
		return time.Time{}, err
	case !present && required:
		return time.Time{}, oauth.InvalidToken(oauth.ReasonInvalidTime, errors.New("the token has no exp claim"))
	case present && !m.now.Before(expires.Add(m.leeway)):
		return time.Time{}, oauth.InvalidToken(oauth.ReasonExpired, fmt.Errorf(
			"the token expired at %s, now is %s", stamp(expires), stamp(m.now)))
	}
	return expires, nil
}

// start checks nbf and iat (RFC 7519 sections 4.1.5 and 4.1.6), which a token may lack.
func (m moment) start(claims oauth.Claims) error {
	for _, name := range [...]string{"nbf", "iat"} {
		t, present, err := instant(claims, name)
		if err != nil {
			return err
		}
		if present && m.now.Add(m.leeway).Before(t) {
			return oauth.InvalidToken(oauth.ReasonNotYetValid, fmt.Errorf(
				"%s is %s, now is %s: the provider's clock or this server's may be wrong", name, stamp(t), stamp(m.now)))
		}
	}
	return nil
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

// bearerOnly refuses tokens that are bound to a client's key (RFC 7800, as DPoP and mutual TLS use it): whoever presents
// one as a bearer token has not shown the key.
func bearerOnly(claims oauth.Claims) error {
	if claims.Has("cnf") {
		return senderConstrained("cnf claim, DPoP or mutual TLS")
	}
	return nil
}

// senderConstrained refuses a token that is bound to a client's key, as the mark in it tells.
func senderConstrained(mark string) error {
	return oauth.InvalidToken(oauth.ReasonSenderConstrained, fmt.Errorf(
		"the token is bound to a client's key (%s) and this server takes bearer tokens only: "+
			"turn sender-constrained tokens off for this client at the provider", mark))
}

// accessTokenShaped refuses what carries the mark of another kind of token of the same provider.
func accessTokenShaped(claims oauth.Claims, idTokenShaped bool) error {
	if mark := idTokenMark(claims); mark != "" && !idTokenShaped {
		return oauth.InvalidToken(oauth.ReasonTokenType, fmt.Errorf(
			"the token has %s, as only ID tokens do: the client must send the access token", mark))
	}
	if use := claims.String("token_use"); use == "id" || use == "refresh" {
		return oauth.InvalidToken(oauth.ReasonTokenType, fmt.Errorf("token_use is %s, not an access token", use))
	}
	if typ := claims.String("typ"); slices.Contains([]string{"ID", "Refresh", "Offline", "Logout"}, typ) {
		return oauth.InvalidToken(oauth.ReasonTokenType, fmt.Errorf("the claim typ is %s, not an access token", typ))
	}
	if len(claims.Object("events").Raw("http://schemas.openid.net/event/backchannel-logout")) > 0 {
		return oauth.InvalidToken(oauth.ReasonTokenType, errors.New("the token is a logout token"))
	}
	return nil
}

// idTokenMark names what makes an ID token of the claims; it is empty for others. at_hash, c_hash and s_hash are hashes of
// what an ID token was issued with (OpenID Connect Core section 3.3.2.11, FAPI 1.0 part 2 section 5.1). A nonce alone proves
// nothing, since some providers copy it into access tokens; those, however, say for which scope or client they are.
func idTokenMark(claims oauth.Claims) string {
	for _, mark := range [...]string{"at_hash", "c_hash", "s_hash"} {
		if claims.Has(mark) {
			return "the claim " + mark
		}
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
