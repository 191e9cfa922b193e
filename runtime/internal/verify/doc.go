// Package verify decides whether an access token is one for this server, and says who its caller
// is.
//
// [JWT] checks signed JWTs by [facts.Rules]; [Opaque] asks the provider about tokens that only the
// provider can read; [Custom] lets a function of the operator check tokens and checks what it
// returns. [Mapper] reads the caller from verified claims. Every refusal is an [oauth.Error] whose
// reason and cause are for the log and whose description, the same for all refusals, is for the
// client.
package verify
