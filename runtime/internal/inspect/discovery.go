package inspect

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/check"
	"github.com/latchkey-auth/latchkey/runtime/internal/upstream"
)

// discovery looks for the provider's metadata, and compares it with what is configured.
func (i *Inspector) discovery(ctx context.Context, dates *dates) []check.Finding {
	var addresses []string
	for _, form := range i.config.Forms {
		if address := form.URL(i.config.Issuer); !slices.Contains(addresses, address) {
			addresses = append(addresses, address)
		}
	}
	if i.config.Discovery != "" {
		addresses = []string{i.config.Discovery}
	}
	if len(addresses) == 0 {
		const none = "the provider publishes no metadata"
		return []check.Finding{skipped(idDiscovery, none), skipped(idEndpoints, none)}
	}
	var problems []string
	for _, address := range addresses {
		document, problem := i.document(ctx, address, dates)
		if problem == "" {
			return []check.Finding{
				passed(idDiscovery, at(address), fmt.Sprintf("metadata of issuer %q", i.config.Issuer)), i.endpoints(address, document),
			}
		}
		problems = append(problems, at(address)+": "+problem)
	}
	return []check.Finding{
		i.failed(idDiscovery, at(addresses[0]), strings.Join(problems, "; "),
			"compare the provider's address in this server's variables with the issuer that its console shows: "+
				"each letter counts, and so does a slash at the end. Where they agree the network between the two, or a proxy, is in the way"),
		skipped(idEndpoints, "not looked at, since "+idDiscovery+" did not pass"),
	}
}

// document fetches metadata and says what is wrong with it.
func (i *Inspector) document(ctx context.Context, address string, dates *dates) (_ oauth.Claims, problem string) {
	response, err := i.get(ctx, address, dates)
	if err != nil {
		return oauth.Claims{}, err.Error()
	}
	if response.StatusCode != http.StatusOK {
		return oauth.Claims{}, fmt.Sprintf("status %d", response.StatusCode)
	}
	document, err := oauth.ParseClaims(string(strictjson.WithoutBOM(response.Body)))
	if err != nil {
		return document, "the answer is no JSON object"
	}
	if issuer := document.String("issuer"); issuer != i.config.Issuer {
		return document, fmt.Sprintf("the document names issuer %q, configured is %q (RFC 8414 section 3.3)",
			upstream.Quote(issuer), i.config.Issuer)
	}
	return document, ""
}

// endpoints compares the endpoints that are used with those that the provider announces.
func (i *Inspector) endpoints(address string, document oauth.Claims) check.Finding {
	e := i.config.Endpoints
	var differ, same []string
	for _, endpoint := range []struct{ name, member, used string }{
		{"authorization", "authorization_endpoint", e.Authorization}, {"token", "token_endpoint", e.Token},
		{"jwks", "jwks_uri", e.JWKS}, {"userinfo", "userinfo_endpoint", e.UserInfo},
		{"registration", "registration_endpoint", e.Registration}, {"introspection", "introspection_endpoint", e.Introspection},
		{"revocation", "revocation_endpoint", e.Revocation}, {"end_session", "end_session_endpoint", e.EndSession},
	} {
		announced := document.String(endpoint.member)
		switch {
		case endpoint.used == "" || announced == "" || slices.Contains(i.config.Elsewhere, endpoint.name):
		case announced != endpoint.used:
			differ = append(differ, fmt.Sprintf("%s is %s, the provider announces %s", endpoint.name, endpoint.used, upstream.Quote(announced)))
		default:
			same = append(same, endpoint.name)
		}
	}
	if len(differ) > 0 {
		return here(i.failed(idEndpoints, at(address), strings.Join(differ, "; "),
			"correct the provider's address in this server's variables, or take the announced addresses with --endpoint (WithEndpoint)"))
	}
	return passed(idEndpoints, at(address), "as announced: "+strings.Join(same, ", "))
}
