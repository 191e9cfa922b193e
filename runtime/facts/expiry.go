package facts

// ExpiryFormat says how a provider writes the end of a token.
type ExpiryFormat string

const (
	// ExpirySeconds is a time in seconds since 1970, as exp is.
	ExpirySeconds ExpiryFormat = "seconds"
	// ExpirySecondsOrMilliseconds is a time since 1970 in seconds or, where the number is above
	// 10^11, in milliseconds: for providers whose documents and answers differ. Seconds come there
	// in the year 5138.
	ExpirySecondsOrMilliseconds ExpiryFormat = "seconds_or_milliseconds"
	// ExpiryIn is a number of seconds from now, as expires_in is.
	ExpiryIn ExpiryFormat = "seconds_from_now"
	// ExpiryRFC3339 is a time such as 2026-11-23T12:00:00Z.
	ExpiryRFC3339 ExpiryFormat = "rfc3339"
)

// Expiry is one claim that says when a token ends. Numbers may come as strings of digits, as Google
// sends them.
type Expiry struct {
	// Claim is a path as in [ClaimMap].
	Claim  string
	Format ExpiryFormat
}
