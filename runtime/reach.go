package runtime

import (
	"cmp"
	"context"
)

// Reach asks the provider for what the first request needs of it, and returns nil once it was
// there: its keys, where tokens are verified with them, else any answer to a request without
// credentials. A provider whose verifier is a function of the configuration's is always reached.
// Servers call it at start, until they are ready; it may be called as often as one likes, since
// keys are fetched no more often than for requests. The error holds no secret.
func (p *Provider) Reach(ctx context.Context) error { return p.reach(ctx) }

// howToReach returns what [Provider.Reach] does.
func (p *Provider) howToReach(d Definition) func(context.Context) error {
	opaque := d.Introspection != nil || d.TokenInfo != nil || d.UserInfo != nil
	if d.Verifier == nil && !opaque && d.Endpoints.JWKS != "" {
		return p.keys.Load
	}
	address := cmp.Or(d.Endpoints.Introspection, d.Endpoints.TokenInfo, d.Endpoints.UserInfo, d.Endpoints.Token)
	if d.Verifier != nil || address == "" {
		return func(context.Context) error { return nil }
	}
	return func(ctx context.Context) error { return p.metadata.Answers(ctx, address) }
}
