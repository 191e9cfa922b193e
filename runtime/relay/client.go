package relay

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/strictjson"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// registrationMembers are the members of client metadata (RFC 7591 section 2, OpenID Connect
// Dynamic Client Registration section 2) that a page may register with. Nothing else is passed on:
// an authorization server could read another spelling of a member, or a signed software statement,
// in place of the redirect URIs that were checked here.
var registrationMembers = []string{
	"redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "client_name", "client_uri", "logo_uri",
	"scope", "contacts", "tos_uri", "policy_uri", "jwks_uri", "jwks", "software_id", "software_version", "application_type",
}

// registrationBody checks a registration and writes it again from the members that were read. It
// refuses one that would send users anywhere but to the callback page of the calling page's origin,
// or of our own: the relay's standing with an authorization server must not serve to register other
// sites' clients.
func (r *Relay) registrationBody(req *http.Request, out outgoing) (string, error) {
	claims, err := oauth.ParseClaims(out.body)
	if err != nil || out.headers["content-type"] != typeJSON {
		return "", fail(http.StatusBadRequest, "A registration must be a JSON object", err)
	}
	permitted := []string{r.origins.own + r.config.CallbackPath}
	if origin := req.Header.Get("Origin"); origin != "" {
		permitted = append(permitted, origin+r.config.CallbackPath)
	}
	uris := claims.Strings("redirect_uris")
	for _, uri := range uris {
		if !slices.Contains(permitted, uri) {
			return "", fail(http.StatusBadRequest, "redirect_uris may name only "+r.config.CallbackPath+" on the calling page's origin", nil)
		}
	}
	if len(uris) == 0 {
		return "", fail(http.StatusBadRequest, "redirect_uris is required", nil)
	}
	checked, err := json.Marshal(uris)
	if err != nil {
		return "", err
	}
	members := []strictjson.Member{{Name: "redirect_uris", Value: string(checked)}}
	for name, value := range claims.All() {
		if name != "redirect_uris" && slices.Contains(registrationMembers, name) {
			members = append(members, strictjson.Member{Name: name, Value: string(value)})
		}
	}
	body, err := encodeObject(members)
	return string(body), err
}

// sealedPrefix marks a client secret as sealed by a relay, so that secrets from elsewhere pass
// untouched.
const sealedPrefix = "latchkey-relay."

// secretBox returns what seals the secret of a client: for this MCP server, authorization server
// and client only.
func (r *Relay) secretBox(server *url.URL, issuer, clientID string) *seal.Box {
	return r.ring.Box("relay-client-secret", seal.Binding{
		Issuer: strings.TrimSuffix(issuer, "/"), Resource: canonical(server), Provider: "relay", Client: clientID,
	})
}

// sealRegistration replaces the secret of a registered client by its sealed form, and drops the
// credentials of client management (RFC 7592), with which the secret could be read again.
func (r *Relay) sealRegistration(got *answer, server *url.URL, issuer string) error {
	if got.Status < 200 || got.Status > 299 {
		return nil
	}
	claims, err := oauth.ParseClaims(string(got.Body))
	if err != nil {
		return fail(http.StatusBadGateway, "The authorization server's answer is not a valid registration", err)
	}
	box := r.secretBox(server, issuer, claims.String("client_id"))
	kept := make([]strictjson.Member, 0, claims.Len())
	for name, value := range claims.All() {
		member := strictjson.Member{Name: name, Value: string(value)}
		switch name {
		case "registration_access_token", "registration_client_uri":
			continue
		case "client_secret":
			secret, ok := strictjson.Unquote(member.Value)
			if !ok {
				continue
			}
			sealed := sealedPrefix + box.Seal([]byte(secret), secretExpiry(claims))
			member.Value = `"` + sealed + `"` // base64url and the prefix need no escaping
		}
		kept = append(kept, member)
	}
	got.Body, err = encodeObject(kept)
	return err
}

// secretExpiry reads client_secret_expires_at: zero, or none, is never (RFC 7591 section 3.2.1).
func secretExpiry(claims oauth.Claims) time.Time {
	expires, ok := claims.Time("client_secret_expires_at")
	if !ok || expires.Unix() <= 0 {
		return time.Time{}
	}
	return expires
}

func encodeObject(members []strictjson.Member) (json.RawMessage, error) {
	text := []byte{'{'}
	for i, member := range members {
		if i > 0 {
			text = append(text, ',')
		}
		name, err := json.Marshal(member.Name)
		if err != nil {
			return nil, err
		}
		text = append(append(append(text, name...), ':'), member.Value...)
	}
	return append(text, '}'), nil
}

// openCredentials puts the client's real secret in the place of the sealed one, in the form or in
// the Basic credentials.
func (r *Relay) openCredentials(out outgoing, server *url.URL, issuer string) (outgoing, error) {
	if out.body != "" && out.headers["content-type"] != typeForm {
		return outgoing{}, fail(http.StatusBadRequest, "A request to this endpoint must be a form", nil)
	}
	form, err := parseForm(out.body)
	if err != nil {
		return outgoing{}, err
	}
	clientID := valueOf(form, "client_id")
	for i, p := range form {
		if p.name == "client_secret" && strings.HasPrefix(p.value, sealedPrefix) {
			secret, ok := r.openSecret(server, issuer, clientID, p.value)
			out.invalidClient = out.invalidClient || !ok
			form[i].value = secret
		}
	}
	out.body = encodeForm(form)
	id, sealed, ok := basicCredentials(out.headers["authorization"])
	if !ok || !strings.HasPrefix(sealed, sealedPrefix) {
		return out, nil
	}
	secret, opened := r.openSecret(server, issuer, id, sealed)
	out.invalidClient = out.invalidClient || !opened || clientID != "" && clientID != id
	out.headers["authorization"] = "Basic " + base64.StdEncoding.EncodeToString(
		[]byte(url.QueryEscape(id)+":"+url.QueryEscape(secret)))
	return out, nil
}

func (r *Relay) openSecret(server *url.URL, issuer, clientID, sealed string) (string, bool) {
	secret, _, err := r.secretBox(server, issuer, clientID).Open(strings.TrimPrefix(sealed, sealedPrefix), r.config.Now())
	if err != nil {
		r.events.Observe(context.Background(), observe.Event{
			Kind: observe.Notice, Reason: oauth.ReasonClientAuthentication, Message: "relay: a client secret could not be opened", Err: err,
		})
		return "", false
	}
	return string(secret), true
}

// basicCredentials reads the client credentials of RFC 6749 section 2.3.1, which are form-encoded
// inside.
func basicCredentials(header string) (id, secret string, ok bool) {
	scheme, encoded, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", false
	}
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return "", "", false
	}
	rawID, rawSecret, found := strings.Cut(string(decoded), ":")
	id, errID := url.QueryUnescape(rawID)
	secret, errSecret := url.QueryUnescape(rawSecret)
	return id, secret, found && errID == nil && errSecret == nil
}

// invalidClient is the answer of RFC 6749 section 5.2 that makes a client register again.
func invalidClient() answer {
	return answer{
		Status: http.StatusUnauthorized, StatusText: http.StatusText(http.StatusUnauthorized),
		Headers: map[string]string{"content-type": typeJSON},
		Body:    json.RawMessage(`{"error":"invalid_client","error_description":"The client has to register again"}`),
	}
}
