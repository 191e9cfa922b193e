package harness

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

// AuthorizeRequest is what a client asked an authorization server for.
type AuthorizeRequest struct {
	ClientID, Scope, Resource, ChallengeMethod string
}

// SignIn is the HTTP face of a server's login, for clients in any language:
//
//	POST /        {"url": authorization request}  →  {"redirect": where the client gets its code}
//	GET  /open    ?url=authorization request: the same, and the redirect is followed, as a real browser would
//	GET  /count   {"logins": how often somebody logged in so far, "refused": how many bad tokens the resource server refused}
//	POST /restart restarts the resource server
//
// Errors are {"error": …} with status 502.
type SignIn struct {
	http     *httptest.Server
	resource *ResourceServer

	mu       sync.Mutex
	requests []AuthorizeRequest
}

// NewSignIn starts the service for the clients of a resource server, which after /restart lives as
// long as ctx.
func NewSignIn(ctx context.Context, resource *ResourceServer) *SignIn {
	s := &SignIn{resource: resource}
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
			answer(w, reply{}, err)
			return
		}
		redirect, err := s.login(r.Context(), request.URL)
		answer(w, reply{Redirect: redirect}, err)
	})
	mux.HandleFunc("GET /open", func(w http.ResponseWriter, r *http.Request) {
		redirect, err := s.login(r.Context(), r.URL.Query().Get("url"))
		if err == nil {
			err = returnTo(r.Context(), redirect)
		}
		answer(w, reply{}, err)
	})
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, reply{Logins: len(s.Requests()), Refused: resource.RefusedTokens()}, nil)
	})
	mux.HandleFunc("POST /restart", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, reply{}, resource.Restart(ctx)) // the process must outlive the request
	})
	s.http = httptest.NewServer(mux)
	return s
}

func (s *SignIn) login(ctx context.Context, authorizeURL string) (string, error) {
	u, err := url.Parse(authorizeURL)
	if err != nil {
		return "", err
	}
	query := u.Query()
	s.mu.Lock()
	s.requests = append(s.requests, AuthorizeRequest{
		ClientID: query.Get("client_id"), Scope: query.Get("scope"),
		Resource: query.Get("resource"), ChallengeMethod: query.Get("code_challenge_method"),
	})
	s.mu.Unlock()
	return s.resource.Server.Login(ctx, authorizeURL)
}

// returnTo takes the browser back to the client. A client may open the browser before it listens,
// since people are slower than this one.
func returnTo(ctx context.Context, redirect string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		_, err := NewBrowser().Visit(ctx, redirect, nil)
		if !errors.Is(err, syscall.ECONNREFUSED) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// Requests are the authorization requests so far.
func (s *SignIn) Requests() []AuthorizeRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// URL is the service's root, with a slash.
func (s *SignIn) URL() string { return s.http.URL + "/" }

// Stop ends the service.
func (s *SignIn) Stop() { s.http.Close() }

type reply struct {
	Redirect string `json:"redirect,omitempty"`
	Logins   int    `json:"logins"`
	Refused  int    `json:"refused"`
	Error    string `json:"error,omitempty"`
}

func answer(w http.ResponseWriter, body reply, err error) {
	status := http.StatusOK
	if err != nil {
		status, body.Error = http.StatusBadGateway, err.Error()
	}
	encoded, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encoded) // the client is gone when this fails
}
