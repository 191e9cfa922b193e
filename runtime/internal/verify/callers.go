package verify

import (
	"errors"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/facts"
)

// callers makes callers of verified claims.
type callers struct {
	provider string
	mapper   *Mapper
	custom   oauth.UserMapper
}

func newCallers(provider string, mapper *Mapper, custom oauth.UserMapper) (callers, error) {
	if mapper == nil {
		var err error
		if mapper, err = NewMapper(facts.ClaimMap{}); err != nil {
			return callers{}, err
		}
	}
	return callers{provider: provider, mapper: mapper, custom: custom}, nil
}

func (c *callers) userInfo(claims oauth.Claims) oauth.UserInfo {
	if c.custom != nil {
		return c.custom.UserInfo(claims)
	}
	return c.mapper.UserInfo(claims)
}

// caller refuses claims that name nobody.
func (c *callers) caller(v verified, token, resource string) (*oauth.AuthInfo, error) {
	info := &oauth.AuthInfo{
		Provider: c.provider, Issuer: v.issuer, Subject: v.claims.String("sub"), ClientID: c.mapper.ClientID(v.claims),
		Audience: v.audience, Resource: resource, ExpiresAt: v.expires,
		User: c.userInfo(v.claims), Claims: v.claims, AccessToken: oauth.Secret(token),
	}
	if info.User.ID == "" {
		return nil, oauth.InvalidToken(oauth.ReasonClaim, errors.New("the token's claims do not say who the user is"))
	}
	if info.Subject == "" {
		info.Subject = info.User.ID
	}
	info.Scopes, info.Permissions = info.User.Scopes, info.User.Permissions
	if c.custom != nil {
		info.Scopes, info.Permissions = c.mapper.Scopes(v.claims), c.mapper.Permissions(v.claims)
	}
	return info, nil
}
