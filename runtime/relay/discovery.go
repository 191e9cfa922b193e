package relay

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// maxIssuers is how many of a resource's authorization servers are looked at, so that one document
// cannot make the relay fetch from any number of hosts.
const maxIssuers = 3

// resource is what an MCP server says of itself.
type resource struct {
	// metadata is where its RFC 9728 document is.
	metadata *url.URL
	// issuers are its authorization servers, as the document spells them.
	issuers []string
}

// errNoResourceMetadata tells that an MCP server answers, and has no usable protected resource
// metadata.
var errNoResourceMetadata = errors.New("no protected resource metadata that names this server and an authorization server")

// resourceOf returns what is known of an MCP server, not older than maxAge.
func (r *Relay) resourceOf(ctx context.Context, server *url.URL, review bool) (resource, error) {
	return r.resources.get(ctx, canonical(server), maxAge(review), r.config.Timeout, func(ctx context.Context) (resource, error) {
		return r.findResource(ctx, server)
	})
}

// findResource looks where the server's challenge points, then in the standard places (RFC 9728
// sections 3.1 and 5.1).
func (r *Relay) findResource(ctx context.Context, server *url.URL) (resource, error) {
	announced, err := r.challengedMetadata(ctx, server)
	if err != nil {
		return resource{}, err
	}
	fault := errNoResourceMetadata
	for _, location := range slices.Concat(announced, r.standardLocations(server)) {
		found, err := r.fetchResource(ctx, server, location)
		switch {
		case err == nil:
			return found.resource, nil
		case isOver(err):
			return resource{}, err
		case !isAbsent(err):
			fault = upstreamFault(err)
		}
	}
	return resource{}, fault
}

// challengedMetadata asks the MCP server without a token and returns what its challenge names: one
// URL or none.
func (r *Relay) challengedMetadata(ctx context.Context, server *url.URL) ([]*url.URL, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.String(), http.NoBody) //nolint:gosec // egress refuses forged requests
	if err != nil {
		return nil, fail(http.StatusBadRequest, "serverUrl is not a valid URL", err)
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := egress.Do(r.client, req)
	if err != nil {
		switch egress.KindOf(err) {
		case egress.KindRedirect, egress.KindTooLarge, egress.KindContent: // an answer, only without a challenge
			return nil, nil
		default:
			return nil, err
		}
	}
	_ = resp.Body.Close()
	for _, challenge := range oauth.ParseChallenges(resp.Header.Values("WWW-Authenticate")) {
		if challenge.ResourceMetadata == "" {
			continue
		}
		if location, ok := r.parseUpstreamURL(challenge.ResourceMetadata); ok {
			return []*url.URL{location}, nil
		}
	}
	return nil, nil
}

// standardLocations are the path-inserted and the root form.
func (r *Relay) standardLocations(server *url.URL) []*url.URL {
	return parseAll(
		oauth.InsertWellKnown(server.String(), oauth.WellKnownProtectedResource),
		oauth.RootWellKnown(server.String(), oauth.WellKnownProtectedResource),
	)
}

// issuerLocations are the forms in which an issuer's metadata may be published.
func issuerLocations(issuer string) []*url.URL {
	return parseAll(append(oauth.AuthorizationServerMetadataURLs(issuer),
		oauth.AppendWellKnown(issuer, oauth.WellKnownAuthorizationServer))...)
}

// parseAll parses URLs that were put together from parsed ones, without repetition.
func parseAll(texts ...string) []*url.URL {
	var urls []*url.URL
	for i, text := range texts {
		if u, err := url.Parse(text); err == nil && text != "" && !slices.Contains(texts[:i], text) {
			urls = append(urls, u)
		}
	}
	return urls
}

// resourceDocument is a fetched RFC 9728 document and what it means.
type resourceDocument struct {
	resource

	text []byte
}

func (r *Relay) fetchResource(ctx context.Context, server, location *url.URL) (resourceDocument, error) {
	text, claims, err := r.fetchDocument(ctx, location)
	if err != nil {
		return resourceDocument{}, err
	}
	if !covers(claims.String("resource"), server) {
		return resourceDocument{}, fail(http.StatusBadGateway, "The protected resource metadata is for another resource than serverUrl", nil)
	}
	var issuers []string
	for _, issuer := range claims.Strings("authorization_servers") {
		if u, ok := r.parseUpstreamURL(issuer); ok && u.RawQuery == "" && !u.ForceQuery && len(issuers) < maxIssuers {
			issuers = append(issuers, issuer)
		}
	}
	if len(issuers) == 0 {
		return resourceDocument{}, fail(http.StatusBadGateway, "The protected resource metadata names no usable authorization server", nil)
	}
	return resourceDocument{resource{metadata: location, issuers: issuers}, text}, nil
}

