// Package explain says why a request with an access token is let in or refused: each check of the
// guard in its order, with what the token has and what would pass.
package explain

import (
	"slices"

	"github.com/latchkey-auth/latchkey/oauth"
)

// schemaVersion is that of the JSON of reports.
const schemaVersion = 1

// NewReport returns a report without checks.
func NewReport() Report { return Report{SchemaVersion: schemaVersion} }

// Report is what a guard's checks say of one request. It never holds the token or a part of its
// signature, so that it may be shown and stored.
type Report struct {
	// SchemaVersion is the version of the report's JSON. It grows with changes that readers of an
	// older one would not understand.
	SchemaVersion int `json:"schemaVersion"`
	// Accepted reports whether the guard would let the request in.
	Accepted bool `json:"accepted"`
	// Reason is why not; empty for a request that is let in.
	Reason oauth.Reason `json:"reason,omitempty"`
	// Checks are the checks in their order. Those after the first that failed were made as well, as
	// far as there was something to look at.
	Checks []Check `json:"checks"`
}

// Outcome is what a check says of a token.
type Outcome string

// The outcomes.
const (
	Passed Outcome = "passed"
	Failed Outcome = "failed"
	// Skipped is a check that is switched off, or that had nothing to look at since another one
	// failed.
	Skipped Outcome = "skipped"
)

// Check is what one check says.
type Check struct {
	// ID is the check's stable name, such as "audience".
	ID      string  `json:"id"`
	Outcome Outcome `json:"outcome"`
	// Reason is why it failed.
	Reason oauth.Reason `json:"reason,omitempty"`
	// Got are the values that the token has, Want those of which one would pass. Either is empty
	// where there is nothing to show.
	Got  []string `json:"got,omitempty"`
	Want []string `json:"want,omitempty"`
	// Fix says what is wrong and what to change where; for a check that was skipped, why.
	Fix string `json:"fix,omitempty"`
}

// FirstFailed returns the first check that failed, which decides; nil if none did.
func (r Report) FirstFailed() *Check {
	if i := slices.IndexFunc(r.Checks, func(c Check) bool { return c.Outcome == Failed }); i >= 0 {
		return &r.Checks[i]
	}
	return nil
}
