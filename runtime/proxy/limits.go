package proxy

// Rate is a token bucket: Burst at once, then PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Limits bounds what clients may do, each replica for itself; a zero Rate means its default. IPv6
// addresses count by their /64 network. A request that goes beyond the limits gets 429,
// temporarily_unavailable and Retry-After, before a code or refresh token counts as used.
type Limits struct {
	// Register is for registrations. The default is 2 per second after 60 at once.
	Register Rate
	// Authorize is for authorization requests, answered consent pages, and revocations that only
	// the provider can judge. The default is 5 per second after 120 at once.
	Authorize Rate
	// Documents is for fetches of client metadata documents that are not cached. The default is 1
	// per second after 20 at once. All addresses together may cause ten times that.
	Documents Rate
	// Reserved is each login's own share of token requests, and as much of revocations: the limits
	// below are for what goes beyond it. The default is 5 a minute, all of them at once.
	Reserved Rate
	// LoginTokens is for token requests to the provider of one login. The default is 15 per minute
	// after 40 at once.
	LoginTokens Rate
	// LoginRevocations is for revocations at the provider of one login, beside repeats, which are
	// answered from memory. The default is 1 per minute after 10 at once.
	LoginRevocations Rate
	// AddressTokens is for token requests and revocations at the provider that one client address
	// causes. The default is 10 per second after 300 at once. It is off for clients of which
	// nothing but a private address is known: see the guard's ClientAddress.
	AddressTokens Rate
	// AllTokens is for token requests and revocations at the provider of all together. The default
	// is 50 per second after 1000 at once.
	AllTokens Rate
}
