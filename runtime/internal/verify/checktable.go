package verify

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/explain"
)

// The ids of the checks. They are stable: people and programs read them. docs/verification.md lists
// them.
const (
	checkSize        = "size"
	checkFormat      = "format"
	checkAlgorithm   = "algorithm"
	checkType        = "type"
	checkFlood       = "flood"
	checkContent     = "content"
	checkOrigin      = "origin"
	checkAnswer      = "answer"
	checkActive      = "active"
	checkVerifier    = "verifier"
	checkIssuer      = "issuer"
	checkExpiry      = "expiry"
	checkKey         = "key"
	checkSignature   = "signature"
	checkNotBefore   = "not_before"
	checkIssuedAt    = "issued_at"
	checkAudience    = "audience"
	checkSender      = "sender"
	checkKind        = "kind"
	checkApplication = "application"
	checkProfile     = "profile"
	checkClaim       = "claim:" // and the claim's path
	checkSubject     = "subject"
	checkUser        = "user"
)

// inspection is one token under check, with what the checks have found so far.
type inspection struct {
	verified

	token, resource string
	now             moment

	jws        jose.JWS
	candidates jose.Candidates
	secret     *jose.Key
	signer     signer
	client     string // the application that an opaque token was issued to, where that is checked
	partial    bool   // an optional profile is missing
	caller     *oauth.AuthInfo
}

// check is one named check of a token.
type check struct {
	id string
	// needs are the checks without which this one has nothing to look at.
	needs []string
	// run returns nil or an [*oauth.Error].
	run func(context.Context, *inspection) error
	// values are what the token has and what would pass, for [explain.Check]. Nil is for checks that
	// have nothing to show.
	values func(*inspection) (got, want []string)
	// off says why the check is never run; empty if it is.
	off string
	// silent is a step that says nothing of its own about a token.
	silent bool
}

// checkTable is the list of checks that a token has to pass, in their order.
type checkTable []check

// run runs the checks to the first that fails and returns its error.
func (t checkTable) run(ctx context.Context, in *inspection) error {
	for i := range t {
		if t[i].off != "" {
			continue
		}
		if err := t[i].run(ctx, in); err != nil {
			return err
		}
	}
	return nil
}

// explained runs all checks of a table that have something to look at.
func explained(ctx context.Context, in *inspection, t checkTable) []explain.Check {
	findings := make([]explain.Check, 0, len(t))
	var stopped []string
	for i := range t {
		c := &t[i]
		f := explain.Check{ID: c.id, Outcome: explain.Passed}
		lacking := slices.IndexFunc(c.needs, func(id string) bool { return slices.Contains(stopped, id) })
		switch {
		case lacking >= 0:
			f.Outcome, f.Fix = explain.Skipped, "not looked at, since "+c.needs[lacking]+" did not pass"
			stopped = append(stopped, c.id)
		case c.off != "":
			f.Outcome, f.Fix = explain.Skipped, c.off
		default:
			if err := c.run(ctx, in); err != nil {
				e := oauth.AsError(err)
				f.Outcome, f.Reason, f.Fix = explain.Failed, e.Reason, in.safe(advice(e))
				stopped = append(stopped, c.id)
			}
		}
		if lacking < 0 && c.values != nil {
			got, want := c.values(in)
			f.Got, f.Want = in.safeAll(got), want
		}
		if !c.silent {
			findings = append(findings, f)
		}
	}
	return findings
}

// maxShown bounds the values of a token that a finding shows.
const maxShown = 16

// safeAll makes values of a token fit to be shown.
func (in *inspection) safeAll(values []string) []string {
	if len(values) > maxShown {
		values = append(values[:maxShown:maxShown], "…")
	}
	shown := make([]string, len(values))
	for i, v := range values {
		shown[i] = in.safe(v)
		if len(shown[i]) > maxQuoted {
			shown[i] = strings.ToValidUTF8(shown[i][:maxQuoted], "") + "…"
		}
	}
	return shown
}

// safe leaves the token, and the parts of a JWT, out of a text: some providers repeat a token in
// what they say about it.
func (in *inspection) safe(text string) string {
	for _, part := range append([]string{in.token}, strings.Split(in.token, ".")...) {
		if len(part) >= shortToken {
			text = strings.ReplaceAll(text, part, "(token)")
		}
	}
	return text
}

// withoutToken leaves the token out of the error of a check.
func (in *inspection) withoutToken(err error) error {
	var e *oauth.Error
	if !errors.As(err, &e) || e.Cause == nil {
		return err
	}
	text := e.Cause.Error()
	safe := in.safe(text)
	if safe == text {
		return err
	}
	own := *e
	own.Cause = errors.New(safe)
	return &own
}

// advice is the sentence about a refusal for the operator.
func advice(e *oauth.Error) string {
	if e.Cause != nil {
		return e.Cause.Error()
	}
	return e.Description
}

// refuse returns the 401 for a token. what is wrong with it and fix, which may be empty, are for
// the operator.
func refuse(reason oauth.Reason, what, fix string) *oauth.Error {
	if fix = strings.TrimSpace(fix); fix != "" {
		what += ". " + fix
	}
	return oauth.InvalidToken(reason, errors.New(what))
}
