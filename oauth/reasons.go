package oauth

// Reason says, for logs and metrics, why something was refused or failed. It never reaches a
// client. docs/observability.md has them all in a table.
type Reason string

// Requests to a protected resource.
const (
	// ReasonMissingCredentials is a request without a token: the first step of every client.
	ReasonMissingCredentials Reason = "missing_credentials"
	// ReasonMalformedHeader is an Authorization header that is not one well-formed bearer token.
	ReasonMalformedHeader Reason = "malformed_header"
	// ReasonAmbiguousPath is a path whose spelling routers take for different endpoints.
	ReasonAmbiguousPath Reason = "ambiguous_path"
	// ReasonMultipleCredentials is a request with more than one token, or with a client's
	// credentials in two places.
	ReasonMultipleCredentials Reason = "multiple_credentials"
	// ReasonTokenTooLarge is a token that is longer than the server looks at.
	ReasonTokenTooLarge Reason = "token_too_large"
	// ReasonNotAJWT is a token that has not the form of a signed JWT where the provider's access
	// tokens have it.
	ReasonNotAJWT Reason = "not_a_jwt"
	// ReasonMalformedToken is a token that cannot be read.
	ReasonMalformedToken Reason = "malformed_token"
	// ReasonAlgorithmNotAllowed is a token that is signed with an algorithm that the provider does
	// not use.
	ReasonAlgorithmNotAllowed Reason = "algorithm_not_allowed"
	// ReasonCriticalHeader is a token whose header demands extensions that are not understood (RFC
	// 7515 section 4.1.11).
	ReasonCriticalHeader Reason = "critical_header"
	// ReasonTokenType is a token of another type, such as an ID token or a refresh token.
	ReasonTokenType Reason = "token_type"
	// ReasonUnknownKey is a token that is signed or sealed with a key that is not known.
	ReasonUnknownKey Reason = "unknown_key"
	// ReasonBadSignature is a token whose signature or seal does not fit.
	ReasonBadSignature Reason = "bad_signature"
	// ReasonIssuer is a token of another issuer or tenant.
	ReasonIssuer Reason = "issuer"
	// ReasonAudience is a token that was issued for another server.
	ReasonAudience Reason = "audience"
	// ReasonExpired is a token whose time is over.
	ReasonExpired Reason = "expired"
	// ReasonNotYetValid is a token whose time has not come.
	ReasonNotYetValid Reason = "not_yet_valid"
	// ReasonInvalidTime is a token that does not say when it ends, or whose times cannot be.
	ReasonInvalidTime Reason = "invalid_time"
	// ReasonClaim is a token that lacks a claim, or whose claim has a value, that the provider's
	// rules refuse.
	ReasonClaim Reason = "claim"
	// ReasonSenderConstrained is a token that is bound to a key of its client, which this server
	// cannot check.
	ReasonSenderConstrained Reason = "sender_constrained"
	// ReasonInactive is a token of which the provider, or this server after a revocation, says that
	// it counts no more.
	ReasonInactive Reason = "inactive"
	// ReasonRefusedByVerifier is a token that the application's own verifier refused.
	ReasonRefusedByVerifier Reason = "refused_by_verifier"
	// ReasonProviderUnavailable is a provider that does not answer, or not with what can be used.
	ReasonProviderUnavailable Reason = "provider_unavailable"
	// ReasonInsufficientScope is a caller who lacks scopes or permissions that are needed.
	ReasonInsufficientScope Reason = "insufficient_scope"
	// ReasonForbidden is a caller who may not do something, and whom no further scope would help:
	// one who lacks a role, or whom the application's own rule refused.
	ReasonForbidden Reason = "forbidden"
	// ReasonVerifierFailed is an error while a request was authorized, of the application's own
	// verifier or mapper for the most part.
	ReasonVerifierFailed Reason = "verifier_failed"
	// ReasonForeignOrigin is a request that names another host, or that a page of an origin makes
	// that may not.
	ReasonForeignOrigin Reason = "foreign_origin"
	// ReasonConfigurationMissing is a token that could only be checked with a setting that is not
	// made.
	ReasonConfigurationMissing Reason = "configuration_missing"
	// ReasonOwnCredentials is a provider that refuses this server's own client credentials.
	ReasonOwnCredentials Reason = "own_credentials"
	// ReasonMissingGuard is a handler that needs a caller and runs without a guard around it.
	ReasonMissingGuard Reason = "missing_guard"
	// ReasonUnknownSession is a session's id that this server did not give out.
	ReasonUnknownSession Reason = "unknown_session"
	// ReasonForeignSession is a session that was used by another caller than the one who opened it.
	ReasonForeignSession Reason = "foreign_session"
)

