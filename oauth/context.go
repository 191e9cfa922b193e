package oauth

import (
	"context"

	"github.com/latchkey-auth/latchkey/internal/callerkey"
)

// callerContext is what context.WithValue would make, in half the memory: every request gets one.
type callerContext struct {
	context.Context //nolint:containedctx // it is a context

	info *AuthInfo
}

// Value returns the caller for its key.
func (c *callerContext) Value(key any) any {
	if key == (callerkey.Key{}) {
		return c.info
	}
	return c.Context.Value(key)
}

// NewContext returns a context that carries the verified caller.
func NewContext(ctx context.Context, info *AuthInfo) context.Context {
	return &callerContext{Context: ctx, info: info}
}

// FromContext returns the verified caller of the request that ctx belongs to. The second result is
// false where no guard ran.
func FromContext(ctx context.Context) (*AuthInfo, bool) {
	info, ok := ctx.Value(callerkey.Key{}).(*AuthInfo)
	return info, ok && info != nil
}
