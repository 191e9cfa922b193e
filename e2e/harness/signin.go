package harness

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
)

// SignIn is the HTTP face of a server's login, for clients in any language:
//
//	POST /       {"url": authorization request}  →  {"redirect": where the client gets its code}
//	GET  /open?url=…                              the same, and the redirect is followed, as a real browser would
//	POST /step-up                                 raises what the resource server asks for
//
// Errors are {"error": …} with status 502.
type SignIn struct {
	server *httptest.Server
}

// NewSignIn starts the service. raise is what /step-up does; nil answers 404.
func NewSignIn(server Server, raise func(context.Context) error) *SignIn {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{$}", func(w http.ResponseWriter, r *http.Request) {
		var request struct {
			URL string `json:"url"`
		}
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			err = json.Unmarshal(body, &request)
		}
		if err != nil {
			answer(w, http.StatusBadRequest, problem(err))
			return
		}
		redirect, err := server.Login(r.Context(), request.URL)
		if err != nil {
			answer(w, http.StatusBadGateway, problem(err))
			return
		}
		answer(w, http.StatusOK, reply{Redirect: redirect})
	})
	mux.HandleFunc("GET /open", func(w http.ResponseWriter, r *http.Request) {
		redirect, err := server.Login(r.Context(), r.URL.Query().Get("url"))
		if err == nil {
			_, err = NewBrowser().Visit(r.Context(), redirect, nil)
		}
		if err != nil {
			answer(w, http.StatusBadGateway, problem(err))
			return
		}
		answer(w, http.StatusOK, reply{})
	})
	if raise != nil {
		mux.HandleFunc("POST /step-up", func(w http.ResponseWriter, r *http.Request) {
			if err := raise(r.Context()); err != nil {
				answer(w, http.StatusBadGateway, problem(err))
				return
			}
			answer(w, http.StatusOK, reply{})
		})
	}
	return &SignIn{server: httptest.NewServer(mux)}
}

// URL is where POST / answers.
func (s *SignIn) URL() string { return s.server.URL + "/" }

// OpenURL is where GET /open answers.
func (s *SignIn) OpenURL() string { return s.server.URL + "/open" }

// StepUpURL is where POST /step-up answers.
func (s *SignIn) StepUpURL() string { return s.server.URL + "/step-up" }

// Stop ends the service.
func (s *SignIn) Stop() { s.server.Close() }

type reply struct {
	Redirect string `json:"redirect,omitempty"`
	Error    string `json:"error,omitempty"`
}

func problem(err error) reply { return reply{Error: err.Error()} }

func answer(w http.ResponseWriter, status int, body reply) {
	encoded, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // the client is gone when this fails
}
