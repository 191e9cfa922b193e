package devidp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
)

// Error codes of OpenID Connect Core section 3.1.2.6.
const (
	codeLoginRequired       oauth.Code = "login_required"
	codeRequestNotSupported oauth.Code = "request_not_supported"
)

// authorizationRequest is a checked request for authorization (RFC 6749 section 4.1.1).
type authorizationRequest struct {
	client      *client
	redirectURI string
	state       string
	scopes      []string
	resources   []string
	challenge   string
	nonce       string
	loginHint   string
}

// serveAuthorize is the authorization endpoint. As long as client and redirect URI are in doubt,
// errors are pages: nobody is redirected to where a stranger said (RFC 9700 section 4.11).
func (s *Server) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	p, err := queryOrForm(r)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	request, err := s.identify(r.Context(), p)
	if err != nil {
		s.errorPage(w, r, err)
		return
	}
	if err := s.completeRequest(p, &request); err != nil {
		e := oauth.AsError(err)
		s.logRefusal(r, e)
		location := s.responseURL(request, url.Values{"error": {string(e.Code)}, "error_description": {e.Description}})
		http.Redirect(w, r, location, http.StatusFound) //nolint:gosec // to a registered redirect URI
		return
	}
	s.beginTransaction(w, r, request)
}

// identify finds who asks, and where the answer may go.
func (s *Server) identify(ctx context.Context, p params.Params) (authorizationRequest, error) {
	if p.Get("client_id") == "" {
		return authorizationRequest{}, oauth.InvalidRequest("client_id", "The client_id parameter is missing")
	}
	c, err := s.findClient(ctx, p.Get("client_id"))
	if err != nil {
		return authorizationRequest{}, err
	}
	redirectURI := p.Get("redirect_uri")
	switch {
	case redirectURI == "":
		return authorizationRequest{}, oauth.InvalidRequest("redirect_uri", "The redirect_uri parameter is missing")
	case !c.registered(s.clientRules(), redirectURI):
		return authorizationRequest{}, oauth.InvalidRequest("redirect_uri",
			"The redirect_uri is not registered for this client; it must match exactly")
	}
	return authorizationRequest{client: c, redirectURI: redirectURI, state: p.Get("state")}, nil
}

// challengePattern is a SHA-256 digest in base64url (RFC 7636 section 4.2).
var challengePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)

// completeRequest checks everything that may be answered by a redirect.
func (s *Server) completeRequest(p params.Params, request *authorizationRequest) error {
	refuse := func(code oauth.Code, description string) error {
		return &oauth.Error{Code: code, Status: http.StatusBadRequest, Reason: oauth.ReasonMalformedParameter, Description: description}
	}
	switch {
	case p.Get("request") != "" || p.Get("request_uri") != "":
		return refuse(codeRequestNotSupported, "Request objects are not supported")
	case p.Get("response_type") == "":
		return refuse(oauth.CodeInvalidRequest, "The response_type parameter is missing")
	case p.Get("response_type") != "code":
		return refuse(oauth.CodeUnsupportedResponseType, "The only response_type on offer is code")
	case p.Get("response_mode") != "" && p.Get("response_mode") != "query":
		return refuse(oauth.CodeInvalidRequest, "The only response_mode on offer is query")
	case p.Get("code_challenge") == "":
		return refuse(oauth.CodeInvalidRequest, "PKCE is required: the code_challenge parameter is missing")
	case p.Get("code_challenge_method") != "S256":
		return refuse(oauth.CodeInvalidRequest, "The code_challenge_method must be S256")
	case !challengePattern.MatchString(p.Get("code_challenge")):
		return refuse(oauth.CodeInvalidRequest, "The code_challenge is no SHA-256 digest in base64url")
	case slices.Contains(strings.Fields(p.Get("prompt")), "none"):
		return refuse(codeLoginRequired, "Somebody has to log in: this server keeps no sessions")
	}
	request.challenge, request.nonce, request.loginHint = p.Get("code_challenge"), p.Get("nonce"), p.Get("login_hint")
	var err error
	if request.scopes, err = s.wantedScopes(p.Get("scope")); err != nil {
		return err
	}
	request.resources, err = s.wantedResources(p.Resources())
	return err
}

func (s *Server) wantedScopes(scope string) ([]string, error) {
	scopes := oauth.ParseScope(scope)
	if len(scopes) == 0 {
		return s.config.DefaultScopes, nil
	}
	for _, wanted := range scopes {
		if !oauth.ValidScope(wanted) || len(s.config.Scopes) > 0 && !slices.Contains(s.config.Scopes, wanted) {
			return nil, invalidScope("This server does not know the scope " + quoted(wanted))
		}
	}
	return scopes, nil
}

func invalidScope(description string) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidScope, Status: http.StatusBadRequest, Reason: oauth.ReasonScope, Description: description,
	}
}

func (s *Server) wantedResources(resources []string) ([]string, error) {
	if len(resources) > 0 && s.faults.Load().RefuseResource {
		return nil, invalidTarget("This server refuses every resource, as its faults are set")
	}
	for _, resource := range resources {
		if err := checkResource(resource); err != nil {
			return nil, invalidTarget("A resource " + err.Error())
		}
		if len(s.config.Resources) > 0 && !slices.Contains(s.config.Resources, resource) {
			return nil, invalidTarget("This server does not know the resource; it must match exactly")
		}
	}
	return resources, nil
}

// checkResource holds a resource to RFC 8707 section 2: an absolute URI without fragment.
func checkResource(resource string) error {
	u, err := url.Parse(resource)
	switch {
	case err != nil || u.Scheme == "" || u.Host == "" && u.Opaque == "" && u.Path == "":
		return errors.New("must be an absolute URI")
	case strings.Contains(resource, "#"):
		return errors.New("must not have a fragment")
	}
	return nil
}

func invalidTarget(description string) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidTarget, Status: http.StatusBadRequest, Reason: oauth.ReasonResource, Description: description,
	}
}

// responseURL is the redirect URI with an authorization response: state and iss (RFC 9207) beside
// the given parameters.
func (s *Server) responseURL(request authorizationRequest, response url.Values) string {
	if request.state != "" {
		response.Set("state", request.state)
	}
	switch f := s.faults.Load(); {
	case f.WrongResponseIssuer:
		response.Set("iss", "https://another-issuer.example")
	case !f.OmitResponseIssuer:
		response.Set("iss", s.config.Issuer)
	}
	separator := "?"
	if strings.Contains(request.redirectURI, "?") {
		separator = "&"
	}
	return request.redirectURI + separator + response.Encode()
}
