package proxy

// TokenMode says whose access tokens clients get.
type TokenMode string

const (
	// Sealed issues access tokens of our own: bound to the resource, with the mapped user and the
	// provider's access token inside, living as long as the provider's but one hour at most. It is
	// the default, and the only mode for providers whose tokens are opaque.
	Sealed TokenMode = "sealed"
	// Passthrough hands out the provider's own access token, if it is a JWT that the server accepts
	// for this resource.
	Passthrough TokenMode = "passthrough"
)
