package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/internal/flight"
	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/facts"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/metadata"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const (
	// discoveryTimeout is how long a provider whose endpoints only its own document names is waited
	// for, where [WithDiscoveryContext] says nothing else.
	discoveryTimeout = 30 * time.Second
	// discoveryFresh is how long the endpoints of a document are relied on before it is read again,
	// in the background; discoveryPause is the least time between two readings after one that failed.
	discoveryFresh = 10 * time.Minute
	discoveryPause = time.Minute
	// discoveryLimit bounds one reading.
	discoveryLimit = 10 * time.Second
	// maxDiscoveryWait is the longest time between two tries at the start. The first is a second,
	// each further one twice as long.
	maxDiscoveryWait = 30 * time.Second
)

// WithDiscoveryContext waits for the document of a provider whose endpoints only that names for as
// long as ctx lasts, in place of 30 seconds. For other providers it does nothing.
func WithDiscoveryContext(ctx context.Context) Option { return func(o *options) { o.discovery = ctx } }

// discovery is what the document of a provider's issuer says, read at the start and again from time
// to time. It owns no goroutine: whoever asks for an endpoint when it is time starts one bounded
// reading.
type discovery struct {
	title  string
	issuer string
	names  []string
	source *metadata.Source
	check  func(address string) error
	// origins are those of the issuer and of the endpoints at the start. Later documents may move
	// endpoints among them, and nowhere else: a new origin is not used before a restart.
	origins []string
	events  *events.Sender
	now     func() time.Time

	mu       sync.Mutex
	current  oauth.Endpoints
	due      time.Time
	ignored  map[string]string // what later documents named and was not used, by endpoint
	readings flight.Group[struct{}]
}

// byName are the endpoints of a provider under the names that the operator and specs use.
func byName(e *oauth.Endpoints) map[string]*string {
	return map[string]*string{
		"authorization": &e.Authorization, "token": &e.Token, "jwks": &e.JWKS, "registration": &e.Registration,
		"userinfo": &e.UserInfo, "tokeninfo": &e.TokenInfo, "introspection": &e.Introspection,
		"revocation": &e.Revocation, "end_session": &e.EndSession,
	}
}

// member is the name of an endpoint in a document (RFC 8414 section 2).
func member(name string) string {
	if name == "jwks" {
		return "jwks_uri"
	}
	return name + "_endpoint"
}

// discover reads the document of a definition that needs it and completes the definition. at is
// where the document is, if not at a well-known address.
func (in *Inputs) discover(d *Definition, at string) (*discovery, error) {
	if len(d.Discovered) == 0 {
		return nil, nil //nolint:nilnil // a provider whose endpoints are known discovers nothing
	}
	client, err := in.discoveryClient(d.Issuer)
	if err != nil {
		return nil, err
	}
	o := in.options
	found := &discovery{
		title: d.Title, issuer: d.Issuer, check: in.checkDiscovered, events: o.events.For(d.Name, ""), now: o.now, ignored: map[string]string{},
		source: metadata.NewSource(metadata.Config{Issuer: d.Issuer, Forms: d.Discovery, URL: at, Client: client, Now: o.now}),
	}
	ctx := o.discovery
	if ctx == nil {
		own, cancel := context.WithTimeout(context.Background(), discoveryTimeout)
		defer cancel()
		ctx = own
	}
	document, err := found.await(ctx)
	if err != nil {
		return nil, err
	}
	endpoints := byName(&d.Endpoints)
	for _, name := range d.Discovered {
		if endpoint := endpoints[name]; endpoint != nil && *endpoint == "" { // what the operator named stays
			found.names = append(found.names, name)
		}
	}
	if err := found.complete(document, &d.Endpoints); err != nil {
		return nil, fmt.Errorf("provider %s: the document of %s: %w", d.Name, d.Issuer, err)
	}
	found.current, found.due = d.Endpoints, o.now().Add(discoveryFresh)
	found.origins = originsOf([]string{
		d.Issuer, d.Endpoints.Authorization, d.Endpoints.Token, d.Endpoints.JWKS, d.Endpoints.Registration, d.Endpoints.UserInfo,
		d.Endpoints.Introspection, d.Endpoints.Revocation, d.Endpoints.EndSession,
	})
	return found, in.decide(d, document)
}

