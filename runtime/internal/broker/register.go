package broker

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/params"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/clients"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
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
		e.answers.refuseJSON(w, r, refusal.TooMany(), "")
		return
	}
	body, err := params.ReadBody(r, clients.MaxMetadata)
	if err != nil {
		e.answers.refuseJSON(w, r, clients.InvalidMetadata(
			fmt.Sprintf("The client metadata may have %d bytes at most", clients.MaxMetadata), err), "")
		return
	}
	client, refused := e.clients.Register(r.Context(), string(body))
	if refused != nil {
		e.answers.refuseJSON(w, r, refused, "")
		return
	}
	event := observe.Event{
		Kind: observe.ClientRegistered, Client: clients.Label(client.ClientID),
		Details: []slog.Attr{slog.String("name", client.ClientName), slog.Int("redirect_uris", len(client.RedirectURIs))},
	}
	if refused := e.answers.events.Decide(r.Context(), &event); refused != nil {
		e.answers.refuseJSON(w, r, refused, event.Client)
		return
	}
	e.answers.events.Observe(r.Context(), event)
	writeJSON(w, http.StatusCreated, client)
}
