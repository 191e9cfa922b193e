package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"
)

// Peer is another library set up for the same job: key set over HTTP, kept; issuer, audience and times checked.
type Peer struct {
	Name   string
	Verify func() error
}

// Peers returns the verification of the same token by other libraries. Each reads at least the subject, as a server would.
func (v *Verification) Peers(ctx context.Context) ([]Peer, error) {
	golangJWT, err := v.golangJWT(ctx)
	if err != nil {
		return nil, fmt.Errorf("golang-jwt: %w", err)
	}
	jwx, err := v.jwx(ctx)
	if err != nil {
		return nil, fmt.Errorf("jwx: %w", err)
	}
	return []Peer{{"golang-jwt + keyfunc", golangJWT}, {"go-oidc", v.goOIDC(ctx)}, {"jwx jwt.Parse", jwx}}, nil
}

var errNoSubject = errors.New("no subject")

func (v *Verification) golangJWT(ctx context.Context) (func() error, error) {
	set, err := keyfunc.NewDefaultCtx(ctx, []string{v.JWKSURL})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{string(v.algorithm)}), jwt.WithIssuer(Issuer), jwt.WithAudience(Resource),
		jwt.WithExpirationRequired())
	return func() error {
		token, err := parser.Parse(v.Token, set.Keyfunc)
		if err != nil {
			return err
		}
		if subject, err := token.Claims.GetSubject(); err != nil || subject == "" {
			return errNoSubject
		}
		return nil
	}, nil
}

func (v *Verification) goOIDC(ctx context.Context) func() error {
	verifier := oidc.NewVerifier(Issuer, oidc.NewRemoteKeySet(ctx, v.JWKSURL), &oidc.Config{
		ClientID: Resource, SupportedSigningAlgs: []string{string(v.algorithm)},
	})
	return func() error {
		token, err := verifier.Verify(ctx, v.Token)
		if err == nil && token.Subject == "" {
			return errNoSubject
		}
		return err
	}
}

func (v *Verification) jwx(ctx context.Context) (func() error, error) {
	cache := jwk.NewCache(ctx)
	if err := cache.Register(v.JWKSURL); err != nil {
		return nil, err
	}
	set := jwk.NewCachedSet(cache, v.JWKSURL)
	return func() error {
		token, err := jwxjwt.ParseString(v.Token, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(Issuer), jwxjwt.WithAudience(Resource))
		if err == nil && token.Subject() == "" {
			return errNoSubject
		}
		return err
	}, nil
}
