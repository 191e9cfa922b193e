package verify

// Insecure switches checks off. Each is logged as a warning when the verifier is made and when it
// let a token pass, at most once a minute.
type Insecure struct {
	// SkipSignature accepts tokens whoever made them. All other checks still run.
	SkipSignature bool
	// SkipAudience accepts tokens that were made for other servers.
	SkipAudience bool
}
