package broker

import (
	"net/http"

	"github.com/latchkey-auth/latchkey/internal/httpanswer"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/pages"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// writeJSON writes an answer that nobody may keep (RFC 6749 section 5.1).
func writeJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Pragma", "no-cache")
	httpanswer.JSON(w, status, body)
}

// answers write the refusals of the endpoints, and tell the observers of them.
type answers struct {
	pages  *pages.Pages
	events *events.Sender
}

// refuseJSON tells of a refusal and answers it (RFC 6749 section 5.2). client is the client's
// label, where it is known.
func (a answers) refuseJSON(w http.ResponseWriter, r *http.Request, e *oauth.Error, client string) {
	e = a.tell(r, e, observe.Event{Client: client})
	httpanswer.RetryAfter(w.Header(), e.RetryAfter)
	if e.Status == http.StatusUnauthorized && r.Header.Get("Authorization") != "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint"`)
	}
	writeJSON(w, e.Status, oauth.ErrorResponse{Error: e.Code, ErrorDescription: e.Description})
}

// tell tells the observers that a request was refused, and why. It returns what to answer: see
// [events.Sender.Refused].
func (a answers) tell(r *http.Request, e *oauth.Error, event observe.Event) *oauth.Error {
	event.Method, event.Path = r.Method, r.URL.Path
	return a.events.Refused(r.Context(), e, event)
}

// refusePage tells of a refusal and shows it.
func (a answers) refusePage(w http.ResponseWriter, r *http.Request, e *oauth.Error) {
	a.pages.Error(w, r, a.tell(r, e, observe.Event{}))
}
