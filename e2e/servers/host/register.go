package host

import (
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Client is a public client that registered itself.
type Client struct {
	ID           string
	Name         string
	RedirectURIs []string
}

// Register is a registration endpoint (RFC 7591) for public clients: whatever a client asks for, it
// gets no secret, and may use the grants of MCP clients. add receives each new client.
func Register(add func(Client)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
			return
		}
		var request struct {
			Name         string   `json:"client_name"`
			RedirectURIs []string `json:"redirect_uris"`
			Scope        string   `json:"scope"`
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 64<<10))
		if err == nil {
			err = json.Unmarshal(body, &request)
		}
		if err != nil {
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_client_metadata"})
			return
		}
		if !usable(request.RedirectURIs) {
			answer(w, http.StatusBadRequest, map[string]any{"error": "invalid_redirect_uri"})
			return
		}
		client := Client{ID: rand.Text(), Name: request.Name, RedirectURIs: request.RedirectURIs}
		add(client)
		registered := map[string]any{
			"client_id": client.ID, "client_id_issued_at": time.Now().Unix(), "redirect_uris": client.RedirectURIs,
			"grant_types": []string{"authorization_code", "refresh_token"}, "response_types": []string{"code"},
			"token_endpoint_auth_method": "none",
		}
		if request.Name != "" {
			registered["client_name"] = request.Name
		}
		if request.Scope != "" {
			registered["scope"] = request.Scope
		}
		answer(w, http.StatusCreated, registered)
	})
}

func usable(redirectURIs []string) bool {
	for _, text := range redirectURIs {
		u, err := url.Parse(text)
		if err != nil || !u.IsAbs() || u.Fragment != "" {
			return false
		}
	}
	return len(redirectURIs) > 0
}

func answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client is gone when this fails
}
