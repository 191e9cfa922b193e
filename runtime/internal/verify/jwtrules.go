package verify

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// compiledRules are [facts.Rules] after their own check.
type compiledRules struct {
	issuers       []string
	tenants       *tenantRule // nil if the provider has none
	algorithms    []jose.Algorithm
	types         []string
	audience      audienceRule
	require       []requirement
	secrets       []sharedSecret
	idTokenShaped bool
	numericSub    bool
	needsKeys     bool
	opaqueHint    string
	algorithmHint string
}

type sharedSecret struct {
	algorithm jose.Algorithm
	key       *jose.Key // nil if none is configured
	missing   string
}

func compileRules(rules facts.Rules, insecure Insecure) (compiledRules, error) {
	var c compiledRules
	var errs []error
	problem := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("verification rules: "+format, args...))
	}
	if len(rules.Issuers) == 0 && rules.Tenants == nil || slices.Contains(rules.Issuers, "") {
		problem("an issuer is missing")
	}
	c.issuers = slices.Clone(rules.Issuers)
	var err error
	if c.tenants, err = compileTenants(rules.Tenants); err != nil {
		problem("%w", err)
	}
	if len(rules.Algorithms) == 0 {
		problem("no algorithm is listed; the algorithms must come from the provider's documentation, never from a token")
	}
	for _, name := range rules.Algorithms {
		a := jose.Algorithm(name)
		switch {
		case !a.Known():
			problem("algorithm %q is not one that can be verified", name)
		case a.Symmetric() && !slices.ContainsFunc(rules.SharedSecrets, func(s facts.SharedSecret) bool { return s.Algorithm == name }):
			problem("algorithm %s needs an entry in SharedSecrets", name)
		}
		c.algorithms = append(c.algorithms, a)
		c.needsKeys = c.needsKeys || !a.Symmetric() && !insecure.SkipSignature
	}
	for _, s := range rules.SharedSecrets {
		secret, err := compileSecret(s, c.algorithms)
		if err != nil {
			problem("%w", err)
		}
		if slices.ContainsFunc(c.secrets, func(other sharedSecret) bool { return other.algorithm == secret.algorithm }) {
			problem("two shared secrets for %s", s.Algorithm)
		}
		c.secrets = append(c.secrets, secret)
	}
	c.types = defaultTypes
	if len(rules.Types) > 0 {
		c.types = nil
	}
	for _, t := range rules.Types {
		if t == "" {
			problem("an empty entry in Types")
		}
		c.types = append(c.types, t)
	}
	if c.audience, err = compileAudience(rules.Audience, insecure.SkipAudience); err != nil {
		problem("%w", err)
	}
	if c.require, err = compileRequirements(rules.Require); err != nil {
		problem("%w", err)
	}
	c.idTokenShaped, c.numericSub = rules.IDTokenShaped != "", rules.NumericSubject != ""
	c.opaqueHint, c.algorithmHint = rules.OpaqueHint, rules.AlgorithmHint
	return c, errors.Join(errs...)
}

func compileSecret(s facts.SharedSecret, allowed []jose.Algorithm) (sharedSecret, error) {
	compiled := sharedSecret{algorithm: jose.Algorithm(s.Algorithm), missing: s.Missing}
	if !slices.Contains(allowed, compiled.algorithm) || !compiled.algorithm.Symmetric() {
		return compiled, fmt.Errorf("a shared secret for %q, which is not one of the HMAC algorithms listed", s.Algorithm)
	}
	if compiled.missing == "" {
		compiled.missing = "no shared secret is configured for " + s.Algorithm
	}
	if s.Secret == "" {
		return compiled, nil
	}
	var err error
	compiled.key, err = jose.NewSecretKey(compiled.algorithm, s.Secret.Reveal())
	return compiled, err
}

// secret returns the shared secret of an HMAC algorithm of the rules. compileRules made sure that
// there is one entry for it.
func (c *compiledRules) secret(a jose.Algorithm) (*jose.Key, error) {
	entry := c.secrets[slices.IndexFunc(c.secrets, func(s sharedSecret) bool { return s.algorithm == a })]
	if entry.key == nil {
		return nil, oauth.InvalidToken(oauth.ReasonConfigurationMissing, errors.New(entry.missing))
	}
	return entry.key, nil
}

