package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/check"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

const idPublicURL = "public_url"

// Public asks a protected resource, by the URL that clients use, whether it answers as itself: with
// a challenge, and with metadata that name it. metadataURL is where challenges send clients.
func Public(ctx context.Context, client *http.Client, resource, metadataURL string) check.Finding {
	p := public{gate: upstream.NewGate(client), resource: resource, metadataURL: metadataURL}
	if f := p.challenge(ctx); f.Outcome != check.Passed {
		return f
	}
	return p.metadata(ctx)
}

type public struct {
	gate                  *upstream.Gate
	resource, metadataURL string
}

// challenge asks without a token, which must be answered with where to get one.
func (p public) challenge(ctx context.Context) check.Finding {
	asked := "POST " + p.resource + " without a token"
	response, err := p.ask(ctx, http.MethodPost, p.resource)
	if err != nil {
		return p.failed(asked, err.Error(), "start the server, and look whether name, certificate and reverse proxy lead to it: see docs/networks.md")
	}
	challenge := strings.Join(response.Header.Values("WWW-Authenticate"), ", ")
	switch {
	case response.StatusCode == http.StatusInternalServerError:
		return p.failed(asked, "status 500", "look at the ERROR in the server's log: scope middleware that runs before Require, or without it, is answered so. "+
			"Put Require in front of RequireScopes")
	case response.StatusCode == http.StatusOK:
		return p.failed(asked, "status 200: whoever asks is let in", "put the guard (Require, Protect) in front of the handler, and look whether another server answers here")
	case response.StatusCode != http.StatusUnauthorized:
		return p.failed(asked, fmt.Sprintf("status %d", response.StatusCode),
			"something in front of the server answers, or the path is another: see docs/networks.md for reverse proxies, --path and --external-prefix")
	case !strings.Contains(challenge, p.metadataURL):
		return p.failed(asked, "status 401 with the challenge "+upstream.Quote(challenge),
			"another server answers, or it is configured with another public URL: the challenge has to name "+p.metadataURL)
	}
	return passed(idPublicURL, asked, "status 401 with its challenge")
}

// metadata asks for the document that the challenge names (RFC 9728 section 3.3).
func (p public) metadata(ctx context.Context) check.Finding {
	asked := at(p.metadataURL)
	response, err := p.ask(ctx, http.MethodGet, p.metadataURL)
	const passOn = "have the reverse proxy pass this path on to the server, or set --resource-metadata-url: see docs/networks.md"
	if err != nil {
		return p.failed(asked, err.Error(), passOn)
	}
	if response.StatusCode != http.StatusOK {
		return p.failed(asked, fmt.Sprintf("status %d", response.StatusCode), passOn)
	}
	document, err := oauth.ParseClaims(string(strictjson.WithoutBOM(response.Body)))
	if err != nil {
		return p.failed(asked, "the answer is no JSON object", passOn)
	}
	if named := document.String("resource"); named != p.resource {
		return p.failed(asked, fmt.Sprintf("metadata of %q", upstream.Quote(named)),
			fmt.Sprintf("configure the server with the public URL %s: clients compare it byte for byte (RFC 9728 section 3.3)", p.resource))
	}
	return passed(idPublicURL, asked, "401 with its challenge, and metadata of "+p.resource)
}

func (p public) ask(ctx context.Context, method, address string) (*egress.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return nil, errors.New("the address is no URL")
	}
	request.Header.Set("Accept", "application/json, text/event-stream")
	return p.gate.Metadata(request, maxDocument)
}

func (p public) failed(asked, seen, fix string) check.Finding {
	return check.Finding{ID: idPublicURL, Outcome: check.Failed, Asked: asked, Seen: seen, Fix: fix, Where: check.ThisServer}
}