// Requests to the authorization server of proxy mode, and to other endpoints.
const (
	// ReasonMethod is a request with a method that the endpoint does not have.
	ReasonMethod Reason = "method_not_allowed"
	// ReasonNotFound is a request for what there is not.
	ReasonNotFound Reason = "not_found"
	// ReasonContentType is a request whose body is of another type than the endpoint reads.
	ReasonContentType Reason = "content_type"
	// ReasonBodyTooLarge is a request whose body is larger than the endpoint reads.
	ReasonBodyTooLarge Reason = "body_too_large"
	// ReasonMalformedParameter is parameters that cannot be read.
	ReasonMalformedParameter Reason = "malformed_parameter"
	// ReasonRepeatedParameter is a parameter that was sent more than once.
	ReasonRepeatedParameter Reason = "repeated_parameter"
	// ReasonMissingParameter is a parameter that is needed and was not sent.
	ReasonMissingParameter Reason = "missing_parameter"
	// ReasonRateLimited is a client that asked more often than it may.
	ReasonRateLimited Reason = "rate_limited"
	// ReasonClientMetadata is a registration that cannot be accepted (RFC 7591 section 3.2.2).
	ReasonClientMetadata Reason = "client_metadata"
	// ReasonClientUnknown is a client_id that this server did not give out.
	ReasonClientUnknown Reason = "client_unknown"
	// ReasonClientAuthentication is a client that authenticates in another way than it may, or
	// wrongly.
	ReasonClientAuthentication Reason = "client_authentication"
	// ReasonClientDocument is a client metadata document that cannot be fetched or not be accepted.
	ReasonClientDocument Reason = "client_document"
	// ReasonDocumentPolicy is a client metadata document that does not count by the operator's
	// choice.
	ReasonDocumentPolicy Reason = "client_document_policy"
	// ReasonRedirectURI is a redirect URI that is not the client's.
	ReasonRedirectURI Reason = "redirect_uri"
	// ReasonResponseType is another response_type or response_mode than code and query.
	ReasonResponseType Reason = "response_type"
	// ReasonCodeChallenge is an authorization request without the PKCE challenge that is needed
	// (RFC 7636).
	ReasonCodeChallenge Reason = "code_challenge"
	// ReasonState is a state that is too long.
	ReasonState Reason = "state"
	// ReasonScope is scopes that cannot be asked for.
	ReasonScope Reason = "scope"
	// ReasonResource is a resource that is not this server (RFC 8707).
	ReasonResource Reason = "resource"
	// ReasonPrompt is a client that wants no page where the user has to be asked.
	ReasonPrompt Reason = "prompt"
	// ReasonRequestObject is an authorization request as an object, which is not supported (RFC
	// 9101).
	ReasonRequestObject Reason = "request_object"
	// ReasonForm is a page that is too old, or whose answer cannot be read.
	ReasonForm Reason = "form"
	// ReasonForeignForm is an answer that does not come from the page that asked, in the browser
	// that was asked.
	ReasonForeignForm Reason = "foreign_form"
	// ReasonConsentDenied is a user who did not allow the access.
	ReasonConsentDenied Reason = "consent_denied"
	// ReasonTransaction is an answer of the provider to a login that this browser did not start, or
	// that took too long.
	ReasonTransaction Reason = "transaction"
	// ReasonTransactionUsed is a second answer of the provider to one login.
	ReasonTransactionUsed Reason = "transaction_used"
	// ReasonUpstreamIssuer is an answer of another authorization server than the provider (RFC
	// 9207).
	ReasonUpstreamIssuer Reason = "upstream_issuer"
	// ReasonUpstreamError is an error that the provider answered to a login or a token request.
	ReasonUpstreamError Reason = "upstream_error"
	// ReasonUpstreamResponse is an answer of the provider that is none to what was asked.
	ReasonUpstreamResponse Reason = "upstream_response"
	// ReasonUpstreamUnavailable is a provider that could not be asked during a login, a refresh or
	// a revocation.
	ReasonUpstreamUnavailable Reason = "upstream_unavailable"
	// ReasonUpstreamToken is a token of the provider, fresh from its token endpoint, that this
	// server does not accept.
	ReasonUpstreamToken Reason = "upstream_token"
	// ReasonNonce is an ID token of the provider that is not of this login.
	ReasonNonce Reason = "nonce"
	// ReasonGrantType is a grant_type that the token endpoint does not have, or that the client may
	// not use.
	ReasonGrantType Reason = "grant_type"
	// ReasonCode is a code that this server did not give out, or whose time is over.
	ReasonCode Reason = "code"
	// ReasonCodeUsed is a code that came a second time.
	ReasonCodeUsed Reason = "code_used"
	// ReasonOtherClient is a code or token that was given to another client.
	ReasonOtherClient Reason = "other_client"
	// ReasonCodeVerifier is a code_verifier that does not fit the challenge of the authorization
	// request (RFC 7636).
	ReasonCodeVerifier Reason = "code_verifier"
	// ReasonRefreshToken is a refresh token that this server did not give out, or whose time is
	// over.
	ReasonRefreshToken Reason = "refresh_token"
	// ReasonRefreshTokenReused is a refresh token that was used before: two parties have it.
	ReasonRefreshTokenReused Reason = "refresh_token_reused"
	// ReasonRevoked is a refresh token of a login that was revoked.
	ReasonRevoked Reason = "revoked"
	// ReasonSubjectChanged is new tokens of the provider that are for another user than before.
	ReasonSubjectChanged Reason = "subject_changed"
	// ReasonAccessTokenTooLarge is an access token that would not fit into a request's header.
	ReasonAccessTokenTooLarge Reason = "access_token_too_large"
	// ReasonOpaqueToken is a token of the provider that cannot be passed through since it is no
	// JWT.
	ReasonOpaqueToken Reason = "opaque_token" //nolint:gosec // a word
	// ReasonRelayTarget is a URL that the browser relay does not send requests to.
	ReasonRelayTarget Reason = "relay_target"
)

// The server itself.
const (
	// ReasonStoreUnavailable is a store that cannot be reached, so that nobody knows what was used
	// or revoked.
	ReasonStoreUnavailable Reason = "store_unavailable"
	// ReasonStoreFull is a store that drops what it should keep.
	ReasonStoreFull Reason = "store_full"
	// ReasonNotRecorded is a decision that an observer did not agree to, since it could not be
	// recorded.
	ReasonNotRecorded Reason = "not_recorded"
	// ReasonPage is a page that cannot be rendered.
	ReasonPage Reason = "page"
	// ReasonPanic is a handler that panicked.
	ReasonPanic Reason = "panic"
	// ReasonInsecureSetting is a setting that weakens security.
	ReasonInsecureSetting Reason = "insecure_setting"
)
