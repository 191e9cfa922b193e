package devidp

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
)

// serveToken is the token endpoint (RFC 6749 section 3.2).
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	p, err := form(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	grantType := p.Get("grant_type")
	switch grantType {
	case grantCode, grantRefresh, grantMachine:
	case "":
		s.refuse(w, r, oauth.InvalidRequest("grant_type", "The grant_type parameter is missing"))
		return
	default:
		s.refuse(w, r, &oauth.Error{
			Code: oauth.CodeUnsupportedGrantType, Status: http.StatusBadRequest, Reason: oauth.ReasonGrantType,
			Description: "This server offers authorization_code, refresh_token and client_credentials only",
		})
		return
	}
	c, err := s.authenticateClient(w, r, p)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	response, err := s.exchange(c, grantType, p)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	httpanswer.JSON(w, http.StatusOK, response)
}

func (s *Server) exchange(c *client, grantType string, p params.Params) (oauth.TokenResponse, error) {
	if !slices.Contains(c.grants, grantType) {
		return oauth.TokenResponse{}, &oauth.Error{
			Code: oauth.CodeUnauthorizedClient, Status: http.StatusBadRequest, Reason: oauth.ReasonGrantType,
			Description: "This client is not registered for the grant type " + grantType,
		}
	}
	switch grantType {
	case grantCode:
		return s.exchangeCode(c, p)
	case grantMachine:
		return s.exchangeMachine(c, p)
	default:
		return s.exchangeRefresh(c, p)
	}
}

// authenticateClient finds the client of a request and checks its secret where it has one (RFC 6749
// section 2.3). A stale client_id is 401 invalid_client: that is how clients learn to register
// again.
func (s *Server) authenticateClient(w http.ResponseWriter, r *http.Request, p params.Params) (*client, error) {
	id, secret, method, err := clientCredentials(r, p)
	if err != nil {
		return nil, err
	}
	if method == authBasic {
		w.Header().Set("WWW-Authenticate", `Basic realm="devidp"`)
	}
	c, err := s.findClient(r.Context(), id)
	if err != nil {
		return nil, err
	}
	refusal := &oauth.Error{Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized}
	if !slices.Contains(c.methods, method) {
		refusal.Reason, refusal.Description = oauth.ReasonClientAuthentication,
			"This client must authenticate with "+strings.Join(c.methods, " or ")
		return nil, refusal
	}
	digest := sha256.Sum256([]byte(secret))
	if c.confidential() && subtle.ConstantTimeCompare(digest[:], c.secret[:]) != 1 {
		refusal.Reason, refusal.Description = oauth.ReasonClientAuthentication, "The client secret is wrong"
		return nil, refusal
	}
	w.Header().Del("WWW-Authenticate")
	return c, nil
}

func clientCredentials(r *http.Request, p params.Params) (id, secret, method string, err error) {
	id, secret = p.Get("client_id"), p.Get("client_secret")
	if _, present := r.Header["Authorization"]; !present {
		switch {
		case id == "":
			return "", "", "", &oauth.Error{
				Code: oauth.CodeInvalidClient, Status: http.StatusUnauthorized, Reason: oauth.ReasonClientUnknown,
				Description: "The client_id is missing",
			}
		case secret != "":
			return id, secret, authPost, nil
		default:
			return id, "", authNone, nil
		}
	}
	user, password, ok := r.BasicAuth()
	headerID, idErr := url.QueryUnescape(user) // RFC 6749 section 2.3.1: both are form-encoded first
	headerSecret, secretErr := url.QueryUnescape(password)
	switch {
	case !ok || idErr != nil || secretErr != nil || len(r.Header["Authorization"]) > 1:
		return "", "", "", oauth.InvalidRequest(oauth.ReasonMalformedHeader, "The Authorization header is not well-formed")
	case secret != "" || id != "" && id != headerID:
		return "", "", "", oauth.InvalidRequest(oauth.ReasonMultipleCredentials,
			"The client must authenticate in one way only")
	}
	return headerID, headerSecret, authBasic, nil
}

func invalidGrant(reason oauth.Reason, description string) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidGrant, Status: http.StatusBadRequest, Reason: reason, Description: description,
	}
}

