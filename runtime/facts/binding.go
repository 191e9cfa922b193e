package facts

// Binding says what ties an opaque token to this server. A provider vouches for every token that it
// ever issued, to whatever application: without a binding the owner of any other one could act here
// as each of its users. One of ClientIDs, Audience and Exchange has to be set.
type Binding struct {
	// ClientIDs are the applications whose tokens are accepted: as a rule the one that is
	// registered for this server. Empty values are dropped.
	ClientIDs []string
	// ClientClaims are the paths (as in [ClaimMap]) of the claims that name the application to
	// which a token was issued, as a string, an integer or an array of strings. At least one must
	// be there, and every one that is there must hold one of ClientIDs. The default is client_id
	// (RFC 7662 section 2.2).
	ClientClaims []string
	// Audience is the rule for the answer's recipients; IssuerBound means nothing here. With
	// ClientIDs set as well, an answer that lacks the claim passes on its application alone.
	Audience Audience
	// Exchange says that no answer of the provider names application or audience, and promises that
	// only tokens are handed in that the caller itself received from the provider's token endpoint
	// with this server's credentials. Verify and VerifyToken then refuse every token;
	// [Opaque.VerifyExchanged] accepts.
	Exchange bool
}