// defaultTypes are accepted where a provider's rules say nothing. An absent typ is the empty
// string.
var defaultTypes = []string{"", "JWT", "at+jwt"}

// sameType compares typ values without case and without the prefix that RFC 7515 section 4.1.9 lets
// issuers leave out.
func sameType(a, b string) bool { return equalFoldASCII(withoutPrefix(a), withoutPrefix(b)) }

func withoutPrefix(typ string) string {
	const prefix = "application/"
	if len(typ) > len(prefix) && equalFoldASCII(typ[:len(prefix)], prefix) {
		return typ[len(prefix):]
	}
	return typ
}

// equalFoldASCII is strings.EqualFold without Unicode's lookalikes, of which the long s folds to s.
func equalFoldASCII(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// algorithm checks alg. The accepted algorithms come from the rules, never from a token (RFC 8725
// section 3.1).
func (c *compiledRules) algorithm(_ context.Context, in *inspection) error {
	a := in.jws.Algorithm
	if a.Within(c.algorithms) {
		return nil
	}
	what := fmt.Sprintf("the token is signed with algorithm %s, accepted are %v", quote(string(a)), c.algorithms)
	switch {
	case c.algorithmHint != "":
		return refuse(oauth.ReasonAlgorithmNotAllowed, what, c.algorithmHint)
	case a.Symmetric() && !slices.ContainsFunc(c.algorithms, jose.Algorithm.Symmetric):
		return refuse(oauth.ReasonAlgorithmNotAllowed, what, sharedSecretExplanation)
	default:
		return refuse(oauth.ReasonAlgorithmNotAllowed, what, "Choose one of them for this API's tokens at the provider")
	}
}

const sharedSecretExplanation = "Such a signature is a secret that its issuer shares with nobody here. Either it is no access token, but " +
	"probably a refresh token or another one that the provider made for itself: then the client must send its access token. Or the " +
	"provider has no signing key chosen for the application and signs with the client's secret: then choose an RSA or EC key there " +
	"(Signing Key of the OAuth2 provider at authentik, Access token signing key of the application at FusionAuth)"

func (c *compiledRules) algorithmValues(in *inspection) (got, want []string) {
	for _, a := range c.algorithms {
		want = append(want, string(a))
	}
	return []string{string(in.jws.Algorithm)}, want
}

// typ checks the header member of this name (RFC 8725 section 3.11).
func (c *compiledRules) typ(_ context.Context, in *inspection) error {
	for _, t := range c.types {
		if sameType(t, in.jws.Type) {
			return nil
		}
	}
	return refuse(oauth.ReasonTokenType, fmt.Sprintf("the token's typ is %s, accepted are %q", quote(in.jws.Type), c.types),
		"It may be another kind of token than an access token")
}

func (c *compiledRules) typeValues(in *inspection) (got, want []string) {
	return []string{in.jws.Type}, c.types
}

// issuer checks iss, byte for byte.
func (c *compiledRules) issuer(_ context.Context, in *inspection) error {
	in.issuer = in.claims.String("iss")
	if slices.Contains(c.issuers, in.issuer) {
		return nil
	}
	if c.tenants != nil {
		return c.tenants.check(in.claims, in.issuer)
	}
	return refuse(oauth.ReasonIssuer, fmt.Sprintf(
		"the token's issuer is %s, accepted is %q (every character counts)", quote(in.issuer), c.issuers), "")
}

func (c *compiledRules) issuerValues(in *inspection) (got, want []string) {
	want = slices.Clone(c.issuers)
	if c.tenants != nil {
		want = append(want, c.tenants.issuer)
	}
	return in.claims.Strings("iss"), want
}

// accessToken refuses what carries the mark of another kind of token.
func (c *compiledRules) accessToken(_ context.Context, in *inspection) error {
	return accessTokenShaped(in.claims, c.idTokenShaped)
}

// subject refuses a sub that is no text.
func (c *compiledRules) subject(_ context.Context, in *inspection) error {
	return textSubject(in.claims, c.numericSub)
}
