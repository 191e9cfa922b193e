package inspect

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/check"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// client asks whether the provider knows our application and its secret.
func (i *Inspector) client(ctx context.Context) check.Finding {
	asked := "POST " + strings.TrimPrefix(at(i.config.Endpoints.Token), "GET ") + " with our credentials and a refresh token that nobody issued"
	client, err := upstream.New(upstream.Config{
		Provider: *i.config.Upstream, HTTP: i.config.Client, InsecureHTTPHosts: i.config.InsecureHTTPHosts, Now: i.config.Now,
	})
	if err != nil {
		return here(i.failed(idClient, asked, oneLine(err), "correct the client id and the secret in this server's variables"))
	}
	err = client.Recognized(ctx)
	switch {
	case err == nil:
		return passed(idClient, asked, "the token was refused, the application was not")
	case errors.Is(err, upstream.ErrUnclear):
		return check.Finding{ID: idClient, Outcome: check.Skipped, Asked: asked, Seen: oneLine(err)}
	case errors.Is(err, upstream.ErrOwnCredentials):
		return i.failed(idClient, asked, oneLine(err), "compare client id and secret ("+i.secret()+") with those of the application at the provider: "+
			"the secret may have been rotated or cut when it was copied, or be that of another application; "+
			"and let the application use the grants authorization_code and refresh_token")
	}
	return i.failed(idClient, asked, oneLine(err), unreachable)
}

// question asks the provider about a token that nobody issued, as the guard asks about each.
func (i *Inspector) question(ctx context.Context) check.Finding {
	const asked = "a question about a token that nobody issued"
	err := i.config.Question(ctx)
	if err == nil {
		return i.failed(idQuestion, asked, "the provider vouches for it", "this is no provider that could protect anything: look at the address of the endpoint that is asked about tokens")
	}
	refusal := oauth.AsError(err)
	if refusal.Status == http.StatusUnauthorized {
		return passed(idQuestion, asked, "the provider does not vouch for it")
	}
	seen := oneLine(cmp.Or(refusal.Cause, error(refusal)))
	if _, exchange := errors.AsType[*egress.Error](err); exchange {
		return i.failed(idQuestion, asked, seen, unreachable)
	}
	return i.failed(idQuestion, asked, seen, "compare client id and secret ("+i.secret()+
		") with those at the provider, and look whether it lets the application ask about tokens")
}

// unreachable is what to do about an endpoint that gives no proper answer.
const unreachable = "the endpoint cannot be used now: try again, and look at its address and at the network between the two"

func (i *Inspector) secret() string {
	return cmp.Or(i.config.SecretVariable, "of the configuration")
}

// oneLine joins the lines of several errors.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", ": ") }
