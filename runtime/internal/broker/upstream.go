package broker

import (
	"errors"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// upstreamRefused maps a failed request to the provider for the client: the provider's no ends the grant, an outage passes,
// what only the operator can correct is ours.
func upstreamRefused(err error) *oauth.Error {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return refusal.RetryLater(refusal.ReasonUpstreamUnavailable, 0, err)
	}
	switch e.Kind {
	case upstream.KindDenied:
		return refusal.InvalidGrant(refusal.ReasonUpstreamError, err)
	case upstream.KindNonce:
		return refusal.InvalidGrant(refusal.ReasonNonce, err)
	case upstream.KindRejected:
		return refusal.Misconfigured(refusal.ReasonUpstreamError, err)
	case upstream.KindUnusable:
		return refusal.Misconfigured(refusal.ReasonUpstreamResponse, err)
	default:
		return refusal.RetryLater(refusal.ReasonUpstreamUnavailable, e.RetryAfter, err)
	}
}
