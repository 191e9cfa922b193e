package runtime

import (
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// UserInfoConfig says how [UserInfoVerifier] checks tokens.
type UserInfoConfig struct {
	// URL is the userinfo endpoint (OpenID Connect Core section 5.3), or the API call that says who
	// the caller is. Required.
	URL string
	// Issuer is the issuer of callers. Required.
	Issuer string
	// Header are further headers, such as a version of the provider's API.
	Header map[string]string
	// Claims says where the caller is in the answer. The default takes sub for the user.
	Claims facts.ClaimMap
	// InvalidStatus are the 4xx answers, besides 401, that mean that the token is no good.
	InvalidStatus []int
}

// UserInfoVerifier returns a verifier that asks who a token's user is, for the OAuth proxy with
// sealed tokens. Such an answer names no application, so the verifier accepts only tokens that this
// server itself got from the provider's token endpoint; a token that comes from outside is refused.
func UserInfoVerifier(config UserInfoConfig, opts ...Option) (oauth.TokenVerifier, error) {
	in := NewInputs("userInfoVerifier:", opts...)
	url := in.Endpoint(config.URL, Field{Name: "url", Required: true, Missing: "userInfoVerifier: url is required"})
	issuer := in.Identifier(config.Issuer, Field{Name: "issuer", Required: true, Missing: "userInfoVerifier: issuer is required"})
	if err := in.Err(); err != nil {
		return nil, err
	}
	if err := in.reach(); err != nil {
		return nil, err
	}
	o := in.options
	mapper, err := verify.NewMapper(config.Claims)
	if err != nil {
		return nil, err
	}
	return verify.NewUserInfo(verify.UserInfoConfig{
		OpaqueConfig: verify.OpaqueConfig{
			Provider: "userinfo", Title: "Userinfo verifier", Issuers: []string{issuer}, Mapper: mapper,
			Binding: facts.Binding{Exchange: true},
			Leeway:  o.leeway, Now: o.now, Events: o.events, Client: o.client, InsecureHTTPHosts: o.network.plainHTTP,
			Cache: answerCache(o.cache), Limits: o.inquiries.compiled(),
		},
		UserInfo: facts.UserInfo{Header: config.Header, InvalidStatus: config.InvalidStatus},
		URL:      url,
	})
}
