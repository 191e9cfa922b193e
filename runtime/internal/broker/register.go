package broker

import (
	"context"
	"fmt"
	"net/http"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/params"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
)

// registration is the endpoint of dynamic client registration (RFC 7591).
type registration struct {
	clients interface {
		Register(ctx context.Context, body string) (oauth.ClientInformation, *oauth.Error)
	}
	limits  *limiters
	answers answers
}

func (e *registration) serve(w http.ResponseWriter, r *http.Request) {
	if !e.limits.mayRegister(r) {
		e.answers.refuseJSON(w, r, refusal.TooMany())
		return
	}
	body, err := params.ReadBody(r, clients.MaxMetadata)
	if err != nil {
		e.answers.refuseJSON(w, r, clients.InvalidMetadata(
			fmt.Sprintf("The client metadata may have %d bytes at most", clients.MaxMetadata), err))
		return
	}
	client, refused := e.clients.Register(r.Context(), string(body))
	if refused != nil {
		e.answers.refuseJSON(w, r, refused)
		return
	}
	e.answers.logger.InfoContext(r.Context(), "client registered", "client", clients.Label(client.ClientID),
		"name", client.ClientName, "redirect_uris", len(client.RedirectURIs), "provider", e.answers.provider)
	writeJSON(w, http.StatusCreated, client)
}
