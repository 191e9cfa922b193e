package oauth

import "context"

type contextKey struct{}

// NewContext returns a context that carries the verified caller.
func NewContext(ctx context.Context, info *AuthInfo) context.Context {
	return context.WithValue(ctx, contextKey{}, info)
}

// FromContext returns the verified caller of the request that ctx belongs to. The second result is false where no guard
// ran.
func FromContext(ctx context.Context) (*AuthInfo, bool) {
	info, ok := ctx.Value(contextKey{}).(*AuthInfo)
	return info, ok && info != nil
}