// discoveryClient makes the client that reads the document: it reaches the issuer's host alone,
// and that of the address which the operator named.
func (in *Inputs) discoveryClient(issuer string) (*http.Client, error) {
	if in.options.client != nil {
		return in.options.client, nil
	}
	policy := egress.Policy{
		OperatorHosts: in.hosts, ProviderHosts: originsOf([]string{issuer}), InsecureHTTPHosts: in.options.network.plainHTTP,
		Proxy: in.proxy(), RootCAs: in.roots(),
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	return egress.NewClient(policy), nil
}

// await reads the document, and again while the provider does not answer.
func (f *discovery) await(ctx context.Context) (oauth.Claims, error) {
	for wait := time.Second; ; wait = min(2*wait, maxDiscoveryWait) {
		document, passing, err := f.read(ctx)
		switch {
		case err == nil:
			return document, nil
		case !passing && ctx.Err() == nil:
			return document, fmt.Errorf("%s has no document that can be used: %w", f.title, err)
		}
		f.events.Observe(ctx, observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Reason: oauth.ReasonProviderUnavailable, Issuer: f.issuer, Err: err,
			Message: "the provider's document cannot be read yet; trying again", Details: []slog.Attr{slog.Duration("in", wait)},
		})
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return document, oauth.Unavailable(wait, fmt.Errorf("%s cannot be reached, and only its document names its endpoints: %w", f.title, err))
		}
	}
}

// read reads the document once, which is an event.
func (f *discovery) read(ctx context.Context) (document oauth.Claims, passing bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryLimit)
	defer cancel()
	ctx, end := f.events.Begin(ctx, observe.Operation{Kind: observe.DocumentFetched, Endpoint: "metadata", URL: f.issuer})
	document, passing, err = f.source.Read(ctx)
	event := observe.Event{Level: slog.LevelDebug, Issuer: f.issuer, Err: err}
	if err != nil {
		event.Level, event.Reason = slog.LevelWarn, oauth.ReasonProviderUnavailable
	}
	end(event)
	return document, passing, err
}

// complete puts the endpoints that a document names in place. Of those that it does not name,
// authorization, token and jwks cannot be missing.
func (f *discovery) complete(document oauth.Claims, endpoints *oauth.Endpoints) error {
	var problems []error
	into := byName(endpoints)
	for _, name := range f.names {
		address := document.String(member(name))
		switch needed := slices.Contains([]string{"authorization", "token", "jwks"}, name); {
		case address == "" && needed:
			problems = append(problems, fmt.Errorf("it names no %s", member(name)))
		case address == "":
		default:
			if err := f.check(address); err != nil {
				problems = append(problems, fmt.Errorf("%s %w", member(name), err))
				continue
			}
			*into[name] = address
		}
	}
	return errors.Join(problems...)
}

// checkDiscovered says what is wrong with an address that a document names: nobody here wrote it.
func (in *Inputs) checkDiscovered(address string) error {
	plain := in.options.network.plainHTTP
	if err := plainurl.CheckEndpoint(address, plain); err != nil {
		return err
	}
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("must be a URL")
	case slices.Contains(in.hosts, u.Host):
		return nil
	case u.Scheme != "https":
		return errors.New("must use https: plain http is for hosts that you name yourself")
	}
	if _, err := netip.ParseAddr(strings.Trim(u.Hostname(), "[]")); err == nil || plainurl.IsLoopbackHost(u.Hostname()) {
		return errors.New("must be at a host of the public internet, or at one that you name yourself")
	}
	return nil
}

// endpoints returns where the provider's endpoints are, and reads the document again when it is
// time to.
func (f *discovery) endpoints() oauth.Endpoints {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := f.now(); !now.Before(f.due) {
		f.due = now.Add(discoveryPause)
		f.readings.Start(context.Background(), "", discoveryLimit, f.refresh)
	}
	return f.current
}

// refresh takes over what has changed in the document.
func (f *discovery) refresh(ctx context.Context) (struct{}, error) {
	document, _, err := f.read(ctx)
	if err != nil { // the event is sent
		return struct{}{}, err
	}
	f.mu.Lock()
	next := f.current
	f.mu.Unlock()
	var seen []observe.Event
	into := byName(&next)
	for _, name := range f.names {
		address := document.String(member(name))
		if address == "" || address == *into[name] {
			continue
		}
		event := observe.Event{
			Kind: observe.Notice, Level: slog.LevelWarn, Issuer: f.issuer, Endpoint: name, URL: events.PlainURL(address),
			Message: "the provider's document names another address of an endpoint",
			Details: []slog.Attr{slog.String("before", events.PlainURL(*into[name])), slog.Bool("used", true)},
		}
		if f.check(address) != nil || !f.known(address) {
			if f.ignored[name] == address {
				continue
			}
			f.ignored[name] = address
			event.Reason, event.Details[1] = oauth.ReasonUpstreamResponse, slog.Bool("used", false)
			event.Hint = "it is at a host that the document did not name at the start: restart the server if the provider has moved"
			seen = append(seen, event)
			continue
		}
		*into[name] = address
		seen = append(seen, event)
	}
	f.mu.Lock()
	f.current, f.due = next, f.now().Add(discoveryFresh)
	f.mu.Unlock()
	for _, event := range seen {
		f.events.Observe(ctx, event)
	}
	return struct{}{}, nil
}

