package broker

import (
	"errors"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// upstreamRefused maps a failed request to the provider for the client: the provider's no ends the grant, an outage passes,
// what only the operator can correct is ours.
func upstreamRefused(err error) *oauth.Error {
	e, ok := errors.AsType[*upstream.Error](err)
	if !ok {
		return retryLater(reasonUpstreamUnavailable, 0, err)
	}
	switch e.Kind {
	case upstream.KindDenied:
		return invalidGrant(reasonUpstreamError, err)
	case upstream.KindNonce:
		return invalidGrant(reasonNonce, err)
	case upstream.KindRejected:
		return misconfigured(reasonUpstreamError, err)
	case upstream.KindUnusable:
		return misconfigured(reasonUpstreamResponse, err)
	default:
		return retryLater(reasonUpstreamUnavailable, e.RetryAfter, err)
	}
}
