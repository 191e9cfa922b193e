package spec

// Rules returns the identifiers of all rules, sorted. They are stable: tools may switch on them.
func Rules() []string {
	return []string{
		"accept-reason", "accept-user", "algorithms-missing", "alias", "also-unused", "anchor", "application-unbound", "as-reference", "as-value",
		"audience-conflict", "audience-missing", "audience-optional", "auth-method-both", "auth-method-type",
		"auth-without-secret", "binding-conflict",
		"binding-missing", "binding-reason", "check-endpoint", "check-missing", "check-section", "claim-path",
		"client-id-optional", "client-id-type", "client-key", "code-protection-reason", "code-unprotected", "credentials-missing",
		"credentials-unused", "date", "default-many", "direct-only", "discover-both", "discover-documents", "docs-url", "duplicate-field", "duplicate-key",
		"empty", "empty-file", "empty-value", "encoding", "endpoint-missing", "endpoint-optional", "env-name",
		"env-taken", "error-code", "expiry-missing", "extra-go-name", "extra-repeated", "extra-shadowed",
		"field-both", "field-name", "field-value", "file-extension", "file-name", "file-size", "first-unreachable",
		"format-missing", "format-verifier", "function-field", "go-name", "go-name-taken", "group-required",
		"group-type", "header-name", "header-value", "hmac-secret", "id-token-fits", "id-token-unguarded", "identifier-form", "invalid-status", "invisible-character",
		"issuer-bound-reason", "issuer-bound-shared", "issuer-bound-unguarded", "issuer-optional", "jwks-missing",
		"key-kind", "list-both", "list-empty", "list-field-type", "list-without-each", "min-length-type",
		"missing-key", "missing-optional", "mode-discovered", "mode-type", "negative-number", "nesting", "no-token-type-unproved",
		"nonce-scope", "normalize-type",
		"not-a-mapping", "not-must", "not-type", "one-line", "opaque-only", "opaque-passthrough", "opaque-rules", "optional-in-template",
		"otherwise-unreachable", "package-name", "parameter", "parameter-unused", "parameters-type", "params-both", "pattern",
		"pattern-must", "pattern-type", "post-both", "profile-userinfo", "prompt-none", "proxy-only", "reason-unused", "reference-place",
		"reference-type", "refused-value", "reject-reason", "reject-user", "repeated-entry", "require-absent", "require-both",
		"required-default", "requirements-type", "reserved-name", "reserved-parameter", "resource-scope", "revocation-unused",
		"scheme", "scheme-unused", "scope",
		"scope-name-optional", "scopes-both", "second-document", "secret-algorithm", "secret-default",
		"secret-in-template", "secret-length", "secret-repeated", "secret-type", "slash-kept", "syntax", "tag",
		"template-length", "template-syntax", "tenants-field", "tenants-placeholder", "tenants-several",
		"test-config-missing", "test-config-type", "test-header", "test-name", "test-number", "test-profile",
		"test-user-key", "title-optional", "todo", "token-in-header", "token-in-path", "too-few", "type-header", "unknown-field", "unknown-key",
		"unknown-reference", "unknown-value", "unquoted", "unused-field", "unused-value", "unverified",
		"upstream-missing", "url-form", "url-start", "user-id-changes", "user-mapper-type", "userinfo-binding", "value-name-taken", "value-order",
		"verifier-optional", "verifier-rules", "verifier-type", "version", "wrong-kind",
	}
}
