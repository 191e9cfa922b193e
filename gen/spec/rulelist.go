package spec

// Rules returns the identifiers of all rules, sorted. They are stable: tools may switch on them.
func Rules() []string {
	return []string{
		"accept-reason", "accept-user", "algorithms-missing", "alias", "anchor", "as-reference", "as-value",
		"audience-conflict", "audience-missing", "audience-optional", "claim-path", "date", "default-many",
		"docs-url", "duplicate-field", "duplicate-key", "each-without-list", "empty", "empty-file", "empty-value",
		"encoding", "endpoint-optional", "env-name", "env-taken", "extra-go-name", "extra-repeated",
		"extra-shadowed", "field-name", "field-value", "file-extension", "file-name", "file-size",
		"first-unreachable", "format-missing", "format-verifier", "function-field", "go-name", "go-name-taken",
		"group-required", "group-type", "hmac-secret", "invisible-character", "issuer-bound-reason",
		"issuer-bound-unguarded", "issuer-optional", "issuers-incomplete", "jwks-missing", "key-kind", "list-both",
		"list-empty", "list-field-type", "list-without-each", "min-length-type", "missing-key", "missing-optional",
		"negative-number", "nesting", "normalize-type", "not-a-mapping", "one-line", "optional-in-template",
		"otherwise-unreachable", "package-name", "reason-unused", "reference-place", "reference-type",
		"refused-value", "reject-reason", "reject-user", "repeated-entry", "required-default", "reserved-name",
		"scope", "scopes-both", "second-document", "secret-algorithm", "secret-default", "secret-in-template",
		"secret-length", "secret-repeated", "secret-type", "slash-kept", "syntax", "tag", "template-length",
		"template-syntax", "test-config-missing", "test-config-type", "test-name", "test-number", "test-user-key",
		"todo", "too-few", "type-header", "unknown-field", "unknown-key", "unknown-reference", "unknown-value",
		"unquoted", "unused-field", "unused-value", "unverified", "url-form", "url-start", "user-mapper-type",
		"value-name-taken", "value-order", "verifier-optional", "verifier-rules", "verifier-type", "version",
		"wrong-kind",
	}
}
