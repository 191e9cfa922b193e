package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// audienceRule is a compiled [facts.Audience].
type audienceRule struct {
	claim    path
	isAud    bool
	anyOf    []string
	resource bool   // the resource's URL is accepted
	off      string // why nothing is checked: a documented reason, or an insecure setting
	hint     string
}

func compileAudience(a facts.Audience, skip bool) (audienceRule, error) {
	rule := audienceRule{hint: a.Hint}
	rule.anyOf = slices.DeleteFunc(slices.Clone(a.AnyOf), func(s string) bool { return s == "" })
	rule.resource = a.AlsoResource || a.OrResource && len(rule.anyOf) == 0
	claim := a.Claim
	if claim == "" {
		claim = "aud"
	}
	var err error
	if rule.claim, err = parsePath(claim); err != nil {
		return rule, err
	}
	rule.isAud = claim == "aud"
	switch {
	case skip:
		rule.off = audienceSkipped
	case len(rule.anyOf) == 0:
		rule.off = a.IssuerBound
	}
	if rule.off == "" && len(rule.anyOf) == 0 && !rule.resource {
		return rule, errors.New("nothing says which audience is ours: a token for any other server would do")
	}
	return rule, nil
}

const audienceSkipped = "INSECURE: the audience is not checked (InsecureSkipAudience)"

// check refuses tokens for other recipients.
func (r *audienceRule) check(_ context.Context, in *inspection) error {
	in.audience = in.claims.Strings("aud")
	return r.admits(in.verified, in.resource)
}

// admits refuses tokens for other recipients (RFC 7519 section 4.1.3, RFC 8707).
func (r *audienceRule) admits(v verified, resource string) error {
	named := v.audience
	if !r.isAud {
		named = v.claims.Strings(r.claim...)
	}
	for _, recipient := range named {
		if r.accepts(recipient, resource) {
			return nil
		}
	}
	found := "missing, empty or not made of strings"
	if len(named) > 0 {
		found = quoteAll(named)
	}
	return refuse(oauth.ReasonAudience, fmt.Sprintf(
		"the token's %s is %s, wanted is %q", strings.Join(r.claim, "."), found, r.wanted(resource)), r.hint)
}

func (r *audienceRule) values(in *inspection) (got, want []string) {
	return in.claims.Strings(r.claim...), r.wanted(in.resource)
}

// wanted are the accepted values.
func (r *audienceRule) wanted(resource string) []string {
	if !r.resource {
		return r.anyOf
	}
	return append(slices.Clone(r.anyOf), resource)
}

func (r *audienceRule) accepts(recipient, resource string) bool {
	if recipient == "" {
		return false
	}
	if slices.Contains(r.anyOf, recipient) {
		return true
	}
	return r.resource && (recipient == resource || isOrigin(resource) && recipient == resource+"/")
}

// isOrigin reports whether a canonical resource URL has no path. URL libraries of clients then add
// a slash, and the two are the same URL (RFC 3986 section 6.2.3). With a path a slash makes another
// one.
func isOrigin(resource string) bool {
	_, rest, ok := strings.Cut(resource, "://")
	return ok && rest != "" && !strings.Contains(rest, "/")
}

// requirement is a compiled [facts.Requirement].
type requirement struct {
	claim  path
	anyOf  []string
	absent bool
	hint   string
}

func compileRequirements(list []facts.Requirement) ([]requirement, error) {
	compiled := make([]requirement, 0, len(list))
	for _, r := range list {
		claim, err := parsePath(r.Claim)
		if err != nil {
			return nil, fmt.Errorf("required claim: %w", err)
		}
		if r.Absent && len(r.AnyOf) > 0 {
			return nil, fmt.Errorf("claim %q must be absent and have a value", r.Claim)
		}
		anyOf := slices.Clone(r.AnyOf)
		if r.WhenSet {
			if anyOf = slices.DeleteFunc(anyOf, func(s string) bool { return s == "" }); len(anyOf) == 0 {
				continue
			}
		}
		if slices.Contains(anyOf, "") {
			return nil, fmt.Errorf("required claim %q accepts the empty string, which is as good as no value", r.Claim)
		}
		compiled = append(compiled, requirement{claim: claim, anyOf: anyOf, absent: r.Absent, hint: r.Hint})
	}
	return compiled, nil
}

// asCheck is the check that the claim is there, or is not.
func (r *requirement) asCheck() check {
	return check{id: checkClaim + strings.Join(r.claim, "."), needs: []string{checkContent}, run: r.check, values: r.values}
}

func (r *requirement) check(_ context.Context, in *inspection) error {
	if r.met(in.claims) {
		return nil
	}
	name := strings.Join(r.claim, ".")
	if r.absent {
		return refuse(oauth.ReasonClaim, "the token has the claim "+name+", which marks another kind of token", r.hint)
	}
	if found := identifiers(in.claims, r.claim); len(r.anyOf) > 0 && len(found) > 0 {
		return refuse(oauth.ReasonClaim, fmt.Sprintf("the token's claim %s is %s, accepted are %q", name, quoteAll(found), r.anyOf), r.hint)
	}
	return refuse(oauth.ReasonClaim, "the token lacks the claim "+name, r.hint)
}

func (r *requirement) values(in *inspection) (got, want []string) {
	got, want = identifiers(in.claims, r.claim), r.anyOf
	if len(got) == 0 && in.claims.Has(r.claim...) {
		got = []string{string(in.claims.Raw(r.claim...))}
	}
	switch {
	case r.absent:
		want = []string{"none"}
	case len(want) == 0:
		want = []string{"any value"}
	}
	return got, want
}

func (r *requirement) met(claims oauth.Claims) bool {
	if r.absent {
		return !claims.Has(r.claim...)
	}
	if len(r.anyOf) == 0 {
		raw := string(claims.Raw(r.claim...))
		return raw != "" && raw != "null" && raw != "false" && raw != `""`
	}
	return slices.ContainsFunc(identifiers(claims, r.claim), func(s string) bool { return slices.Contains(r.anyOf, s) })
}
