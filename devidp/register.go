package devidp

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
)

// The limits of a client's description of itself.
const (
	maxMetadataBytes = 5 << 10
	maxRedirectURIs  = 12
)

// serveRegister is Dynamic Client Registration (RFC 7591 section 3).
func (s *Server) serveRegister(w http.ResponseWriter, r *http.Request) {
	metadata, err := readMetadata(r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	left, err := s.clientRules().settle(&metadata)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	if len(left) > 0 {
		s.config.Logger.InfoContext(r.Context(), "redirect URIs left out of a registration", "name", metadata.ClientName,
			"problems", errors.Join(left...), "needed_schemes", redirecturi.NeededSchemes(left))
	}
	now := s.config.Now()
	metadata.ClientID = "client-" + randomText()[:24]
	information := oauth.ClientInformation{ClientMetadata: metadata, ClientIDIssuedAt: now.Unix()}
	registered := metadataClient(metadata, dynamicClient)
	if registered.confidential() {
		information.ClientSecret = randomText()
		information.ClientSecretExpiresAt = now.Add(clientLifetime).Unix()
		registered.secret = sha256.Sum256([]byte(information.ClientSecret))
	}
	s.state.addClient(registered)
	httpanswer.JSON(w, http.StatusCreated, information)
}

func readMetadata(r *http.Request) (oauth.ClientMetadata, error) {
	var metadata oauth.ClientMetadata
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return metadata, badMetadata("The registration must be application/json", nil)
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxMetadataBytes+1))
	if err != nil || len(body) > maxMetadataBytes {
		return metadata, badMetadata("The client metadata is larger than 5 KiB", err)
	}
	return parseMetadata(body)
}

func parseMetadata(body []byte) (oauth.ClientMetadata, error) {
	var metadata oauth.ClientMetadata
	object, err := oauth.ParseClaims(string(body)) // refuses duplicates, which two parsers read differently
	if err == nil {
		err = object.Decode(&metadata)
	}
	if err != nil {
		return metadata, badMetadata("The client metadata is not a valid JSON object of RFC 7591", err)
	}
	return metadata, nil
}

// settle checks client metadata and fills in what RFC 7591 section 2 says about absent members.
// The server leaves out what it does not offer, so that the client can read what it got (section
// 3.2.1); of redirect URIs it says why.
func (r clientRules) settle(m *oauth.ClientMetadata) (left []error, err error) {
	if len(m.RedirectURIs) == 0 || len(m.RedirectURIs) > maxRedirectURIs {
		return nil, badRedirect("Between 1 and 12 redirect_uris are needed", nil)
	}
	usable, left := redirecturi.Usable(m.RedirectURIs, r.schemes)
	if len(usable) == 0 {
		return nil, badRedirect("No redirect URI is acceptable: "+left[0].Error(), errors.Join(left...))
	}
	m.RedirectURIs = usable
	if !printable(m.ClientName) {
		return nil, badMetadata("client_name is too long or has invisible characters", nil)
	}
	m.TokenEndpointAuthMethod = cmp.Or(m.TokenEndpointAuthMethod, authBasic)
	if !slices.Contains([]string{authNone, authBasic, authPost}, m.TokenEndpointAuthMethod) {
		return nil, badMetadata("token_endpoint_auth_method must be none, client_secret_basic or client_secret_post", nil)
	}
	m.Scope = strings.Join(slices.DeleteFunc(oauth.ParseScope(m.Scope), func(s string) bool { return !oauth.ValidScope(s) }), " ")
	return left, settleGrants(m)
}

// settleGrants leaves the grants and responses that this server offers.
func settleGrants(m *oauth.ClientMetadata) error {
	if len(m.ResponseTypes) > 0 && !slices.Contains(m.ResponseTypes, "code") {
		return badMetadata("response_types must include code, the only one on offer", nil)
	}
	m.ResponseTypes = []string{"code"}
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{grantCode}
	}
	m.GrantTypes = slices.DeleteFunc(m.GrantTypes, func(g string) bool { return g != grantCode && g != grantRefresh })
	if !slices.Contains(m.GrantTypes, grantCode) {
		return badMetadata("grant_types must include authorization_code", nil)
	}
	return nil
}

// metadataClient builds a client from settled metadata.
func metadataClient(m oauth.ClientMetadata, kind clientKind) *client {
	return &client{
		id: m.ClientID, name: cmp.Or(m.ClientName, m.ClientID), kind: kind,
		redirects: m.RedirectURIs, grants: m.GrantTypes, methods: []string{m.TokenEndpointAuthMethod},
	}
}

func badMetadata(description string, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidClientMetadata, Status: http.StatusBadRequest, Reason: oauth.ReasonClientMetadata,
		Description: description, Cause: cause,
	}
}

func badRedirect(description string, cause error) *oauth.Error {
	return &oauth.Error{
		Code: oauth.CodeInvalidRedirectURI, Status: http.StatusBadRequest, Reason: oauth.ReasonRedirectURI,
		Description: description, Cause: cause,
	}
}