// known reports whether an address is at an origin that was seen at the start.
func (f *discovery) known(address string) bool {
	origins := originsOf([]string{address})
	return len(origins) == 1 && slices.Contains(f.origins, origins[0])
}

// decide takes from a document what is fixed from the start on: mode, algorithms, scopes, and how
// our application authenticates.
func (in *Inputs) decide(d *Definition, document oauth.Claims) error {
	said := func(name string) bool { return slices.Contains(d.Discovered, name) }
	if d.Mode == "" {
		d.Mode = in.modeOf(d, document)
	}
	if d.Mode == oauth.Direct {
		d.Upstream, d.TokenMode = nil, ""
	}
	if announced := document.Strings("id_token_signing_alg_values_supported"); said("algorithms") && len(announced) > 0 {
		d.Tokens.Algorithms = slices.DeleteFunc(DefaultAlgorithms(), func(a string) bool { return !slices.Contains(announced, a) })
		if len(d.Tokens.Algorithms) == 0 {
			in.add(Field{Name: "issuer"}, fmt.Sprintf("%s signs with %s alone, of which none can be verified with published keys. "+
				"Choose an asymmetric algorithm there, such as RS256 or ES256.", d.Title, strings.Join(announced, ", ")))
		}
	} else if said("algorithms") {
		d.Tokens.Algorithms = DefaultAlgorithms()
	}
	if announced := document.Strings("scopes_supported"); said("scopes") && len(d.Scopes) == 0 {
		d.Scopes = slices.DeleteFunc([]string{"openid", "profile", "email"}, func(s string) bool {
			return len(announced) > 0 && !slices.Contains(announced, s)
		})
	}
	if d.Upstream != nil {
		in.application(d, document)
	}
	return in.Err()
}

// modeOf is the mode of a provider whose spec leaves it open.
func (in *Inputs) modeOf(d *Definition, document oauth.Claims) oauth.Mode {
	documents, _ := document.Bool("client_id_metadata_document_supported")
	switch registers := d.Endpoints.Registration != "" || documents; {
	case d.Upstream != nil && d.Upstream.ClientID != "":
		return oauth.Proxy
	case !registers:
		in.add(Field{Name: "clientId"}, fmt.Sprintf("%s at %s registers no clients: name the application that you registered there "+
			"(clientId and clientSecret in config, or their variables), or set mode to direct if its clients are registered in another way.",
			d.Title, d.Issuer))
	}
	return oauth.Direct
}

// application completes our application at the provider, in mode proxy.
func (in *Inputs) application(d *Definition, document oauth.Claims) {
	u := *d.Upstream
	d.Upstream = &u
	if u.ClientID == "" {
		in.add(Field{Name: "clientId"}, d.Title+" clientId is required in mode proxy: the application that is registered at the provider.")
	}
	if must, _ := document.Bool("authorization_response_iss_parameter_supported"); must {
		u.RequireResponseIssuer = true
	}
	if methods := document.Strings("code_challenge_methods_supported"); len(methods) > 0 && !slices.Contains(methods, "S256") {
		in.add(Field{Name: "issuer"}, d.Title+" offers PKCE without S256, which would not protect logins (RFC 7636).")
	}
	if u.ClientSecret == "" || !slices.Contains(d.Discovered, "client_auth") {
		return
	}
	methods := document.Strings("token_endpoint_auth_methods_supported")
	switch {
	case len(methods) == 0, slices.Contains(methods, string(facts.AuthBasic)):
		u.AuthMethod = facts.AuthBasic
	case slices.Contains(methods, string(facts.AuthPost)):
		u.AuthMethod = facts.AuthPost
	default:
		in.add(Field{Name: "clientSecret"}, fmt.Sprintf("%s takes no client secret: its token endpoint offers %s alone.", d.Title, strings.Join(methods, ", ")))
	}
}
