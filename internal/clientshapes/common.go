package clientshapes

// occasion is when clients were looked at with latchkey in front of them.
const occasion = "at a latchkey server, 2026-11-28"

// The revisions of MCP.
const (
	revision2025June     = "2025-06-18"
	revision2025November = "2025-11-25"
)

// sdkSource is where the official TypeScript SDK makes its requests.
const sdkSource = "https://github.com/modelcontextprotocol/typescript-sdk (packages/client, auth)"

// sdkAuthorize is the authorization request of the official TypeScript SDK. further are what a
// client adds.
func sdkAuthorize(further ...Param) []Param {
	return append([]Param{
		{"response_type", "code"}, {"client_id", "{client_id}"}, {"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"},
		{"redirect_uri", "{redirect_uri}"}, {"state", "{state}"}, {"scope", "{scope}"}, {"resource", "{resource}"},
	}, further...)
}

// sdkToken redeems a code as the official SDKs do.
func sdkToken() []Param {
	return []Param{
		{"grant_type", "authorization_code"}, {"code", "{code}"}, {"code_verifier", "{code_verifier}"}, {"redirect_uri", "{redirect_uri}"},
		{"client_id", "{client_id}"}, {"resource", "{resource}"},
	}
}

// sdkRefresh refreshes as the official SDKs do.
func sdkRefresh() []Param {
	return []Param{
		{"grant_type", "refresh_token"}, {"refresh_token", "{refresh_token}"}, {"client_id", "{client_id}"}, {"resource", "{resource}"},
	}
}

// sdkHeaders are what the official TypeScript SDK sends to an authorization server.
func sdkHeaders() []Header {
	return []Header{{"Accept", "application/json"}}
}
