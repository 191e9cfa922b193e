// Package callerkey names the place of the verified caller in a context, for the packages that put
// it there.
package callerkey

// Key is the context key of the verified caller, an *oauth.AuthInfo.
type Key struct{}
