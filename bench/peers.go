package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/jwks"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
	"github.com/lestrrat-go/jwx/v2/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/modelcontextprotocol/go-sdk/auth"
)

// Peers are other libraries set up for the same job: the key set over HTTP, kept; issuer, audience
// and times checked; at least the subject read, as a server would.
type Peers struct {
	algorithm string
	jwksURL   string
}

// NewPeers returns the libraries for a key set and an algorithm.
func NewPeers(algorithm, jwksURL string) Peers { return Peers{algorithm: algorithm, jwksURL: jwksURL} }

var errNoSubject = errors.New("no subject")

// Verifier checks a token.
type Verifier func(token string) error

// GolangJWT is golang-jwt with keyfunc.
func (p Peers) GolangJWT(ctx context.Context) (Verifier, error) {
	parse, err := p.parser(ctx)
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		parsed, err := parse(token)
		if err != nil {
			return err
		}
		if subject, err := parsed.Claims.GetSubject(); err != nil || subject == "" {
			return errNoSubject
		}
		return nil
	}, nil
}

func (p Peers) parser(ctx context.Context) (func(token string) (*jwt.Token, error), error) {
	set, err := keyfunc.NewDefaultCtx(ctx, []string{p.jwksURL})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{p.algorithm}), jwt.WithIssuer(Issuer), jwt.WithAudience(Resource),
		jwt.WithExpirationRequired())
	return func(token string) (*jwt.Token, error) { return parser.Parse(token, set.Keyfunc) }, nil
}

// GoOIDC is coreos/go-oidc.
func (p Peers) GoOIDC(ctx context.Context) Verifier {
	verifier := p.oidcVerifier(ctx)
	return func(token string) error {
		parsed, err := verifier.Verify(ctx, token)
		if err == nil && parsed.Subject == "" {
			return errNoSubject
		}
		return err
	}
}

func (p Peers) oidcVerifier(ctx context.Context) *oidc.IDTokenVerifier {
	return oidc.NewVerifier(Issuer, oidc.NewRemoteKeySet(ctx, p.jwksURL), &oidc.Config{
		ClientID: Resource, SupportedSigningAlgs: []string{p.algorithm},
	})
}

// JWX is jwx's jwt.Parse with its key cache.
func (p Peers) JWX(ctx context.Context) (Verifier, error) {
	cache := jwk.NewCache(ctx)
	if err := cache.Register(p.jwksURL); err != nil {
		return nil, err
	}
	set := jwk.NewCachedSet(cache, p.jwksURL)
	return func(text string) error {
		token, err := jwxjwt.ParseString(text, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(Issuer), jwxjwt.WithAudience(Resource))
		if err == nil && token.Subject() == "" {
			return errNoSubject
		}
		return err
	}, nil
}

// Auth0 is auth0/go-jwt-middleware's validator.
func (p Peers) Auth0(ctx context.Context) (Verifier, error) {
	v, err := p.auth0Validator()
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		claims, err := v.ValidateToken(ctx, token)
		if err != nil {
			return err
		}
		if c, ok := claims.(*validator.ValidatedClaims); !ok || c.RegisteredClaims.Subject == "" {
			return errNoSubject
		}
		return nil
	}, nil
}

func (p Peers) auth0Validator() (*validator.Validator, error) {
	issuer, err := url.Parse(Issuer)
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(p.jwksURL)
	if err != nil {
		return nil, err
	}
	provider, err := jwks.NewCachingProvider(jwks.WithIssuerURL(issuer), jwks.WithCustomJWKSURI(address))
	if err != nil {
		return nil, err
	}
	return validator.New(
		validator.WithKeyFunc(provider.KeyFunc), validator.WithAlgorithm(validator.SignatureAlgorithm(p.algorithm)),
		validator.WithIssuer(Issuer), validator.WithAudience(Resource), validator.WithAllowedClockSkew(30*time.Second),
	)
}

// All returns every library's verification by name.
func (p Peers) All(ctx context.Context) (names []string, verifiers []Verifier, err error) {
	golangJWT, err := p.GolangJWT(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("golang-jwt: %w", err)
	}
	jwx, err := p.JWX(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("jwx: %w", err)
	}
	auth0, err := p.Auth0(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("go-jwt-middleware: %w", err)
	}
	return []string{"golang-jwt + keyfunc", "go-oidc", "jwx jwt.Parse", "auth0 go-jwt-middleware"},
		[]Verifier{golangJWT, p.GoOIDC(ctx), jwx, auth0}, nil
}

// EchoJWT is labstack/echo-jwt with golang-jwt and keyfunc, and reads the subject in the handler.
func (p Peers) EchoJWT(ctx context.Context) (Middleware, error) {
	parse, err := p.parser(ctx)
	if err != nil {
		return Middleware{}, err
	}
	return Middleware{
		Wrap: echojwt.WithConfig(echojwt.Config{
			ParseTokenFunc: func(_ echo.Context, token string) (any, error) { return parse(token) },
		}),
		Subject: func(c echo.Context) string {
			token, ok := c.Get("user").(*jwt.Token)
			if !ok {
				return ""
			}
			subject, _ := token.Claims.GetSubject()
			return subject
		},
	}, nil
}

// GoSDK is the official MCP SDK's RequireBearerToken with go-oidc.
func (p Peers) GoSDK(ctx context.Context) Middleware {
	verifier := p.oidcVerifier(ctx)
	guard := auth.RequireBearerToken(func(ctx context.Context, token string, _ *http.Request) (*auth.TokenInfo, error) {
		parsed, err := verifier.Verify(ctx, token)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", auth.ErrInvalidToken, err)
		}
		return &auth.TokenInfo{Expiration: parsed.Expiry, UserID: parsed.Subject}, nil
	}, nil)
	return Middleware{
		Wrap: echo.WrapMiddleware(guard),
		Subject: func(c echo.Context) string {
			if info := auth.TokenInfoFromContext(c.Request().Context()); info != nil {
				return info.UserID
			}
			return ""
		},
	}
}

// Auth0Middleware is auth0/go-jwt-middleware.
func (p Peers) Auth0Middleware() (Middleware, error) {
	v, err := p.auth0Validator()
	if err != nil {
		return Middleware{}, err
	}
	guard, err := jwtmiddleware.New(jwtmiddleware.WithValidator(v))
	if err != nil {
		return Middleware{}, err
	}
	return Middleware{
		Wrap: echo.WrapMiddleware(guard.CheckJWT),
		Subject: func(c echo.Context) string {
			claims, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](c.Request().Context())
			if err != nil {
				return ""
			}
			return claims.RegisteredClaims.Subject
		},
	}, nil
}
