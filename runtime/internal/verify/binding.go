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

// binding is a compiled [facts.Binding].
type binding struct {
	clientIDs  []string
	claims     paths
	audience   *audienceRule // nil if the audience is not checked
	exchange   bool
	unverified bool // nothing is checked, by an insecure setting
}

func compileBinding(b facts.Binding, skip bool) (binding, error) {
	if skip {
		return binding{unverified: true}, nil
	}
	c := binding{exchange: b.Exchange}
	c.clientIDs = slices.DeleteFunc(slices.Clone(b.ClientIDs), func(s string) bool { return s == "" })
	b.Audience.IssuerBound = ""
	byAudience := b.Audience.OrResource || b.Audience.AlsoResource || slices.ContainsFunc(b.Audience.AnyOf, func(s string) bool { return s != "" })
	switch checked := byAudience || len(c.clientIDs) > 0; {
	case b.Exchange && checked:
		return c, errors.New("a binding by exchange is for answers that name neither application nor audience: drop the one or the other")
	case b.Exchange:
		return c, nil
	case !checked:
		return c, errors.New("nothing ties tokens to this server: the tokens of every other application would do; " +
			"set the application's client id or an audience")
	}
	names := b.ClientClaims
	if len(names) == 0 {
		names = []string{"client_id"}
	}
	var err error
	if c.claims, err = parsePaths(names); err != nil {
		return c, err
	}
	if !byAudience {
		return c, nil
	}
	rule, err := compileAudience(b.Audience, false)
	c.audience = &rule
	return c, err
}

// off says why the audience is not checked; empty if it is.
func (b *binding) off() string {
	switch {
	case b.unverified:
		return audienceSkipped
	case b.audience == nil:
		return "the application that the token was issued to is checked instead"
	default:
		return ""
	}
}

// application checks the application that a token was issued to.
func (b *binding) application(_ context.Context, in *inspection) error {
	var err error
	in.client, err = b.client(in.claims)
	return err
}

func (b *binding) applicationValues(in *inspection) (got, want []string) {
	for _, p := range b.claims {
		got = append(got, identifiers(in.claims, p)...)
	}
	return got, b.clientIDs
}

// recipientCheck is the check of the audience.
func (b *binding) recipientCheck() check {
	c := check{id: checkAudience, needs: []string{checkAnswer}, off: b.off(), run: func(_ context.Context, in *inspection) error {
		in.audience = in.claims.Strings("aud")
		return b.recipient(in.verified, in.resource)
	}}
	if b.audience != nil {
		c.values = b.audience.values
	}
	return c
}

// client checks the application that a token was issued to and returns it; it is empty where that
// is not checked.
func (b *binding) client(claims oauth.Claims) (string, error) {
	if len(b.clientIDs) == 0 {
		return "", nil
	}
	client := ""
	for _, p := range b.claims {
		if !claims.Has(p...) {
			continue
		}
		named := identifiers(claims, p)
		ours := slices.IndexFunc(named, func(s string) bool { return slices.Contains(b.clientIDs, s) })
		switch {
		case len(named) == 0:
			return "", oauth.InvalidToken(oauth.ReasonAudience, fmt.Errorf(
				"the provider's answer names the token's application in %s, but by no text", strings.Join(p, ".")))
		case ours < 0:
			return "", oauth.InvalidToken(oauth.ReasonAudience, fmt.Errorf(
				"the token was issued to another application: %s is %s, accepted is %q", strings.Join(p, "."), quoteAll(named), b.clientIDs))
		}
		if client == "" {
			client = named[ours]
		}
	}
	if client == "" {
		return "", oauth.InvalidToken(oauth.ReasonAudience, fmt.Errorf(
			"the provider's answer does not say to which application the token was issued, accepted is %q", b.clientIDs))
	}
	return client, nil
}

// recipient checks the audience for one resource.
func (b *binding) recipient(v verified, resource string) error {
	if b.audience == nil || len(b.clientIDs) > 0 && !v.claims.Has(b.audience.claim...) {
		return nil
	}
	return b.audience.admits(v, resource)
}

// identifiers reads a claim with names, of applications and accounts. Some providers number them.
func identifiers(claims oauth.Claims, p path) []string {
	if raw := claims.Raw(p...); isNaturalNumber(raw) {
		return []string{string(raw)}
	}
	return claims.Strings(p...)
}
