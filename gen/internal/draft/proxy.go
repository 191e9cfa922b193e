package draft

import (
	"slices"
	"strings"
)

// proxyConfig is the rest of the field audience, and the application that is registered at the
// provider.
func (w *writer) proxyConfig(variable string) {
	w.linef("    required: true")
	w.linef("    env: %s_AUDIENCE", variable)
	w.linef("    example: https://api.example.com")
	w.linef("    doc: Value that the token's aud must contain.")
	w.linef("  - name: clientId")
	w.linef("    type: string")
	w.linef("    required: true")
	w.linef("    env: %s_CLIENT_ID", variable)
	w.linef("    example: mcp-server")
	w.linef("    doc: Client ID of the application that is registered at the provider.")
	w.linef("  - name: clientSecret")
	w.linef("    type: secret")
	w.linef("    required: true")
	w.linef("    env: %s_CLIENT_SECRET", variable)
	w.linef("    doc: Its client secret.")
}

// upstream says how to talk to the provider as that application.
func (w *writer) upstream() {
	d := w.document
	w.linef("")
	w.linef("upstream:")
	w.linef("  client_id: clientId")
	w.linef("  client_secret: clientSecret")
	// RFC 8414 section 2: the default is client_secret_basic, as it is in specs.
	if slices.Contains(d.AuthMethods, "client_secret_post") && !slices.Contains(d.AuthMethods, "client_secret_basic") {
		w.linef("  auth_method: client_secret_post")
	}
	if !slices.Contains(d.ChallengeMethods, "S256") {
		w.linef("  # TODO: the document does not announce PKCE with S256. If the provider refuses it: code_protection: nonce.")
	}
	// Clients do not ask for offline_access, which is not about this server.
	if needed := keep([]string{"openid", "offline_access"}, d.Scopes); len(needed) > 0 {
		w.linef("  # What every login asks for: openid for the user, offline_access for a refresh token.")
		w.linef("  required_scopes: [%s]", strings.Join(needed, ", "))
	}
}
