package replica

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/gen/specfacts"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/providers_gen/all"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// elsewhere are the providers that a replica of their spec alone would show nothing of: the real
// thing runs, or there is no provider but what its discovery document says.
var elsewhere = []string{"betterauth", "keycloak", "oidc"}

// Generic are the providers whose replicas are made from their specs alone. Those without
// registration are left out: their clients come with metadata documents, which no client of the
// matrix has.
func Generic() []all.Provider {
	var list []all.Provider
	for _, p := range all.Providers() {
		known := slices.Contains(Names(), p.Name) || slices.Contains(elsewhere, p.Name)
		if p.New != nil && !known && (p.Mode == oauth.Proxy || p.Endpoints.Registration != "") {
			list = append(list, p)
		}
	}
	return list
}

// generic is a provider of which nothing is known but its spec. Its scopes are all that it is asked
// for, and every login brings a refresh token.
func generic(provider string) (kind, bool) {
	i := slices.IndexFunc(Generic(), func(p all.Provider) bool { return p.Name == provider })
	if i < 0 {
		return kind{}, false
	}
	k := kind{generic: true, anyScope: true, offline: func(*grant) bool { return true }}
	if Generic()[i].Mode == oauth.Direct {
		k.https = true
		k.at = (*Server).hostFields
		k.register = &registration{method: "client_secret_basic"}
		k.scripts = []string{"Authorization", "Content-Type", "MCP-Protocol-Version"}
	}
	return k, true
}

// hostFields are the fields of latchkey's configuration that may name the provider's place.
func (s *Server) hostFields() map[string]string {
	fields := map[string]string{}
	for _, field := range s.facts.Fields {
		switch field.Type {
		case "url":
			fields[field.Name] = s.origin
		case "host":
			fields[field.Name] = s.host()
		case "endpoint":
			if known := s.values[field.Name]; known != "" {
				fields[field.Name] = s.origin + pathOf(known)
			}
		}
	}
	return fields
}

// shortName is a scope as tokens name it where requests have the API's name before it.
func shortName(_ *Server, name string) string { return name[strings.LastIndexByte(name, '/')+1:] }

// ownDocuments are the places of the one document of a generic replica.
func (s *Server) ownDocuments() map[facts.Form]string {
	places := map[facts.Form]string{}
	if s.description.Mode == oauth.Direct {
		for _, word := range s.facts.Discovery {
			places[facts.Form(word)] = ""
		}
	}
	return places
}

// ownDocument is that document.
func (s *Server) ownDocument() map[string]any {
	at := s.description.Endpoints
	return map[string]any{
		"issuer": s.Issuer(), "authorization_endpoint": at.Authorization, "token_endpoint": at.Token, "jwks_uri": at.JWKS,
		"registration_endpoint": at.Registration, "response_types_supported": []string{"code"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
		"code_challenge_methods_supported":      []string{"S256"},
		"token_endpoint_auth_methods_supported": []string{"none", "client_secret_basic", "client_secret_post"},
		"subject_types_supported":               []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"},
	}
}

// answer is what a generic replica says of an opaque token, which is what the spec's generated test
// has the provider say.
func (s *Server) answer(token specfacts.Token) map[string]any {
	q, now := s.facts.Question, time.Now()
	own, _ := s.expand(token.Claims).(map[string]any)
	claims := map[string]any{}
	put := func(name string, value any) {
		path := splitPath(name)
		if _, named := own[path[0]]; !named {
			place(claims, path, value)
		}
	}
	if q.Check == "introspection" {
		put("active", true)
		if len(q.Expiry) == 0 {
			put("exp", now.Add(s.lifetime()).Unix())
		}
	}
	put(q.Subject, "user-1")
	for _, claim := range s.facts.ClientClaims {
		put(claim, s.values[s.facts.ClientID])
	}
	for claim, format := range q.Expiry {
		put(claim, expiry(format, now, s.lifetime()))
	}
	if q.Audience {
		put(s.facts.AudienceClaim, s.audience())
	}
	for name, value := range own {
		claims[name] = s.since(name, value, now)
	}
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == nil })
	return claims
}

func expiry(format string, now time.Time, in time.Duration) any {
	switch format {
	case "seconds":
		return now.Add(in).Unix()
	case "seconds_or_milliseconds":
		return now.Add(in).UnixMilli()
	case "seconds_from_now":
		return int64(in / time.Second)
	}
	return now.Add(in).Format(time.RFC3339)
}

// profile is the user of an opaque token at the userinfo endpoint of a generic replica.
func (s *Server) profile(claims map[string]any, given map[string]any) map[string]any {
	q := s.facts.Question
	if q.Check == "userinfo" {
		return claims
	}
	profile := map[string]any{}
	if q.Profile != "" {
		place(profile, splitPath(q.Profile), find(claims, splitPath(q.Subject)))
	}
	own, _ := s.expand(given).(map[string]any)
	maps.Copy(profile, own)
	return profile
}

// tokenOf is the token about which a request to a generic replica asks.
func (s *Server) tokenOf(r *http.Request) string {
	switch s.facts.Question.Place {
	case "form":
		return r.FormValue(s.facts.Question.Parameter)
	case "json":
		var body map[string]string
		_ = json.NewDecoder(r.Body).Decode(&body) // what cannot be read has no token
		return body[s.facts.Question.Parameter]
	case "path":
		return r.PathValue("token")
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if want := s.facts.Question.Scheme; want != "" && scheme != want {
		return ""
	}
	return token
}

// serveQuestion is a generic replica's endpoint about opaque tokens.
func (s *Server) serveQuestion(w http.ResponseWriter, r *http.Request) {
	token, found := s.known(s.tokenOf(r))
	switch {
	case found:
		writeJSON(w, http.StatusOK, token.claims)
	case s.facts.Question.Check == "introspection":
		writeJSON(w, http.StatusOK, map[string]any{"active": false})
	default:
		s.refuse(w, r, &failure{http.StatusUnauthorized, "invalid_token", "unknown access token"})
	}
}

// serveProfile is a generic replica's userinfo endpoint, where it is not the one about tokens.
func (s *Server) serveProfile(w http.ResponseWriter, r *http.Request) {
	_, asked, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token, found := s.known(asked)
	if !found {
		s.refuse(w, r, &failure{http.StatusUnauthorized, "invalid_token", "unknown access token"})
		return
	}
	writeJSON(w, http.StatusOK, token.profile)
}

// splitPath are the names of a claim's path in the language of specs.
func splitPath(claim string) []string {
	const dot = "\x00"
	names := strings.Split(strings.ReplaceAll(claim, `\.`, dot), ".")
	for i := range names {
		names[i] = strings.ReplaceAll(names[i], dot, ".")
	}
	return names
}

// place puts a value into nested objects of its own.
func place(object map[string]any, path []string, value any) {
	if len(path) > 1 {
		inner, _ := object[path[0]].(map[string]any)
		if inner == nil {
			inner = map[string]any{}
		}
		place(inner, path[1:], value)
		value = inner
	}
	object[path[0]] = value
}

// find returns a value in nested objects.
func find(object map[string]any, path []string) any {
	value := object[path[0]]
	if inner, ok := value.(map[string]any); ok && len(path) > 1 {
		return find(inner, path[1:])
	}
	return value
}
