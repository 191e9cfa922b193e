package relay

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// metadata answers GET …/metadata?serverUrl=…&url=… with the document.
func (r *Relay) metadata(w http.ResponseWriter, req *http.Request) (served, error) {
	query, err := url.ParseQuery(req.URL.RawQuery)
	if err != nil || len(query["serverUrl"]) > 1 || len(query["url"]) > 1 {
		return served{}, fail(http.StatusBadRequest, "The query must have one serverUrl and one url", err)
	}
	if r.config.InsecureAnyTarget && query.Get("serverUrl") == "" {
		return r.anyMetadata(w, req, query.Get("url"))
	}
	server, err := r.permittedServer(req, query.Get("serverUrl"))
	if err != nil {
		return served{}, err
	}
	target, err := r.parseURL("url", query.Get("url"))
	if err != nil {
		return served{}, err
	}
	text, kind, err := r.boundDocument(req.Context(), server, target)
	if err != nil {
		return served{}, missing(err)
	}
	httpanswer.JSON(w, http.StatusOK, json.RawMessage(text))
	return served{kind, target.Host, http.StatusOK}, nil
}

// missing turns an upstream's 4xx into a 404, on which MCP clients try the next well-known form.
func missing(err error) error {
	if e := egress.AsError(err); e.Kind == egress.KindStatus && e.Status >= 400 && e.Status < 500 {
		return fail(http.StatusNotFound, "There is no such metadata", err)
	}
	return err
}

// permittedServer reads serverUrl and asks the operator's policy.
func (r *Relay) permittedServer(req *http.Request, text string) (*url.URL, error) {
	server, err := r.parseURL("serverUrl", text)
	if err != nil {
		return nil, err
	}
	if r.config.ValidateServerURL != nil {
		if err := r.config.ValidateServerURL(req, server.String()); err != nil {
			return nil, fail(http.StatusForbidden, "This MCP server is not allowed", err)
		}
	}
	return server, nil
}

// boundDocument returns the metadata document at target, if target is one of the places where the
// MCP server's own metadata, or that of an authorization server which it names, may be. The
// document itself comes from the place where discovery found it.
func (r *Relay) boundDocument(ctx context.Context, server, target *url.URL) (text []byte, kind string, err error) {
	standard := isOneOf(target, r.standardLocations(server))
	for _, review := range []bool{false, true} {
		known, err := r.resourceOf(ctx, server, review)
		switch {
		case errors.Is(err, errNoResourceMetadata) && standard:
			return nil, "", fail(http.StatusNotFound, "The MCP server has no usable protected resource metadata", err)
		case errors.Is(err, errNoResourceMetadata):
			return nil, "", notBound("metadata", err)
		case err != nil:
			return nil, "", err
		}
		if standard || canonical(target) == canonical(known.metadata) {
			document, err := r.fetchResource(ctx, server, known.metadata)
			return document.text, "resource metadata", err
		}
		for _, issuer := range known.issuers {
			for _, location := range issuerLocations(issuer) {
				if canonical(target) == canonical(location) {
					return r.serverDocument(ctx, issuer, location)
				}
			}
		}
	}
	return nil, "", notBound("metadata", nil)
}

// serverDocument fetches an authorization server's metadata for the browser. The browser's next
// request will refer to the document that it reads now, so this document becomes the binding.
func (r *Relay) serverDocument(ctx context.Context, issuer string, location *url.URL) (text []byte, kind string, err error) {
	text, server, err := r.fetchServer(ctx, issuer, location)
	if err == nil {
		r.servers.put(issuer, server)
	}
	return text, "server metadata", err
}

func isOneOf(target *url.URL, locations []*url.URL) bool {
	return slices.ContainsFunc(locations, func(u *url.URL) bool { return canonical(u) == canonical(target) })
}

func notBound(what string, cause error) *failure {
	return fail(http.StatusForbidden, "This "+what+" URL does not belong to the MCP server", cause)
}

// anyMetadata is the older, unbound shape.
func (r *Relay) anyMetadata(w http.ResponseWriter, req *http.Request, text string) (served, error) {
	target, err := r.permittedTarget(req, text)
	if err != nil {
		return served{}, err
	}
	document, _, err := egress.GetJSON(req.Context(), r.client, target.String(), r.config.MaxResponseBytes)
	if err != nil {
		return served{}, missing(err)
	}
	if _, err := oauth.ParseClaims(string(document)); err != nil {
		return served{}, fail(http.StatusBadGateway, "The metadata is not a valid JSON object", err)
	}
	httpanswer.JSON(w, http.StatusOK, json.RawMessage(document))
	return served{string(anyTarget), target.Host, http.StatusOK}, nil
}

func (r *Relay) permittedTarget(req *http.Request, text string) (*url.URL, error) {
	target, err := r.parseURL("url", text)
	if err != nil {
		return nil, err
	}
	if r.config.ValidateTarget != nil {
		if err := r.config.ValidateTarget(req, target.String()); err != nil {
			return nil, fail(http.StatusForbidden, "This target is not allowed", err)
		}
	}
	return target, nil
}
