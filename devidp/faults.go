package devidp

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Faults makes a server misbehave on purpose, to see what the software under test does about it.
// The zero value is good behaviour.
type Faults struct {
	// Endpoints limits Delay, Down, HTML, Redirect and Endless to some endpoints. Empty means all
	// of them.
	Endpoints []Endpoint
	// Delay waits this long before each answer, or until the client gives up.
	Delay time.Duration
	// Down answers 503 with Retry-After.
	Down bool
	// HTML answers 200 with a web page, as captive portals and misconfigured proxies do.
	HTML bool
	// Redirect answers 302 to this URL.
	Redirect string
	// Endless answers 200 with JSON white space until the client gives up, or 100 MB.
	Endless bool

	// ErrorsAsSuccess answers errors with status 200, as GitHub's token endpoint does.
	ErrorsAsSuccess bool
	// OmitAlg leaves alg out of the keys of the JWKS, as Entra ID does.
	OmitAlg bool
	// OmitKeyID leaves kid out of the keys of the JWKS.
	OmitKeyID bool
	// MalformedKey puts a key that no library can read into the JWKS, before the good ones.
	MalformedKey bool
	// MetadataIssuer, when not empty, stands in the metadata in place of the issuer.
	MetadataIssuer string
	// RefuseResource answers invalid_target to every resource parameter (RFC 8707 section 2).
	RefuseResource bool
	// IgnoreResource issues tokens for the default audience whatever resource was asked.
	IgnoreResource bool
	// KeepRefreshToken answers a refresh without a new refresh token and lets the old one live on,
	// as Google does.
	KeepRefreshToken bool
	// OmitResponseIssuer leaves iss out of authorization responses (RFC 9207), though the metadata
	// announces it.
	OmitResponseIssuer bool
	// WrongResponseIssuer puts another issuer into authorization responses, as in a mix-up attack.
	WrongResponseIssuer bool
}

// SetFaults replaces all faults: SetFaults(Faults{}) is good behaviour again. It takes effect with
// the next request.
func (s *Server) SetFaults(f Faults) {
	f.Endpoints = slices.Clone(f.Endpoints)
	s.faults.Store(&f)
}

// NamedFaults returns the faults with the given names, for test tables and command lines. The names
// are those of the fields that are on or off, with hyphens: "down", "omit-key-id". An unknown name
// is an error that lists all of them.
func NamedFaults(names ...string) (Faults, error) {
	var f Faults
	switches := map[string]*bool{
		"down": &f.Down, "html": &f.HTML, "endless": &f.Endless, "errors-as-success": &f.ErrorsAsSuccess,
		"omit-alg": &f.OmitAlg, "omit-key-id": &f.OmitKeyID, "malformed-key": &f.MalformedKey,
		"refuse-resource": &f.RefuseResource, "ignore-resource": &f.IgnoreResource, "keep-refresh-token": &f.KeepRefreshToken,
		"omit-response-issuer": &f.OmitResponseIssuer, "wrong-response-issuer": &f.WrongResponseIssuer,
	}
	for _, name := range names {
		fault, ok := switches[name]
		if !ok {
			known := strings.Join(slices.Sorted(maps.Keys(switches)), ", ")
			return Faults{}, fmt.Errorf("devidp: there is no fault %q, only %s", name, known)
		}
		*fault = true
	}
	return f, nil
}

// endlessBytes is where Endless ends all the same.
const endlessBytes = 100 << 20

// misbehave plays the faults that replace a whole answer, and reports whether it gave one.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, endpoint Endpoint) bool {
	f := s.faults.Load()
	if len(f.Endpoints) > 0 && !slices.Contains(f.Endpoints, endpoint) {
		return false
	}
	if f.Delay > 0 && !s.wait(r, f.Delay) {
		return true
	}
	switch {
	case f.Down:
		s.refuse(w, r, oauth.Unavailable(time.Second, nil))
	case f.HTML:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<!doctype html><title>Sign in to the network</title><p>Please accept the terms of use.")
	case f.Redirect != "":
		http.Redirect(w, r, f.Redirect, http.StatusFound)
	case f.Endless:
		w.Header().Set("Content-Type", "application/json")
		blank := bytes.Repeat([]byte{' '}, 64<<10)
		for sent := 0; sent < endlessBytes; sent += len(blank) {
			if _, err := w.Write(blank); err != nil {
				return true
			}
		}
	default:
		return false
	}
	return true
}

// wait returns false when the client gave up or the server stops.
func (s *Server) wait(r *http.Request, delay time.Duration) bool {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	case <-s.stopping:
		return false
	}
}