// endpointKind is what an endpoint is for.
type endpointKind string

const (
	registration  endpointKind = "registration"
	token         endpointKind = "token"
	revocation    endpointKind = "revocation"
	introspection endpointKind = "introspection"
	// anyTarget is a target of the insecure older shape.
	anyTarget endpointKind = "any"
)

// endpoint is a URL that requests may be forwarded to.
type endpoint struct {
	kind endpointKind
	// url is the address as the metadata spells it.
	url string
	// issuer is the authorization server's.
	issuer string
}

// authorizationServer is what an issuer's metadata says.
type authorizationServer struct {
	// endpoints are found by their canonical URL.
	endpoints map[string]endpoint
}

// serverOf returns what is known of an authorization server, not older than maxAge.
func (r *Relay) serverOf(ctx context.Context, issuer string, review bool) (authorizationServer, error) {
	return r.servers.get(ctx, issuer, maxAge(review), r.config.Timeout, func(ctx context.Context) (authorizationServer, error) {
		return r.findServer(ctx, issuer)
	})
}

func (r *Relay) findServer(ctx context.Context, issuer string) (authorizationServer, error) {
	fault := fail(http.StatusBadGateway, "The authorization server's metadata could not be found", nil)
	for _, location := range issuerLocations(issuer) {
		_, server, err := r.fetchServer(ctx, issuer, location)
		switch {
		case err == nil:
			return server, nil
		case isOver(err):
			return authorizationServer{}, err
		case !isAbsent(err):
			fault = upstreamFault(err)
		}
	}
	return authorizationServer{}, fault
}

func (r *Relay) fetchServer(ctx context.Context, issuer string, location *url.URL) ([]byte, authorizationServer, error) {
	text, claims, err := r.fetchDocument(ctx, location)
	if err != nil {
		return nil, authorizationServer{}, err
	}
	// RFC 8414 section 3.3 asks for identity. A trailing slash is where announcements and issuers
	// differ in practice, and both spellings lead to this very document.
	if strings.TrimSuffix(claims.String("issuer"), "/") != strings.TrimSuffix(issuer, "/") {
		return nil, authorizationServer{}, fail(http.StatusBadGateway, "The authorization server's metadata is for another issuer", nil)
	}
	server := authorizationServer{endpoints: map[string]endpoint{}}
	for _, member := range []struct {
		name string
		kind endpointKind
	}{
		{"registration_endpoint", registration},
		{"token_endpoint", token},
		{"revocation_endpoint", revocation},
		{"introspection_endpoint", introspection},
	} {
		if !claims.Has(member.name) {
			continue
		}
		address := claims.String(member.name)
		u, ok := r.parseUpstreamURL(address)
		if !ok {
			return nil, authorizationServer{}, fail(http.StatusBadGateway, "The authorization server names a "+string(member.kind)+" endpoint that may not be reached", nil)
		}
		if _, taken := server.endpoints[canonical(u)]; taken {
			return nil, authorizationServer{}, fail(http.StatusBadGateway, "The authorization server names one URL for two endpoints", nil)
		}
		server.endpoints[canonical(u)] = endpoint{kind: member.kind, url: address, issuer: issuer}
	}
	return text, server, nil
}

// fetchDocument fetches a metadata document. It refuses JSON that two readers could understand
// differently.
func (r *Relay) fetchDocument(ctx context.Context, location *url.URL) ([]byte, oauth.Claims, error) {
	text, _, err := egress.GetJSON(ctx, r.client, location.String(), r.config.MaxResponseBytes)
	if err != nil {
		return nil, oauth.Claims{}, err
	}
	claims, err := oauth.ParseClaims(string(text))
	if err != nil {
		return nil, oauth.Claims{}, fail(http.StatusBadGateway, "The metadata is not a valid JSON object", err)
	}
	return text, claims, nil
}
