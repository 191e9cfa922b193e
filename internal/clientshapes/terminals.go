package clientshapes

// The clients in a terminal.

func claudeCode() Shape {
	return Shape{
		Name: "claude-code", Title: "Claude Code", Version: "2.1.332", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartDocument}, Published, "https://github.com/anthropics/claude-code/issues/41011"},
			{[]Part{PartRegistration, PartRedirect, PartAuthorize}, Seen, occasion},
			{[]Part{PartToken, PartHeader}, Published, sdkSource},
		},
		DocumentURL: "https://claude.ai/oauth/claude-code-client-metadata",
		Document: `{
			"client_id": "https://claude.ai/oauth/claude-code-client-metadata",
			"client_name": "Claude Code",
			"client_uri": "https://claude.ai",
			"redirect_uris": ["http://localhost/callback", "http://127.0.0.1/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		Registration: `{
			"client_name": "Claude Code (example)",
			"redirect_uris": ["http://localhost:{port}/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none",
			"application_type": "native"
		}`,
		Redirects: []string{"http://localhost:{port}/callback"},
		Authorize: []Param{
			{"response_type", "code"}, {"client_id", "{client_id}"}, {"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"},
			{"redirect_uri", "{redirect_uri}"}, {"state", "{state}"}, {"scope", "{scope} offline_access"}, {"prompt", "consent"},
			{"resource", "{resource}"},
		},
		Token: sdkToken(), Refresh: sdkRefresh(), Headers: sdkHeaders(),
	}
}

// codex names the resource twice in its authorization request.
func codex() Shape {
	return Shape{
		Name: "codex", Title: "Codex", Version: "0.171.0", Revision: revision2025June,
		Sources: []Source{
			{[]Part{PartDocument, PartRegistration, PartRedirect}, Seen, occasion},
			{[]Part{PartAuthorize, PartToken}, Reported, "https://github.com/openai/codex/issues/34467"},
		},
		DocumentURL: "https://chatgpt.com/oauth/codex/client.json",
		Document: `{
			"client_id": "https://chatgpt.com/oauth/codex/client.json",
			"client_name": "Codex",
			"client_uri": "https://chatgpt.com/codex",
			"redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		NeedsNone: true,
		Registration: `{
			"client_name": "Codex",
			"redirect_uris": ["http://127.0.0.1:{port}/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"token_endpoint_auth_method": "none",
			"response_types": ["code"],
			"application_type": "native"
		}`,
		Redirects: []string{"http://127.0.0.1:{port}/callback"},
		Authorize: sdkAuthorize(Param{"resource", "{resource}"}), Token: sdkToken(), Refresh: sdkRefresh(),
	}
}

// codexPerServer is Codex with a document for each MCP server, named after a digest of the server's
// URL. The digest is the end of its callback's path too.
func codexPerServer() Shape {
	shape := codex()
	shape.Name, shape.Title = "codex-per-server", "Codex, a document per server"
	shape.Sources = []Source{
		{[]Part{PartDocument, PartRedirect}, Reported, "https://github.com/speakeasy-api/gram/pull/5516"},
		{[]Part{PartRegistration}, Reported, "https://github.com/openai/codex/issues/30460"},
		{[]Part{PartAuthorize, PartToken}, Reported, "https://github.com/openai/codex/issues/34467"},
	}
	shape.DocumentURL = "https://chatgpt.com/oauth/codex/6MFBM1In3Ey-/client.json"
	shape.Document = `{
			"client_id": "https://chatgpt.com/oauth/codex/6MFBM1In3Ey-/client.json",
			"client_name": "Codex",
			"client_uri": "https://chatgpt.com/codex",
			"redirect_uris": ["http://127.0.0.1/callback/6MFBM1In3Ey-", "http://localhost/callback/6MFBM1In3Ey-"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`
	shape.Registration = `{
			"client_name": "Codex",
			"redirect_uris": ["http://127.0.0.1:{port}/callback/6MFBM1In3Ey-"],
			"grant_types": ["authorization_code", "refresh_token"],
			"token_endpoint_auth_method": "none",
			"response_types": ["code"]
		}`
	shape.Redirects = []string{"http://127.0.0.1:{port}/callback/6MFBM1In3Ey-"}
	return shape
}

