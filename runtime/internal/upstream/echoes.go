package upstream

import (
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
)

// shortSecret is a length below which a secret may be a part of other text by chance.
const shortSecret = 8

// Quote makes what somebody else said fit for a log: short, and without the given secrets, the
// parts of a JWT among them and what is percent-encoded of them. Some providers repeat a token in
// what they say about it.
func Quote(said string, secrets ...string) string {
	const most = 200
	said = withoutSecrets(said, secrets...)
	if len(said) > most {
		return strings.ToValidUTF8(said[:most], "") + "…"
	}
	return said
}

func withoutSecrets(text string, secrets ...string) string {
	for _, secret := range secrets {
		for _, part := range append([]string{secret}, strings.Split(secret, ".")...) {
			if len(part) < shortSecret {
				continue
			}
			for _, spelling := range []string{part, url.QueryEscape(part), url.PathEscape(part)} {
				text = strings.ReplaceAll(text, spelling, "(left out)")
			}
		}
	}
	return text
}

// secretMembers are the members of requests and answers that nobody else may see.
func secretMembers() []string {
	return []string{
		"code", "code_verifier", "token", "access_token", "refresh_token", "id_token", "client_secret", "client_assertion",
	}
}

// secrets returns those of a request and its answer, the longest first: a short one may be a part
// of it.
func (c *Client) secrets(form url.Values, answer oauth.Claims) []string {
	secrets := []string{c.provider.ClientSecret.Reveal()}
	for _, name := range secretMembers() {
		secrets = append(secrets, form.Get(name), answer.String(name))
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	return secrets
}

// withoutEchoes leaves secrets out of the error of a request: net/http quotes what it cannot read.
func withoutEchoes(err error, secrets ...string) error {
	e := notSent(err)
	if text := e.Error(); withoutSecrets(text, secrets...) != text {
		return &Error{Kind: e.Kind, RetryAfter: e.RetryAfter, cause: errors.New(withoutSecrets(text, secrets...))}
	}
	return e
}
