package verify

import (
	"context"

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

// check is the last check of a token: that its claims name a user.
func (c *callers) check() check {
	return check{id: checkUser, needs: []string{checkContent}, values: c.values, run: func(_ context.Context, in *inspection) error {
		if in.audience == nil { // where it is not checked
			in.audience = in.claims.Strings("aud")
		}
		var err error
		in.caller, err = c.caller(in.verified, in.token, in.resource)
		return err
	}}
}

func (c *callers) values(in *inspection) (got, want []string) {
	if in.caller == nil {
		return []string{"none"}, []string{"any"}
	}
	return []string{in.caller.User.ID}, []string{"any"}
}

// caller refuses claims that name nobody.
func (c *callers) caller(v verified, token, resource string) (*oauth.AuthInfo, error) {
	info := &oauth.AuthInfo{
		Provider: c.provider, Issuer: v.issuer, Subject: v.claims.String("sub"), ClientID: c.mapper.ClientID(v.claims),
		Audience: v.audience, Resource: resource, ExpiresAt: v.expires,
		User: c.userInfo(v.claims), Claims: v.claims, AccessToken: oauth.Secret(token),
	}
	if info.User.ID == "" {
		return nil, refuse(oauth.ReasonClaim, "the token's claims do not say who the user is", "")
	}
	if c.mapper.hasRealms() {
		info.Subject = c.mapper.UserID(v.claims) // sub names several users
	} else if info.Subject == "" {
		info.Subject = info.User.ID
	}
	if info.Subject == "" {
		return nil, refuse(oauth.ReasonClaim, "the token's claims do not say in which realm the user is", "")
	}
	info.Scopes, info.Permissions = info.User.Scopes, info.User.Permissions
	if c.custom != nil {
		info.Scopes, info.Permissions = c.mapper.Scopes(v.claims), c.mapper.Permissions(v.claims)
	}
	return info, nil
}