// geminiCLI asks for the scopes of its settings alone.
func geminiCLI() Shape {
	const scope = "{scope}"
	return Shape{
		Name: "gemini-cli", Title: "Gemini CLI", Revision: revision2025June,
		Sources: []Source{{
			[]Part{PartRegistration, PartRedirect, PartAuthorize, PartToken, PartHeader}, Published,
			"https://github.com/google-gemini/gemini-cli (packages/core/src/mcp/oauth-provider.ts)",
		}},
		Registration: `{
			"client_name": "Gemini CLI MCP Client",
			"redirect_uris": ["http://localhost:7777/oauth/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none",
			"scope": ""
		}`,
		Redirects: []string{"http://localhost:7777/oauth/callback"},
		Authorize: []Param{
			{"client_id", "{client_id}"}, {"response_type", "code"}, {"redirect_uri", "{redirect_uri}"}, {"state", "{state}"},
			{"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"}, {"scope", scope}, {"resource", "{resource}"},
		},
		Token: []Param{
			{"grant_type", "authorization_code"}, {"code", "{code}"}, {"redirect_uri", "{redirect_uri}"}, {"code_verifier", "{code_verifier}"},
			{"client_id", "{client_id}"}, {"resource", "{resource}"},
		},
		Refresh: []Param{
			{"grant_type", "refresh_token"}, {"refresh_token", "{refresh_token}"}, {"client_id", "{client_id}"}, {"scope", scope},
			{"resource", "{resource}"},
		},
		ScopesByHand: true,
		Headers:      []Header{{"Accept", "application/json, application/x-www-form-urlencoded"}},
	}
}

func mcporter() Shape {
	return Shape{
		Name: "mcporter", Title: "mcporter", Version: "0.12.3", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartRegistration, PartRedirect}, Seen, occasion},
			{[]Part{PartAuthorize, PartToken, PartHeader}, Published, sdkSource},
		},
		Registration: `{
			"client_name": "mcporter (example)",
			"redirect_uris": ["http://127.0.0.1:{port}/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none",
			"scope": "{scope}"
		}`,
		Redirects: []string{"http://127.0.0.1:{port}/callback"},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(), Headers: sdkHeaders(),
	}
}

// mcpc sends no state.
func mcpc() Shape {
	shape := Shape{
		Name: "mcpc", Title: "mcpc", Version: "0.2.6", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartRegistration, PartRedirect, PartAuthorize}, Seen, occasion},
			{[]Part{PartToken, PartHeader}, Published, sdkSource},
		},
		Registration: `{
			"redirect_uris": ["http://localhost:8000/callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none",
			"client_name": "mcpc",
			"client_uri": "https://github.com/apify/mcpc",
			"scope": "{scope}"
		}`,
		Redirects: []string{"http://localhost:8000/callback"},
		Authorize: []Param{
			{"response_type", "code"}, {"client_id", "{client_id}"}, {"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"},
			{"redirect_uri", "{redirect_uri}"}, {"scope", "{scope}"}, {"resource", "{resource}"},
		},
		Token: sdkToken(), Refresh: sdkRefresh(), Headers: sdkHeaders(),
	}
	return shape
}

func openCode() Shape {
	const redirect = "http://127.0.0.1:19876/mcp/oauth/callback"
	return Shape{
		Name: "opencode", Title: "opencode", Version: "1.18.33", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartRegistration, PartRedirect}, Seen, occasion},
			{[]Part{PartAuthorize, PartToken, PartHeader}, Published, sdkSource},
		},
		Registration: `{
			"redirect_uris": ["` + redirect + `"],
			"client_name": "OpenCode",
			"client_uri": "https://opencode.ai",
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none",
			"scope": "{scope}"
		}`,
		Redirects: []string{redirect},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(), Headers: sdkHeaders(),
	}
}
