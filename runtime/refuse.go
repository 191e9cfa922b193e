package runtime

import (
	"maps"
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/metadata"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// Refusal is the answer to a refused request, ready for any router: set Header, then send Status
// with Body as JSON.
type Refusal struct {
	Status int
	Header http.Header
	Body   RefusalBody
}

// RefusalBody is the JSON body of a refusal, in the shape that mcp-use gives it.
type RefusalBody struct {
	Error              string   `json:"error"`
	Required           []string `json:"required,omitempty"`
	RequiredAny        []string `json:"required_any,omitempty"`
	GrantedScopes      []string `json:"granted_scopes,omitzero"`
	GrantedPermissions []string `json:"granted_permissions,omitzero"`
	Message            string   `json:"message,omitempty"`
}

// Refusal turns an error of [Guard.Authenticate] or of a handler below the guard into an answer and
// tells the observers. A 403 that names no caller is about the request's.
func (g *Guard) Refusal(r *http.Request, err error) Refusal {
	e := oauth.AsError(err)
	if caller, ok := oauth.FromContext(r.Context()); ok && e.Caller == nil && e.Status == http.StatusForbidden {
		e = e.For(caller)
	}
	e = g.events.Refused(r.Context(), e, observe.Event{Method: r.Method, Path: r.URL.Path, Resource: g.resourceOf(r)})
	header := http.Header{}
	header.Set("Cache-Control", "no-store")
	if e.Status == http.StatusUnauthorized || e.Status == http.StatusBadRequest || e.Code == oauth.CodeInsufficientScope {
		header.Set("WWW-Authenticate", g.challenge(r, e).String())
	}
	httpanswer.RetryAfter(header, e.RetryAfter)
	g.cors.Admit(header, r)
	return Refusal{Status: e.Status, Header: header, Body: refusalBody(e)}
}

// Refuse answers a request with the refusal of an error.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	refusal := g.Refusal(r, err)
	maps.Copy(w.Header(), refusal.Header)
	httpanswer.JSON(w, refusal.Status, refusal.Body)
}

func refusalBody(e *oauth.Error) RefusalBody {
	if e.Code != oauth.CodeInsufficientScope {
		return RefusalBody{Error: e.Description}
	}
	body := RefusalBody{Error: string(e.Code), Required: e.Required, RequiredAny: e.RequiredAny, Message: e.Description}
	body.GrantedScopes, body.GrantedPermissions = []string{}, []string{}
	if e.Caller != nil {
		body.GrantedScopes = append(body.GrantedScopes, e.Caller.Scopes...)
		body.GrantedPermissions = append(body.GrantedPermissions, e.Caller.Permissions...)
	}
	return body
}

// challenge is the WWW-Authenticate value of a refusal: RFC 6750 section 3 and RFC 9728
// section 5.1.
func (g *Guard) challenge(r *http.Request, e *oauth.Error) oauth.Challenge {
	at, _ := g.endpointOf(r.URL)
	c := oauth.Challenge{
		ResourceMetadata: at.metadataURL,
		Scope:            strings.Join(g.neededScopes(e), " "),
	}
	if e.Code != "" {
		c.Error, c.ErrorDescription = e.Code, e.Description
	}
	return c
}

// resourceOf is the resource that a request is for.
func (g *Guard) resourceOf(r *http.Request) string {
	at, _ := g.endpointOf(r.URL)
	return at.resource
}

// neededScopes is what a client should ask for next. After a 403 that is all it had and all that
// was missing, so that one more login is enough; where one of several scopes would do, the first.
func (g *Guard) neededScopes(e *oauth.Error) []string {
	if e.Code != oauth.CodeInsufficientScope {
		return g.announcedScopes()
	}
	needed := e.Required
	if len(e.RequiredAny) > 0 {
		needed = e.RequiredAny[:1]
	}
	if e.Caller != nil {
		needed = union(e.Caller.Scopes, needed)
	}
	return metadata.Announced(needed)
}
