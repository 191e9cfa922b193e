package main

import (
	"errors"
	"flag"
	"log/slog"
	"os"
	"strings"

	"github.com/latchkey-auth/latchkey/oauth"
	oauthproxy "github.com/latchkey-auth/latchkey/providers_gen/proxy"
	"github.com/latchkey-auth/latchkey/runtime"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// proxySettings are the flags of proxy mode, for a provider that knows one application and no
// dynamic clients.
type proxySettings struct {
	clientID                            string
	audience                            string
	introspection, userinfo, revocation string
	required, prompt                    string
	passthrough                         bool
}

// secretVariable holds the application's secret: everybody on a machine can read the arguments of
// its processes.
const secretVariable = "CUSTOMSERVER_CLIENT_SECRET"

func (s *proxySettings) register(flags *flag.FlagSet) {
	flags.StringVar(&s.clientID, "client-id", "", "application at the provider, for proxy mode; its secret is in "+secretVariable)
	flags.StringVar(&s.introspection, "introspection", "", "check tokens at this introspection endpoint")
	flags.StringVar(&s.userinfo, "userinfo", "", "proxy mode: userinfo endpoint; without introspection and key set, tokens are checked there")
	flags.StringVar(&s.audience, "audience", "", "proxy mode: audience of the provider's JWTs")
	flags.StringVar(&s.revocation, "revocation", "", "proxy mode: revocation endpoint")
	flags.StringVar(&s.required, "required", "", "proxy mode: scopes that every login asks for")
	flags.StringVar(&s.prompt, "prompt", "", "proxy mode: parameter prompt of every login")
	flags.BoolVar(&s.passthrough, "passthrough", false, "proxy mode: hand out the provider's own tokens, not sealed ones")
}

func (s *proxySettings) tokens() proxy.TokenMode {
	if s.passthrough {
		return proxy.Passthrough
	}
	return proxy.Sealed
}

// newProxy returns the generic provider of proxy mode.
func newProxy(s settings, logger *slog.Logger) (*runtime.Provider, error) {
	secret := oauth.Secret(os.Getenv(secretVariable))
	verifier, err := s.verifier(secret, logger)
	if err != nil {
		return nil, err
	}
	parameters := map[string]string{}
	if s.prompt != "" {
		parameters["prompt"] = s.prompt
	}
	options := []runtime.Option{runtime.WithLogger(logger)}
	if s.revocation != "" {
		options = append(options, runtime.WithEndpoint("revocation", s.revocation))
	}
	return oauthproxy.New(oauthproxy.Config{
		Issuer: s.issuer, AuthEndpoint: s.authorize, TokenEndpoint: s.token, ClientID: s.clientID, ClientSecret: secret,
		Scopes: strings.Fields(s.supported), RequiredScopes: strings.Fields(s.required), VerifyToken: verifier,
		ExtraAuthorizeParams: parameters,
	}, options...)
}

// verifier is how the provider's tokens are checked: by its keys, or by asking it. Each way ties
// tokens to this server.
func (s *settings) verifier(secret oauth.Secret, logger *slog.Logger) (oauth.TokenVerifier, error) {
	switch {
	case s.jwks != "":
		return runtime.JWKSVerifier(runtime.JWKSConfig{JWKSURL: s.jwks, Issuer: s.issuer, Audience: s.audience}, runtime.WithLogger(logger))
	case s.introspection != "":
		return runtime.IntrospectionVerifier(runtime.IntrospectionConfig{
			URL: s.introspection, Issuer: s.issuer, ClientIDs: []string{s.clientID},
			Credentials: facts.Credentials{ClientID: s.clientID, ClientSecret: secret},
		}, runtime.WithLogger(logger))
	case s.userinfo != "":
		// A profile names no application: only tokens that this server obtained itself are good.
		return runtime.UserInfoVerifier(runtime.UserInfoConfig{URL: s.userinfo, Issuer: s.issuer}, runtime.WithLogger(logger))
	}
	return nil, errors.New("proxy mode needs one of -jwks, -introspection and -userinfo")
}
