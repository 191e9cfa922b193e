package verify

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// audienceRule is a compiled [facts.Audience].
type audienceRule struct {
	claim      path
	isAud      bool
	anyOf      []string
	orResource bool
	optional   bool // nothing to check against, for a documented reason or by an insecure setting
	hint       string
}

func compileAudience(a facts.Audience, skip bool) (audienceRule, error) {
	rule := audienceRule{orResource: a.OrResource, hint: a.Hint}
	rule.anyOf = slices.DeleteFunc(slices.Clone(a.AnyOf), func(s string) bool { return s == "" })
	claim := a.Claim
	if claim == "" {
		claim = "aud"
	}
	var err error
	if rule.claim, err = parsePath(claim); err != nil {
		return rule, err
	}
	rule.isAud = claim == "aud"
	rule.optional = skip || len(rule.anyOf) == 0 && a.IssuerBound != ""
	if !rule.optional && len(rule.anyOf) == 0 && !rule.orResource {
		return rule, errors.New("nothing says which audience is ours: a token for any other server would do")
	}
	return rule, nil
}

// check refuses tokens for other recipients (RFC 7519 section 4.1.3, RFC 8707). aud is the aud claim, read already.
func (r *audienceRule) check(claims oauth.Claims, aud []string, resource string) error {
	if r.optional {
		return nil
	}
	if !r.isAud {
		aud = claims.Strings(r.claim...)
	}
	for _, recipient := range aud {
		if r.accepts(recipient, resource) {
			return nil
		}
	}
	return oauth.InvalidToken(oauth.ReasonAudience, errors.New(r.explain(aud, resource)))
}

func (r *audienceRule) accepts(recipient, resource string) bool {
	if recipient == "" {
		return false
	}
	if len(r.anyOf) > 0 {
		return slices.Contains(r.anyOf, recipient)
	}
	return recipient == resource || isOrigin(resource) && recipient == resource+"/"
}

// isOrigin reports whether a canonical resource URL has no path. URL libraries of clients then add a slash, and the two are
// the same URL (RFC 3986 section 6.2.3). With a path a slash makes another one.
func isOrigin(resource string) bool {
	_, rest, ok := strings.Cut(resource, "://")
	return ok && rest != "" && !strings.Contains(rest, "/")
}

func (r *audienceRule) explain(aud []string, resource string) string {
	wanted := r.anyOf
	if len(wanted) == 0 {
		wanted = []string{resource}
	}
	found := "missing, empty or not made of strings"
	if len(aud) > 0 {
		found = quoteAll(aud)
	}
	return strings.TrimSpace(fmt.Sprintf("the token's %s is %s, wanted is %q. %s", strings.Join(r.claim, "."), found, wanted, r.hint))
}

// requirement is a compiled [facts.Requirement].
type requirement struct {
	claim path
	anyOf []string
	hint  string
}

func compileRequirements(list []facts.Requirement) ([]requirement, error) {
	compiled := make([]requirement, 0, len(list))
	for _, r := range list {
		claim, err := parsePath(r.Claim)
		if err != nil {
			return nil, fmt.Errorf("required claim: %w", err)
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
		compiled = append(compiled, requirement{claim: claim, anyOf: anyOf, hint: r.Hint})
	}
	return compiled, nil
}

func (r *requirement) check(claims oauth.Claims) error {
	if r.met(claims) {
		return nil
	}
	name := strings.Join(r.claim, ".")
	text := fmt.Sprintf("the token lacks the claim %s. %s", name, r.hint)
	if found := claims.Strings(r.claim...); len(r.anyOf) > 0 && len(found) > 0 {
		text = fmt.Sprintf("the token's claim %s is %s, accepted are %q. %s", name, quoteAll(found), r.anyOf, r.hint)
	}
	return oauth.InvalidToken(oauth.ReasonClaim, errors.New(strings.TrimSpace(text)))
}

func (r *requirement) met(claims oauth.Claims) bool {
	if len(r.anyOf) == 0 {
		raw := string(claims.Raw(r.claim...))
		return raw != "" && raw != "null" && raw != "false" && raw != `""`
	}
	return slices.ContainsFunc(claims.Strings(r.claim...), func(s string) bool { return slices.Contains(r.anyOf, s) })
}
