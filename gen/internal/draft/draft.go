package draft

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Source says where a document is from.
type Source struct {
	// Name is the provider's short name.
	Name string
	// From is the address or file, for people.
	From string
	// On is the date: YYYY-MM-DD.
	On string
	// Forms are the well-known documents that the provider was seen to serve, best first; empty
	// when nobody looked.
	Forms []string
}

// Spec returns a spec with comments. It generates a package as it is; what needs a person's eyes is
// marked with TODO.
func Spec(d *Document, s Source) []byte {
	w := &writer{document: d, source: s}
	w.base()
	w.head()
	w.config()
	w.endpoints()
	if d.registersNobody() {
		w.upstream()
	} else {
		w.discovery()
	}
	w.tokens()
	w.claims()
	w.scopes()
	w.test()
	return []byte(w.String())
}

// writer puts a draft together.
type writer struct {
	strings.Builder

	document *Document
	source   Source
	// server is what the configuration field serverUrl stands for.
	server string
}

// linef writes one line.
func (w *writer) linef(format string, args ...any) {
	_, _ = w.WriteString(fmt.Sprintf(format, args...) + "\n")
}

// base chooses what is configured: the issuer without its slash when all of the issuer's host lies
// below it, else the host.
func (w *writer) base() {
	d := w.document
	w.server = strings.TrimRight(d.Issuer, "/")
	host := origin(d.Issuer)
	for _, address := range d.endpointURLs() {
		if address != "" && origin(address) == host && !below(address, w.server) {
			w.server = host
			return
		}
	}
}

// endpointURLs are the addresses that the document names.
func (d *Document) endpointURLs() []string {
	return []string{
		d.Authorization, d.Token, d.JWKS, d.Registration, d.UserInfo, d.Introspection, d.Revocation, d.EndSession,
	}
}

// below reports whether an address is the base or lies under it.
func below(address, base string) bool {
	rest, ok := strings.CutPrefix(address, base)
	return ok && (rest == "" || rest[0] == '/')
}

// template replaces the configured part of an address.
func (w *writer) template(address string) string {
	if below(address, w.server) {
		return "{serverUrl}" + strings.TrimPrefix(address, w.server)
	}
	return address
}

func (w *writer) head() {
	d, s := w.document, w.source
	w.linef("# yaml-language-server: $schema=schema.json")
	w.linef("#")
	w.linef("# Drafted from the discovery document of %s", comment(s.From))
	w.linef("# What is marked as to do is a fact that the document does not tell: look it up at the provider, then remove the mark.")
	w.linef("spec: 1")
	w.linef("name: %s", s.Name)
	w.linef("title: %s # TODO: the name as people write it", text(strings.ToUpper(s.Name[:1])+s.Name[1:]))
	if d.registersNobody() {
		w.linef("# The document announces neither Dynamic Client Registration nor Client ID Metadata Documents: MCP clients then register")
		w.linef("# at this server, and this server is the one application that the provider knows.")
		w.linef("mode: proxy # TODO: direct, if the provider registers MCP clients all the same")
	} else {
		w.linef("mode: direct")
	}
	w.linef("docs:")
	w.linef("  summary: %s # TODO: what this provider is", text(s.Name+" as the authorization server."))
	if validDocs(d.Documentation) {
		w.linef("  url: %s", text(d.Documentation))
	}
	w.linef("  setup:")
	switch {
	case d.Registration != "" && d.MetadataDocuments:
		w.linef("    - Allow clients to register themselves, by Client ID Metadata Documents or Dynamic Client Registration. # TODO: where")
	case d.MetadataDocuments:
		w.linef("    - Allow clients that name themselves by Client ID Metadata Documents. # TODO: where")
	case d.Registration != "":
		w.linef("    - Allow Dynamic Client Registration. # TODO: where")
	default:
		w.linef("    - %s # TODO: where", text("Register an application. Its redirect URI is the URL of your MCP endpoint with /oauth/callback behind it, "+
			"such as https://mcp.example.com/mcp/oauth/callback, exactly so."))
	}
	if d.registersNobody() {
		w.linef("    - Register this server as an API, and have access tokens of the application name it as their audience. # TODO: how")
	} else {
		w.linef("    - Have access tokens name this server as their audience. # TODO: how")
	}
	w.linef("  verified:")
	w.linef("    on: %s", s.On)
	w.linef("    sources: [discovery document]")
	w.linef("")
}

func validDocs(address string) bool {
	return checkURL("service_documentation", address) == nil && address != "" && !strings.ContainsAny(address, "'()[]")
}

func (w *writer) config() {
	variable := "MCP_USE_OAUTH_" + strings.ToUpper(w.source.Name)
	w.linef("config:")
	w.linef("  - name: serverUrl")
	w.linef("    type: url")
	w.linef("    required: true")
	w.linef("    env: %s_SERVER_URL", variable)
	w.linef("    example: %s", text(w.server))
	w.linef("    doc: Base URL of the provider.")
	w.linef("  - name: audience")
	w.linef("    type: string")
	if w.document.registersNobody() {
		w.proxyConfig(variable)
	} else {
		w.linef("    env: %s_AUDIENCE", variable)
		w.linef("    doc: Value that the token's aud must contain. Without one it is the server's resource URL.")
	}
	w.linef("")
	w.linef("# Compared byte for byte: a slash at the end counts.")
	w.linef("issuer: %s", text(w.template(w.document.Issuer)))
}

