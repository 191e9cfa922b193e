package clientshapes

// The editors.

// cursor registers three redirect URIs at once. Which one it uses depends on where it runs.
func cursor() Shape {
	return Shape{
		Name: "cursor", Title: "Cursor", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartRegistration, PartRedirect}, Reported, "https://github.com/erp-mafia/accounted/pull/2225"},
			{[]Part{PartRegistration}, Reported, "https://github.com/soflyy/agent-connector-for-wp/issues/111"},
			{[]Part{PartAuthorize, PartToken, PartHeader}, Published, sdkSource},
		},
		Registration: `{
			"redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback",
				"https://www.cursor.com/agents/mcp/oauth/callback", "http://localhost:8787/callback"],
			"token_endpoint_auth_method": "none",
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"client_name": "Cursor"
		}`,
		Redirects: []string{
			"http://localhost:8787/callback", "https://www.cursor.com/agents/mcp/oauth/callback",
			"cursor://anysphere.cursor-mcp/oauth/callback",
		},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(), Headers: sdkHeaders(),
	}
}

func vsCode() Shape {
	return Shape{
		Name: "vscode", Title: "Visual Studio Code", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartRegistration}, Published, "https://github.com/microsoft/vscode (src/vs/base/common/oauth.ts)"},
			{[]Part{PartDocument}, Published, "https://github.com/microsoft/vscode/issues/298300"},
			{[]Part{PartRedirect}, Reported, "https://github.com/microsoft/vscode/issues/278512"},
			{[]Part{PartAuthorize, PartToken}, Reported, "https://github.com/microsoft/vscode/issues/252892"},
		},
		DocumentURL: "https://vscode.dev/oauth/client-metadata.json",
		Document: `{
			"client_id": "https://vscode.dev/oauth/client-metadata.json",
			"client_name": "Visual Studio Code",
			"client_uri": "https://vscode.dev/product",
			"application_type": "native",
			"redirect_uris": ["http://127.0.0.1:33418/", "https://vscode.dev/redirect"],
			"grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		Registration: `{
			"client_name": "Visual Studio Code",
			"client_uri": "https://code.visualstudio.com",
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"redirect_uris": ["https://insiders.vscode.dev/redirect", "https://vscode.dev/redirect", "http://127.0.0.1/",
				"http://127.0.0.1:33418/"],
			"token_endpoint_auth_method": "none",
			"application_type": "native"
		}`,
		Redirects: []string{"http://127.0.0.1:33418/", "http://127.0.0.1:{port}/", "https://vscode.dev/redirect"},
		Authorize: []Param{
			{"client_id", "{client_id}"}, {"response_type", "code"}, {"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"},
			{"scope", "{scope}"}, {"resource", "{resource}"}, {"redirect_uri", "{redirect_uri}"}, {"state", "{state}"},
		},
		Token: sdkToken(), Refresh: sdkRefresh(),
	}
}

func zed() Shape {
	return Shape{
		Name: "zed", Title: "Zed", Revision: revision2025November,
		Sources: []Source{
			{
				[]Part{PartDocument, PartRegistration, PartRedirect, PartAuthorize, PartToken}, Published,
				"https://github.com/zed-industries/zed (crates/context_server/src/oauth.rs)",
			},
		},
		DocumentURL: "https://zed.dev/oauth/client-metadata.json",
		Document: `{
			"client_id": "https://zed.dev/oauth/client-metadata.json",
			"client_name": "Zed",
			"client_uri": "https://zed.dev",
			"redirect_uris": ["http://127.0.0.1/callback"],
			"grant_types": ["authorization_code"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		Registration: `{
			"client_name": "Zed",
			"redirect_uris": ["http://127.0.0.1:{port}/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		Redirects: []string{"http://127.0.0.1:{port}/callback"},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(),
	}
}
