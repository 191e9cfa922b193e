package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/runtime"
)

// providerFlags say how the provider is reached.
type providerFlags struct {
	Endpoint []string      `sep:"none" placeholder:"NAME=URL" help:"Endpoint of the provider at another address: authorization, token, userinfo, tokeninfo, jwks, introspection, revocation, registration, end_session, or discovery (its metadata). Repeatable."`
	Leeway   time.Duration `default:"30s" placeholder:"30s" help:"How far the clocks of the provider and this server may be apart when exp and nbf of tokens are checked: 10m at most, 0s for not at all."`

	NoProxyFromEnvironment bool     `name:"no-proxy-from-environment" help:"Reach the provider directly, whatever HTTPS_PROXY says."`
	CAFile                 string   `name:"ca-file" placeholder:"FILE" help:"PEM file with certificate authorities to trust besides the system's when the provider is reached."`
	InsecureHTTPHost       []string `name:"insecure-http-host" sep:"none" placeholder:"NAME" help:"Host, such as keycloak or keycloak:8080, at which the provider is reached by plain http: tokens and secrets travel unprotected. Repeatable."`
}

// providerOptions are the options for how the provider is reached.
func (f *providerFlags) providerOptions() ([]runtime.Option, error) {
	options, err := endpointOptions(f.Endpoint)
	if err != nil {
		return nil, err
	}
	options = append(options, runtime.WithLeeway(f.Leeway))
	if f.NoProxyFromEnvironment {
		options = append(options, runtime.WithoutEnvironmentProxy())
	}
	if f.CAFile != "" {
		options = append(options, runtime.WithCAFile(f.CAFile))
	}
	for _, host := range f.InsecureHTTPHost {
		options = append(options, runtime.InsecureHTTPHost(host))
	}
	return options, nil
}

// endpointOptions are the options for --endpoint.
func endpointOptions(list []string) ([]runtime.Option, error) {
	var options []runtime.Option
	seen := map[string]bool{}
	for _, entry := range list {
		name, address, ok := strings.Cut(entry, "=")
		switch {
		case !ok || name == "" || address == "":
			return nil, fmt.Errorf("--endpoint %q must be NAME=URL, such as token=https://gateway.example.com/token", entry)
		case seen[name]:
			return nil, fmt.Errorf("--endpoint %s is given twice", name)
		}
		seen[name] = true
		options = append(options, runtime.WithEndpoint(name, address))
	}
	return options, nil
}
