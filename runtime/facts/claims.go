package facts

// ClaimMap says which claims become which fields of a caller. Claims are named by path: a dot
// descends into an object ("realm_access.roles"), a backslash before a dot makes it part of the
// name. Of several paths the first with a value wins: a string, or list, that is not empty.
type ClaimMap struct {
	// UserID defaults to sub.
	UserID []string
	// UserRealm, when not empty, is where the realm is in which UserID names one user: the
	// workspace at Slack. The user is then realm/user, for [oauth.AuthInfo.Subject] too, and claims
	// without a realm name nobody.
	UserRealm []string

	Email    []string
	Name     []string
	Username []string
	Nickname []string
	Picture  []string
	// ClientID defaults to client_id, then azp. It never falls back to sub.
	ClientID    []string
	Roles       List
	Permissions List
	// Scopes is where the granted scopes are: a string, split at ScopeSeparator (default space), or
	// an array of strings. It defaults to scope, then scp.
	Scopes         []string
	ScopeSeparator string
	// Extra are further claims for [oauth.UserInfo.Extra].
	Extra []Extra
}

// List says how a list of strings is read from claims.
type List struct {
	// From are paths of an array of strings or a single string.
	From []string
	// Each, instead of From, is the path of an object or of a list of objects; of each of its
	// members the list, or the string, at Member is taken. Without Member the names of an object's
	// members are the list.
	Each   string
	Member string
	// As forms an entry from {value} and, with Each, {key}, which is empty in a list of objects.
	// Empty means "{value}".
	As string
}

// Extra is one further claim under its name for the user.
type Extra struct {
	// Claim is the top-level claim.
	Claim string
	// As is its name for the user; empty means the claim's own.
	As string
}
