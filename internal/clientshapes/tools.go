package clientshapes

// The tools that bring other clients to a server, or developers.

// mcpRemote tries its authorization request itself before it opens a browser, to learn whether its
// registration still counts.
func mcpRemote() Shape {
	return Shape{
		Name: "mcp-remote", Title: "mcp-remote", Version: "0.15.1", Revision: revision2025November,
		Sources: []Source{
			{
				[]Part{PartRegistration, PartRedirect, PartAuthorize}, Published,
				"https://github.com/geelen/mcp-remote (src/lib/node-oauth-client-provider.ts)",
			},
			{[]Part{PartToken, PartHeader}, Published, sdkSource},
		},
		Registration: `{
			"redirect_uris": ["http://localhost:{port}/oauth/callback"],
			"token_endpoint_auth_method": "none",
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"client_name": "MCP CLI Client",
			"client_uri": "https://github.com/modelcontextprotocol/mcp-cli",
			"software_id": "2e6dc280-f3c3-4e01-99a7-8181dbd1d23d",
			"software_version": "0.15.1",
			"scope": "openid email profile"
		}`,
		Redirects: []string{"http://localhost:{port}/oauth/callback"},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(), Headers: sdkHeaders(),
		AsksFirst: true,
	}
}

func inspector() Shape {
	return Shape{
		Name: "inspector", Title: "MCP Inspector", Revision: revision2025November,
		Sources: []Source{
			{
				[]Part{PartRegistration, PartRedirect}, Published,
				"https://github.com/modelcontextprotocol/inspector (client/src/lib/auth.ts)",
			},
			{[]Part{PartAuthorize, PartToken, PartHeader}, Published, sdkSource},
		},
		Registration: `{
			"redirect_uris": ["http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"],
			"token_endpoint_auth_method": "none",
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"client_name": "MCP Inspector",
			"client_uri": "https://github.com/modelcontextprotocol/inspector",
			"scope": "{scope}"
		}`,
		Redirects: []string{"http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(), Headers: sdkHeaders(),
	}
}
