package clients

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/internal/redirecturi"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/tickets"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// maxRedirectURIs is how many redirect URIs a client may have.
const maxRedirectURIs = 12

// MaxMetadata bounds the client metadata that a client may send or publish: it is the limit that
// draft-ietf-oauth-client-id-metadata-document recommends ("Maximum Response Size").
const MaxMetadata = 5 << 10

// Register registers a client (RFC 7591) by the metadata that it sent. It keeps nothing: the
// registration travels in the client_id.
func (r *Registry) Register(ctx context.Context, body string) (oauth.ClientInformation, *oauth.Error) {
	metadata, refused := r.registration(ctx, body)
	if refused != nil {
		return oauth.ClientInformation{}, refused
	}
	now := r.now()
	metadata.ClientID = r.box.Seal(
		tickets.Client{Issued: now, Name: metadata.ClientName, Redirects: metadata.RedirectURIs}, time.Time{})
	return oauth.ClientInformation{ClientMetadata: metadata, ClientIDIssuedAt: now.Unix()}, nil
}

// registration reads client metadata and returns what is registered: what a client asks for beyond
// that is replaced or left out, as RFC 7591 section 2 permits, and the answer says so.
func (r *Registry) registration(ctx context.Context, body string) (oauth.ClientMetadata, *oauth.Error) {
	asked, err := oauth.ParseClaims(body)
	if err != nil {
		return oauth.ClientMetadata{}, InvalidMetadata("The client metadata must be a JSON object", err)
	}
	m, err := readMetadata(asked, r.grantTypes)
	if err != nil {
		return m, InvalidMetadata(sentence(err), nil)
	}
	if len(m.RedirectURIs) > maxRedirectURIs {
		return m, InvalidMetadata(fmt.Sprintf("The client metadata may have %d redirect URIs at most", maxRedirectURIs), nil)
	}
	if len(m.RedirectURIs) == 0 {
		return m, refusal.BadRequest(oauth.CodeInvalidRedirectURI, oauth.ReasonClientMetadata, "The client metadata must have redirect_uris")
	}
	usable, problems := redirecturi.Usable(m.RedirectURIs, r.schemes)
	if len(usable) == 0 {
		e := refusal.BadRequest(oauth.CodeInvalidRedirectURI, oauth.ReasonClientMetadata, sentence(problems[0]))
		e.Cause = leftOut(problems)
		return m, e
	}
	if len(problems) > 0 {
		r.events.Observe(ctx, observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonRedirectURI, Message: "redirect URIs left out of a registration",
			Err: leftOut(problems), Details: []slog.Attr{slog.String("name", m.ClientName)},
		})
	}
	m.RedirectURIs = usable
	m.Scope = strings.Join(slices.DeleteFunc(oauth.ParseScope(m.Scope), func(s string) bool { return !slices.Contains(r.scopes, s) }), " ")
	return m, nil
}

// leftOut says why redirect URIs are not acceptable, and what the operator can do about it.
func leftOut(problems []error) error {
	all := errors.Join(problems...)
	schemes := redirecturi.NeededSchemes(problems)
	if len(schemes) == 0 {
		return all
	}
	return fmt.Errorf("%w (to allow the scheme: --custom-scheme %s, or CustomSchemes in Go)", all, strings.Join(schemes, " --custom-scheme "))
}

// readMetadata reads the members that count, type by type.
func readMetadata(asked oauth.Claims, grantTypes []string) (oauth.ClientMetadata, error) {
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
	named := strings.TrimSpace(m.ClientName) != ""
	if m.ClientName = cleanName(m.ClientName); named && m.ClientName == "" {
		return m, errors.New("client_name must have a visible character")
	}
	if m.ApplicationType != "web" && m.ApplicationType != "native" {
		m.ApplicationType = "" // optional, and nothing depends on it
	}
	if !params.IsPlainText(m.ClientURI) {
		m.ClientURI = ""
	}
	m.GrantTypes = slices.Clone(grantTypes)
	m.ResponseTypes = []string{"code"}
	m.TokenEndpointAuthMethod = "none"
	return m, nil
}

// stringArray reads a member that must be an array of strings where it is present. Elements that
// are no strings are left out.
func stringArray(object oauth.Claims, name string) ([]string, error) {
	raw := object.Raw(name)
	if raw == nil || string(raw) == "null" {
		return nil, nil
	}
	var elements []any
	if raw[0] != '[' || json.Unmarshal(raw, &elements) != nil {
		return nil, fmt.Errorf("%s must be an array of strings", name)
	}
	var list []string
	for _, element := range elements {
		if text, ok := element.(string); ok {
			list = append(list, text)
		}
	}
	return list, nil
}

// InvalidMetadata is the refusal of client metadata (RFC 7591 section 3.2.2).
func InvalidMetadata(description string, cause error) *oauth.Error {
	return refusal.Caused(oauth.CodeInvalidClientMetadata, oauth.ReasonClientMetadata, description, cause)
}

// sentence turns an error that was written for clients into one.
func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:]
}