// verifierPattern is RFC 7636 section 4.1.
var verifierPattern = regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`)

func (s *Server) exchangeCode(c *client, p params.Params) (oauth.TokenResponse, error) {
	if p.Get("code") == "" {
		return oauth.TokenResponse{}, oauth.InvalidRequest("code", "The code parameter is missing")
	}
	var resources []string
	g, err := s.state.redeem(p.Get("code"), func(issued *code) error {
		digest := sha256.Sum256([]byte(p.Get("code_verifier")))
		challenge := base64.RawURLEncoding.EncodeToString(digest[:])
		switch {
		case issued.grant.clientID != c.id:
			return invalidGrant(oauth.ReasonOtherClient, "The code was issued to another client")
		case issued.redirectURI != p.Get("redirect_uri"):
			return invalidGrant(oauth.ReasonRedirectURI, "The redirect_uri differs from the one of the authorization request")
		case !verifierPattern.MatchString(p.Get("code_verifier")),
			subtle.ConstantTimeCompare([]byte(challenge), []byte(issued.challenge)) != 1:
			return invalidGrant(oauth.ReasonCodeVerifier, "The code_verifier does not fit the code_challenge")
		}
		var err error
		resources, err = s.narrowResources(issued.grant, p)
		return err
	})
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	return s.respond(issue{grant: g, client: c, scopes: g.scopes, resources: resources, nonce: g.nonce})
}

// redeem uses a code up. A faulty request does not burn the code, so that nobody who merely saw the
// code can spoil it; a second use revokes what the first one gave (RFC 6749 section 4.1.2).
func (s *state) redeem(value string, check func(*code) error) (*grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	issued, ok := s.codes.get(digestKey(value), s.now())
	if !ok {
		return nil, invalidGrant(oauth.ReasonCode, "The code is unknown or has expired")
	}
	if err := check(issued); err != nil {
		return nil, err
	}
	if issued.used {
		issued.grant.revoked = true
		return nil, invalidGrant(oauth.ReasonCodeUsed, "The code was used before; its tokens are now revoked")
	}
	issued.used = true
	return issued.grant, nil
}

func (s *Server) exchangeRefresh(c *client, p params.Params) (oauth.TokenResponse, error) {
	if p.Get("refresh_token") == "" {
		return oauth.TokenResponse{}, oauth.InvalidRequest("refresh_token", "The refresh_token parameter is missing")
	}
	var scopes, resources []string
	keep := s.faults.Load().KeepRefreshToken
	g, err := s.state.rotate(p.Get("refresh_token"), c.id, keep, func(g *grant) error {
		var err error
		if scopes, err = narrowScopes(g, p.Get("scope")); err != nil {
			return err
		}
		resources, err = s.narrowResources(g, p)
		return err
	})
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	return s.respond(issue{grant: g, client: c, scopes: scopes, resources: resources, withoutRefresh: keep})
}

// rotate uses a refresh token up, unless it shall be kept. A second use means that two parties have
// it, of which one is a thief: everything that came from the same consent ends (OAuth 2.1
// section 4.3.1, RFC 9700 section 4.14).
func (s *state) rotate(value, clientID string, keep bool, check func(*grant) error) (*grant, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.refresh.get(digestKey(value), s.now())
	switch {
	case !ok || t.grant.revoked:
		return nil, invalidGrant(oauth.ReasonRefreshToken, "The refresh token is unknown, expired or revoked")
	case t.grant.clientID != clientID:
		return nil, invalidGrant(oauth.ReasonOtherClient, "The refresh token was issued to another client")
	case t.used:
		t.grant.revoked = true
		return nil, invalidGrant(oauth.ReasonRefreshTokenReused, "The refresh token was used before; its whole family is now revoked")
	}
	if err := check(t.grant); err != nil {
		return nil, err
	}
	t.used = !keep
	return t.grant, nil
}

// narrowScopes returns the scopes of a refreshed token: those of the grant, or fewer (RFC 6749
// section 6).
func narrowScopes(g *grant, scope string) ([]string, error) {
	wanted := oauth.ParseScope(scope)
	if len(wanted) == 0 {
		return g.scopes, nil
	}
	for _, w := range wanted {
		if !slices.Contains(g.scopes, w) {
			return nil, invalidScope("The scope " + quoted(w) + " was not granted")
		}
	}
	return wanted, nil
}

// narrowResources returns the resources of a token: those of the grant, or some of them (RFC 8707
// section 2.2).
func (s *Server) narrowResources(g *grant, p params.Params) ([]string, error) {
	wanted, err := s.wantedResources(p.Resources())
	if err != nil || len(wanted) == 0 {
		return g.resources, err
	}
	for _, w := range wanted {
		if !slices.Contains(g.resources, w) {
			return nil, invalidTarget("The resource is not one of the authorization request")
		}
	}
	return wanted, nil
}

// issue is what tokens are made from.
type issue struct {
	grant     *grant
	client    *client
	scopes    []string
	resources []string
	nonce     string
	// withoutRefresh leaves the refresh token out.
	withoutRefresh bool
}

// respond makes the tokens of one answer (RFC 6749 section 5.1).
func (s *Server) respond(i issue) (oauth.TokenResponse, error) {
	access, err := s.issueAccess(i)
	if err != nil {
		return oauth.TokenResponse{}, err
	}
	response := oauth.TokenResponse{
		AccessToken: access, TokenType: "Bearer", Scope: strings.Join(i.scopes, " "),
		ExpiresIn: int64(s.config.AccessTokenLifetime / time.Second),
	}
	if slices.Contains(i.client.grants, grantRefresh) && !i.withoutRefresh && !i.grant.machine() {
		response.RefreshToken = randomText()
		s.state.putRefresh(response.RefreshToken, &refreshToken{grant: i.grant}, s.config.RefreshTokenLifetime)
	}
	if slices.Contains(i.scopes, "openid") {
		if response.IDToken, err = s.issueID(i, access); err != nil {
			return oauth.TokenResponse{}, err
		}
	}
	return response, nil
}
