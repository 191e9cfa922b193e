package verify

import (
	"context"
	"errors"
	"time"

	"github.com/latchkey-auth/latchkey/internal/ratelimit"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// Limit is a token bucket.
type Limit = upstream.Limit

// InquiryLimits bounds the questions about strangers' tokens that turn out to be no good. A
// stranger has a token that was not good within the last hour; a good one costs nothing, so that a
// restart, after which all are strangers, is not felt. A zero limit means its default.
type InquiryLimits struct {
	// AllStrangers is for those of all addresses together.
	AllStrangers Limit
	// AddressStrangers is for those of one client address: see [WithAddress].
	AddressStrangers Limit
}

// DefaultInquiryLimits are well below what providers allow a client, and leave half of it to others
// than any one address.
func DefaultInquiryLimits() InquiryLimits {
	return InquiryLimits{
		AllStrangers:     Limit{PerSecond: 1, Burst: 120},
		AddressStrangers: Limit{PerSecond: 0.5, Burst: 60},
	}
}

// Inquires reports whether a verifier asks somebody about tokens, within [InquiryLimits].
func Inquires(verifier any) bool {
	switch v := verifier.(type) {
	case *Opaque:
		return true
	case *Custom:
		return Inquires(v.verifier)
	}
	return false
}

type addressKey struct{}

// WithAddress returns a context with the client address that a question about a token counts under.
// Empty stands for one that is not known, which has no budget of its own.
func WithAddress(ctx context.Context, address string) context.Context {
	if address == "" {
		return ctx
	}
	return context.WithValue(ctx, addressKey{}, address)
}

// asker is on whose behalf the provider is asked.
type asker struct {
	// familiar tells that the token was good before.
	familiar bool
	// address is the client's; empty where it is not known.
	address string
}

// stranger comes with a token that was not good before, from the address that ctx has.
func stranger(ctx context.Context) asker {
	address, _ := ctx.Value(addressKey{}).(string)
	return asker{address: address}
}

// strangers are the budgets of questions about tokens that were never good.
type strangers struct{ all, address *ratelimit.Limiter }

// maxStrangerAddresses is how many addresses have a budget at a time.
const maxStrangerAddresses = 8192

func newStrangers(l InquiryLimits) strangers {
	defaults := DefaultInquiryLimits()
	if l.AllStrangers == (Limit{}) {
		l.AllStrangers = defaults.AllStrangers
	}
	if l.AddressStrangers == (Limit{}) {
		l.AddressStrangers = defaults.AddressStrangers
	}
	return strangers{
		all:     ratelimit.New(l.AllStrangers.PerSecond, l.AllStrangers.Burst, 1),
		address: ratelimit.New(l.AddressStrangers.PerSecond, l.AddressStrangers.Burst, maxStrangerAddresses),
	}
}

// admit returns why the provider is not asked for a stranger now.
func (s strangers) admit(who asker, now time.Time) error {
	if who.familiar {
		return nil
	}
	if who.address != "" {
		if wait := s.address.Wait(who.address, now); wait > 0 {
			return refusedFor(wait, "too many tokens from the client's address that nobody has seen before are no good")
		}
	}
	if wait := s.all.Wait("", now); wait > 0 {
		return refusedFor(wait, "too many tokens that nobody has seen before are no good")
	}
	return nil
}

func refusedFor(wait time.Duration, why string) error {
	return oauth.Unavailable(min(max(wait, defaultRetry), maxPause), errors.New(why+": no further ones are asked about for a moment"))
}

// spend counts a question that ended: one about a token that is no good, and one that its asker
// gave up, which has reached the provider as well.
func (s strangers) spend(ctx context.Context, who asker, err error, now time.Time) {
	if who.familiar || !errors.Is(err, oauth.ErrInvalidToken) && !errors.Is(ctx.Err(), context.Canceled) {
		return
	}
	s.all.Spend("", now)
	if who.address != "" {
		s.address.Spend(who.address, now)
	}
}
