package broker

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
)

// register answers dynamic client registration (RFC 7591). It keeps nothing: the registration travels in the client_id.
func (b *Broker) register(w http.ResponseWriter, r *http.Request) {
	if !b.limits.register.allow(b.address(r), b.now()) {
		b.refuseJSON(w, r, refusal.TooMany())
		return
	}
	body, err := params.ReadBody(r, maxClientMetadata)
	if err != nil {
		b.refuseJSON(w, r, invalidMetadata(fmt.Sprintf("The client metadata may have %d bytes at most", maxClientMetadata), err))
		return
	}
	metadata, refused := b.registration(string(body))
	if refused != nil {
		b.refuseJSON(w, r, refused)
		return
	}
	now := b.now()
	metadata.ClientID = b.tickets.Client.Seal(
		tickets.Client{Issued: now, Name: metadata.ClientName, Redirects: metadata.RedirectURIs}, time.Time{})
	b.logger.InfoContext(r.Context(), "client registered", "client", clientLabel(metadata.ClientID),
		"name", metadata.ClientName, "redirect_uris", len(metadata.RedirectURIs), "provider", b.config.Upstream.Name)
	writeJSON(w, http.StatusCreated, oauth.ClientInformation{ClientMetadata: metadata, ClientIDIssuedAt: now.Unix()})
}

// registration reads client metadata and returns what is registered: what a client asks for beyond that is replaced, as
// RFC 7591 section 2 permits, and the answer says so.
func (b *Broker) registration(body string) (oauth.ClientMetadata, *oauth.Error) {
	asked, err := oauth.ParseClaims(body)
	if err != nil {
		return oauth.ClientMetadata{}, invalidMetadata("The client metadata must be a JSON object", err)
	}
	m, err := readMetadata(asked)
	if err != nil {
		return m, invalidMetadata(sentence(err), nil)
	}
	if len(m.RedirectURIs) > maxRedirectURIs {
		return m, invalidMetadata(fmt.Sprintf("The client metadata may have %d redirect URIs at most", maxRedirectURIs), nil)
	}
	if len(m.RedirectURIs) == 0 {
		return m, refusal.BadRequest(oauth.CodeInvalidRedirectURI, refusal.ReasonClientMetadata, "The client metadata must have redirect_uris")
	}
	for i, uri := range m.RedirectURIs {
		if _, err := redirecturi.Parse(uri, b.config.CustomSchemes); err != nil {
			return m, refusal.BadRequest(oauth.CodeInvalidRedirectURI, refusal.ReasonClientMetadata, fmt.Sprintf("Redirect URI %d %s", i+1, err))
		}
	}
	return m, nil
}

// readMetadata reads the members that count, type by type.
func readMetadata(asked oauth.Claims) (oauth.ClientMetadata, error) {
	var m oauth.ClientMetadata
	for name, field := range map[string]*string{
		"client_name": &m.ClientName, "client_uri": &m.ClientURI, "scope": &m.Scope, "application_type": &m.ApplicationType,
	} {
		if !asked.Has(name) {
			continue
		}
		if raw := asked.Raw(name); raw[0] != '"' {
			return m, fmt.Errorf("%s must be a string", name)
		}
		*field = asked.String(name)
	}
	var grants, responses []string
	for name, field := range map[string]*[]string{
		"redirect_uris": &m.RedirectURIs, "grant_types": &grants, "response_types": &responses,
	} {
		list, err := stringArray(asked, name)
		if err != nil {
			return m, err
		}
		*field = list
	}
	if len(grants) > 0 && !slices.Contains(grants, "authorization_code") {
		return m, errors.New("grant_types must have authorization_code, which is what this server offers")
	}
	if len(responses) > 0 && !slices.Contains(responses, "code") {
		return m, errors.New("response_types must have code, which is what this server offers")
	}
	m.ClientName = cleanName(m.ClientName)
	m.Scope = strings.Join(slices.DeleteFunc(oauth.ParseScope(m.Scope), func(s string) bool { return !oauth.ValidScope(s) }), " ")
	if m.ApplicationType != "web" && m.ApplicationType != "native" {
		m.ApplicationType = "" // optional, and nothing depends on it
	}
	if !params.IsPlainText(m.ClientURI) {
		m.ClientURI = ""
	}
	m.GrantTypes = []string{grantAuthorizationCode, grantRefreshToken}
	m.ResponseTypes = []string{"code"}
	m.TokenEndpointAuthMethod = "none"
	return m, nil
}

// stringArray reads a member that must be an array of strings where it is present.
func stringArray(object oauth.Claims, name string) ([]string, error) {
	raw := object.Raw(name)
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	var list []string
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		return nil, fmt.Errorf("%s must be an array of strings", name)
	}
	return list, nil
}

func invalidMetadata(description string, cause error) *oauth.Error {
	return refusal.Caused(oauth.CodeInvalidClientMetadata, refusal.ReasonClientMetadata, description, cause)
}

// sentence turns an error that was written for clients into one.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
