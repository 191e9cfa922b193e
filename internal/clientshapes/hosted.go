package clientshapes

// The clients that run at their makers, or at an operator's, and are sent back to by https.

func chatGPT() Shape {
	return Shape{
		Name: "chatgpt", Title: "ChatGPT", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartDocument, PartRedirect}, Reported, "https://github.com/django-oauth/django-oauth-toolkit/issues/1845"},
			{[]Part{PartRegistration}, Reported, "https://github.com/danielealbano/android-remote-control-mcp/pull/166"},
			{[]Part{PartAuthorize, PartToken}, Published, "https://developers.openai.com/apps-sdk/build/auth"},
		},
		DocumentURL: "https://chatgpt.com/oauth/client.json",
		Document: `{
			"client_id": "https://chatgpt.com/oauth/client.json",
			"client_uri": "https://chatgpt.com/",
			"redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
			"token_endpoint_auth_method": "private_key_jwt",
			"token_endpoint_auth_methods_supported": ["none", "private_key_jwt"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"client_name": "ChatGPT",
			"logo_uri": "https://persistent.oaistatic.com/sonic/misc/openai-logo.png",
			"token_endpoint_auth_signing_alg": "RS256",
			"jwks_uri": "https://chatgpt.com/oauth/jwks.json"
		}`,
		Signs: "RS256",
		Registration: `{
			"client_name": "ChatGPT",
			"redirect_uris": ["https://chatgpt.com/connector_platform_oauth_redirect"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		Redirects: []string{"https://chatgpt.com/connector_platform_oauth_redirect"},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(),
	}
}

// chatGPTConnector is ChatGPT with a document and a redirect URI for each connector, which it uses
// where a server does not announce iss in its answers. Its document leaves no choice of client
// authentication.
func chatGPTConnector() Shape {
	return Shape{
		Name: "chatgpt-connector", Title: "ChatGPT, a document per connector", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartDocument, PartRedirect}, Reported, "https://github.com/Altinity/altinity-mcp/issues/118"},
			{[]Part{PartRegistration}, Reported, "https://github.com/makeplane/plane-mcp-server/pull/165"},
			{[]Part{PartAuthorize, PartToken}, Published, "https://developers.openai.com/apps-sdk/build/auth"},
		},
		DocumentURL: "https://chatgpt.com/oauth/kDmjx77UnKOM/client.json",
		Document: `{
			"client_id": "https://chatgpt.com/oauth/kDmjx77UnKOM/client.json",
			"client_uri": "https://chatgpt.com/",
			"redirect_uris": ["https://chatgpt.com/connector/oauth/kDmjx77UnKOM"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"client_name": "ChatGPT",
			"token_endpoint_auth_method": "private_key_jwt",
			"token_endpoint_auth_signing_alg": "RS256",
			"jwks_uri": "https://chatgpt.com/oauth/jwks.json"
		}`,
		Signs: "RS256",
		Registration: `{
			"client_name": "ChatGPT",
			"redirect_uris": ["https://chatgpt.com/connector/oauth/kDmjx77UnKOM"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		Redirects: []string{"https://chatgpt.com/connector/oauth/kDmjx77UnKOM"},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(),
	}
}

func claude() Shape {
	return Shape{
		Name: "claude", Title: "Claude on the web and Claude Desktop", Revision: revision2025November,
		Sources: []Source{
			{[]Part{PartDocument, PartRedirect}, Reported, "https://github.com/brendanlong/lion-reader/pull/1519"},
			{[]Part{PartRegistration}, Reported, "https://github.com/anthropics/claude-ai-mcp/issues/1043"},
			{[]Part{PartAuthorize, PartToken}, Reported, "https://github.com/anthropics/claude-ai-mcp/issues/96"},
			{[]Part{PartHeader}, Reported, "https://github.com/anthropics/claude-ai-mcp/issues/764"},
		},
		DocumentURL: "https://claude.ai/oauth/mcp-oauth-client-metadata",
		Document: `{
			"client_id": "https://claude.ai/oauth/mcp-oauth-client-metadata",
			"client_name": "Claude",
			"client_uri": "https://claude.ai",
			"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		NeedsNone: true,
		Registration: `{
			"client_name": "Claude",
			"redirect_uris": ["https://claude.ai/api/mcp/auth_callback"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "client_secret_post"
		}`,
		Redirects: []string{"https://claude.ai/api/mcp/auth_callback"},
		Authorize: []Param{
			{"response_type", "code"}, {"client_id", "{client_id}"}, {"redirect_uri", "{redirect_uri}"},
			{"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"}, {"state", "{state}"},
			{"scope", "{scope} offline_access"}, {"resource", "{resource}"}, {"prompt", "consent"},
		},
		Token: sdkToken(), Refresh: sdkRefresh(),
		Headers: []Header{{"Accept", "*/*"}, {"User-Agent", "python-httpx/0.28.1"}, {"MCP-Protocol-Version", revision2025November}},
	}
}

func copilotStudio() Shape {
	const redirect = "https://global.consent.azure-apim.net/redirect/cr938-5fexample-20mcp-5f43bcb8573bc3e84"
	return Shape{
		Name: "copilot-studio", Title: "Microsoft Copilot Studio", Revision: revision2025June,
		Sources: []Source{
			{[]Part{PartRedirect}, Reported, "https://github.com/SmartBear/smartbear-mcp/issues/463"},
			{
				[]Part{PartRegistration, PartAuthorize, PartToken}, Reported,
				"https://github.com/microsoft/PowerPlatformConnectors/issues/4214",
			},
		},
		Registration: `{
			"client_name": "Microsoft Copilot Studio",
			"redirect_uris": ["` + redirect + `"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none"
		}`,
		Redirects: []string{redirect},
		Authorize: sdkAuthorize(), Token: sdkToken(), Refresh: sdkRefresh(),
	}
}

// libreChat repeats the scope of its registration in each refresh, whatever was granted.
func libreChat() Shape {
	const redirect = "https://chat.example.com/api/mcp/example/oauth/callback"
	return Shape{
		Name: "librechat", Title: "LibreChat", Revision: revision2025June,
		Sources: []Source{
			{
				[]Part{PartRegistration, PartRedirect, PartAuthorize, PartToken, PartHeader}, Published,
				"https://github.com/danny-avila/LibreChat (packages/api/src/mcp/oauth/handler.ts)",
			},
			{[]Part{PartToken}, Reported, "https://github.com/danny-avila/LibreChat/issues/7924"},
		},
		Registration: `{
			"client_name": "LibreChat MCP Client",
			"redirect_uris": ["` + redirect + `"],
			"grant_types": ["authorization_code", "refresh_token"],
			"response_types": ["code"],
			"token_endpoint_auth_method": "none",
			"scope": "openid profile email offline_access made:up"
		}`,
		Redirects: []string{redirect},
		Authorize: []Param{
			{"response_type", "code"}, {"client_id", "{client_id}"}, {"code_challenge", "{code_challenge}"}, {"code_challenge_method", "S256"},
			{"redirect_uri", "{redirect_uri}"}, {"scope", "{scope} offline_access made:up"}, {"state", "{state}"}, {"resource", "{resource}"},
			{"prompt", "consent"},
		},
		Token: sdkToken(),
		Refresh: []Param{
			{"grant_type", "refresh_token"}, {"refresh_token", "{refresh_token}"}, {"scope", "{registered_scope}"}, {"client_id", "{client_id}"},
		},
		Headers: sdkHeaders(),
	}
}
