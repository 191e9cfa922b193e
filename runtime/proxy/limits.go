package proxy

// Rate is a token bucket: Burst at once, then PerSecond.
type Rate struct {
	PerSecond float64
	Burst     int
}

// Limits bounds what one client address may do; a zero Rate means its default. IPv6 addresses count by their /64 network.
type Limits struct {
	// Register is for registrations. The default is 2 per second after 60 at once.
	Register Rate
	// Authorize is for authorization requests, answered consent pages, and revocations that only the provider can judge. The
	// default is 5 per second after 120 at once.
	Authorize Rate
	// Documents is for fetches of client metadata documents that are not cached. The default is 1 per second after 20 at
	// once. All addresses together may cause ten times that.
	Documents Rate
}