func (w *writer) endpoints() {
	d := w.document
	if w.server == origin(d.Issuer) && w.template(d.Issuer) != "{serverUrl}" && w.template(d.Issuer) != "{serverUrl}/" {
		w.linef("# TODO: what differs from customer to customer in these paths (a tenant, a realm) should be a config field of type segment.")
	}
	w.linef("endpoints:")
	for _, e := range []struct{ key, address string }{
		{"authorization", d.Authorization}, {"token", d.Token}, {"jwks", d.JWKS}, {"registration", d.Registration},
		{"userinfo", d.UserInfo}, {"introspection", d.Introspection}, {"revocation", d.Revocation},
		{"end_session", d.EndSession},
	} {
		if e.address == "" {
			continue
		}
		template, remark := w.template(e.address), ""
		if !strings.HasPrefix(template, "{") {
			remark = " # TODO: on another host than the issuer: is it the same for every customer?"
		}
		w.linef("  %s: %s%s", e.key, text(template), remark)
	}
}

func (w *writer) discovery() {
	if len(w.source.Forms) > 0 {
		w.linef("discovery: [%s]", strings.Join(w.source.Forms, ", "))
		return
	}
	form := "oauth"
	if len(w.document.SubjectTypes) > 0 || len(w.document.IDTokenAlgorithms) > 0 {
		form = "oidc"
	}
	w.linef("discovery: [%s] # TODO: which well-known documents it serves", form)
}

// asymmetric are the algorithms that a draft may list.
var asymmetric = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

func (w *writer) tokens() {
	algorithms, remark := keep(named(w.document.AccessTokenSignature), asymmetric), ""
	if len(algorithms) == 0 {
		algorithms = keep(named(w.document.IDTokenAlgorithms), asymmetric)
		remark = " # TODO: these are its ID tokens'; name those of its access tokens"
	}
	if len(algorithms) == 0 {
		algorithms, remark = []string{"RS256"}, " # TODO: those of its access tokens"
	}
	w.linef("")
	w.linef("tokens:")
	w.linef("  format: jwt # TODO: some providers issue opaque tokens unless the client asks for a resource")
	w.linef("  algorithms: [%s]%s", strings.Join(algorithms, ", "), remark)
	if i := w.document.AccessTokenIssuer; i != "" && i != w.document.Issuer {
		w.linef("  # What access tokens name (access_token_issuer) is another issuer than that of the metadata. It is only compared.")
		w.linef("  issuers: [%s]", text(w.template(i)))
	}
	w.linef("  audience:")
	w.linef("    is: %s", text("{audience}"))
	if w.document.registersNobody() {
		w.linef("  require:")
		w.linef("    # TODO: a token of another application for the same API must not do here. Which claim names the application?")
		w.linef("    - { claim: client_id, is: %s }", text("{clientId}"))
	} else {
		w.linef("    otherwise: resource")
	}
	w.linef("  # TODO: what tells an access token from the provider's ID and session tokens: a typ header (types) or a claim (require).")
	w.linef("  # types: [at+jwt]")
}

func (w *writer) claims() {
	w.linef("")
	w.linef("claims:")
	w.linef("  user_id: [sub]")
	for _, c := range []struct{ key, claim string }{
		{"email", "email"}, {"name", "name"}, {"username", "preferred_username"}, {"nickname", "nickname"}, {"picture", "picture"},
	} {
		if slices.Contains(w.document.Claims, c.claim) {
			w.linef("  %s: [%s]", c.key, c.claim)
		}
	}
	for _, claim := range []string{"roles", "permissions"} {
		if slices.Contains(w.document.Claims, claim) {
			w.linef("  %s: [%s]", claim, claim)
		}
	}
	extra := keep(w.document.Claims, []string{"acr", "amr", "auth_time", "email_verified", "family_name", "given_name", "groups", "org_id", "sid"})
	if len(extra) > 0 {
		w.linef("  extra: [%s]", strings.Join(extra, ", "))
	}
}

func (w *writer) scopes() {
	usual := keep([]string{"openid", "profile", "email", "offline_access"}, w.document.Scopes)
	if len(usual) > 0 {
		w.linef("scopes:")
		w.linef("  default: [%s]", strings.Join(usual, ", "))
	}
	grants := keep(w.document.Grants, []string{"authorization_code", "refresh_token", "client_credentials"})
	if !slices.Contains(grants, "authorization_code") {
		grants = append([]string{"authorization_code"}, grants...) // RFC 8414 section 2: the default
	}
	w.linef("grants: [%s]", strings.Join(grants, ", "))
}

func (w *writer) test() {
	w.linef("")
	w.linef("test:")
	client := "client-1"
	if w.document.registersNobody() {
		client = "mcp-server" // the example of clientId
		w.linef("  config:")
		w.linef("    clientSecret: test-secret-of-no-application-0123456789")
	}
	w.linef("  accept:")
	w.linef("    - name: a user's token # TODO: the claims of a real token, with made-up values")
	w.linef("      claims:")
	w.linef("        client_id: %s", client)
	w.linef("        scope: openid")
	w.linef("      user:")
	w.linef("        userId: user-1")
	w.linef("        scopes: [openid]")
}

// named gives algorithms the names that specs have for them: EdDSA stands for Ed25519 too (RFC 9864
// section 2.2).
func named(algorithms []string) []string {
	renamed := slices.Clone(algorithms)
	for i, a := range renamed {
		if a == "Ed25519" {
			renamed[i] = "EdDSA"
		}
	}
	return renamed
}

// keep returns the entries of a list that are allowed, once each.
func keep(list, allowed []string) []string {
	var kept []string
	for _, entry := range list {
		if slices.Contains(allowed, entry) && !slices.Contains(kept, entry) {
			kept = append(kept, entry)
		}
	}
	return kept
}

// text is a double-quoted YAML scalar: JSON's strings are such.
func text(s string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// comment is text that stays within a line.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
