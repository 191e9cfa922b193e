package relay

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/latchkey-auth/latchkey/internal/ratelimit"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/internal/seal"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// The defaults of a [Config].
const (
	defaultBasePath          = "/oauth"
	defaultCallbackPath      = "/oauth/callback"
	defaultTimeout           = 10 * time.Second
	defaultMaxRequestBytes   = 64 << 10
	defaultMaxResponseBytes  = 1 << 20
	defaultRequestsPerMinute = 120
)

// Config says where a relay is reached, by whom, and what it may reach. PublicURL is required; the
// zero value of every other field is the safe default.
type Config struct {
	// PublicURL is the address at which browsers reach this server, for example
	// https://app.example.com. Pages of its origin may call the relay and are where registered
	// clients may be sent back to. Any path is ignored. Nothing is derived from a request's Host or
	// forwarded headers.
	PublicURL string
	// BasePath is where the routes are: BasePath + "/metadata" and BasePath + "/proxy". The default
	// is "/oauth".
	BasePath string
	// AllowedOrigins are further browser origins that may call the relay:
	// "https://app.example.com", or "*" for all. The default is none.
	AllowedOrigins []string
	// CallbackPath is the one path to which a client that registers through the relay may ask to be
	// sent back, on the calling page's origin or on PublicURL's. The default is "/oauth/callback".
	CallbackPath string

	// Timeout limits everything that one request makes the relay do. The default is 10 seconds.
	Timeout time.Duration
	// MaxRequestBytes limits the body of a request, and the body that is forwarded. The default is
	// 64 KiB.
	MaxRequestBytes int64
	// MaxResponseBytes limits what is read from an upstream, after decompression. The default is 1
	// MiB.
	MaxResponseBytes int64
	// RequestsPerMinute limits the requests of one client, half of them at once. The default is
	// 120; a negative value leaves the limiting to whatever is in front.
	RequestsPerMinute int
	// ClientAddress names the client of a request for RequestsPerMinute; addresses count as
	// [clientaddr.Key] has it. The default is the address of the connection: behind a reverse proxy
	// that is the proxy's, so read there what the proxy vouches for, see [clientaddr.Resolver].
	ClientAddress func(r *http.Request) string

	// Authenticate, when set, decides who may use the relay: an error is a 401. Its text is logged,
	// not sent.
	Authenticate func(r *http.Request) error
	// ValidateServerURL, when set, decides which MCP servers may be used: an error is a 403. Its
	// text is logged, not sent.
	ValidateServerURL func(r *http.Request, serverURL string) error

	// SealingKeys protect the client secrets that authorization servers issue at registration, 32
	// random bytes each in base64, newest first. Browsers carry them sealed. Give all replicas the
	// same keys; without any, a key is made at start, and clients with a secret have to register
	// again after a restart or at another replica.
	SealingKeys []oauth.Secret
	// Egress adjusts the outbound client: private certificate authorities, a resolver, observation.
	// Its OperatorHosts make MCP servers and authorization servers of a private network reachable,
	// each by its exact host and port. Timeout, MaxResponseBytes and redirects are the relay's own
	// business.
	Egress egress.Policy
	// Observer is told of requests and refusals. The default is [observe.Slog] with [slog.Default].
	Observer observe.Observer
	// Now is the clock. The default is time.Now.
	Now func() time.Time

	// InsecureAllowLoopback lets browsers name MCP servers on this machine, over plain http too. It
	// is for development.
	InsecureAllowLoopback bool
	// InsecureAnyTarget also accepts the requests of older mcp-use clients, which name a target and
	// no MCP server. Every client that may call the relay can then send GET and POST requests to every
	// public host from this server's address. Special addresses stay refused. It is for migration; see
	// ValidateTarget.
	InsecureAnyTarget bool
	// ValidateTarget, when set, decides about the targets that InsecureAnyTarget opens: an error is
	// a 403.
	ValidateTarget func(r *http.Request, target string) error
}

// maxClients bounds the memory of the rate limit.
const maxClients = 10_000

// newClientLimit returns the limit of each client's requests; nil is none.
func newClientLimit(perMinute int) *ratelimit.Limiter {
	if perMinute < 0 {
		return nil
	}
	return ratelimit.New(float64(perMinute)/60, max(1, perMinute/2), maxClients)
}

// New returns a relay. Its errors name the field to correct.
func New(config Config) (*Relay, error) {
	config = config.withDefaults()
	if config.Egress.MaxRedirects != 0 {
		return nil, errors.New("relay: Egress.MaxRedirects must be 0: a redirect would leave the targets that the metadata names")
	}
	if err := config.checkLimits(); err != nil {
		return nil, err
	}
	origins, err := newOrigins(config.PublicURL, config.AllowedOrigins)
	if err != nil {
		return nil, err
	}
	if err := checkPath("BasePath", config.BasePath); err != nil {
		return nil, err
	}
	if err := checkPath("CallbackPath", config.CallbackPath); err != nil {
		return nil, err
	}
	policy := config.policy()
	if err := policy.Validate(); err != nil {
		return nil, fmt.Errorf("relay: Egress: %w", err)
	}
	ring, err := newRing(config.SealingKeys)
	if err != nil {
		return nil, fmt.Errorf("relay: SealingKeys: %w", err)
	}
	r := &Relay{
		config: config, events: events.Or(config.Observer), origins: origins, ring: ring, client: egress.NewClient(policy),
		clients:   newClientLimit(config.RequestsPerMinute),
		resources: newCache[resource](config.Now),
		servers:   newCache[authorizationServer](config.Now),
	}
	r.announce()
	return r, nil
}

func (c Config) withDefaults() Config {
	c.BasePath = strings.TrimRight(orDefault(c.BasePath, defaultBasePath), "/")
	c.CallbackPath = orDefault(c.CallbackPath, defaultCallbackPath)
	c.Timeout = orDefault(c.Timeout, defaultTimeout)
	c.MaxRequestBytes = orDefault(c.MaxRequestBytes, defaultMaxRequestBytes)
	c.MaxResponseBytes = orDefault(c.MaxResponseBytes, defaultMaxResponseBytes)
	c.RequestsPerMinute = orDefault(c.RequestsPerMinute, defaultRequestsPerMinute)
	if c.ClientAddress == nil {
		c.ClientAddress = func(r *http.Request) string { return r.RemoteAddr }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

func orDefault[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

func (c Config) checkLimits() error {
	if c.Timeout < 0 || c.MaxRequestBytes < 0 || c.MaxResponseBytes < 0 {
		return errors.New("relay: Timeout, MaxRequestBytes and MaxResponseBytes must not be negative; zero means the default")
	}
	return nil
}

func checkPath(field, path string) error {
	u, err := url.Parse(path)
	if err != nil || u.Path != path || !strings.HasPrefix(path, "/") || path == "/" || strings.Contains(path, "//") ||
		strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../") {
		return fmt.Errorf("relay: %s must be an absolute path such as %q", field, defaultCallbackPath)
	}
	return nil
}

// policy is the egress policy with the relay's own limits.
func (c Config) policy() egress.Policy {
	p := c.Egress
	p.Timeout = c.Timeout
	p.MaxResponseBytes = c.MaxResponseBytes
	p.InsecureAllowLoopback = c.InsecureAllowLoopback || p.InsecureAllowLoopback
	return p
}

func newRing(keys []oauth.Secret) (*seal.Ring, error) {
	if len(keys) == 0 {
		var key [seal.KeySize]byte
		_, _ = rand.Read(key[:]) // never fails
		keys = []oauth.Secret{oauth.Secret(base64.StdEncoding.EncodeToString(key[:]))}
	}
	return seal.NewRing(seal.Config{Keys: keys})
}

// announce says where the relay is, and warns of what weakens it.
func (r *Relay) announce() {
	notice := func(level slog.Level, reason oauth.Reason, message string, details ...slog.Attr) {
		r.events.Observe(context.Background(), observe.Event{
			Kind: observe.Notice, Level: level, Reason: reason, Message: message, Details: details,
		})
	}
	notice(slog.LevelInfo, "", "relay: mounted", slog.String("metadata", r.MetadataPath()), slog.String("proxy", r.ProxyPath()))
	if r.config.policy().InsecureAllowLoopback {
		notice(slog.LevelWarn, oauth.ReasonInsecureSetting,
			"relay: InsecureAllowLoopback lets browsers reach services on this machine; it is for development only")
	}
	if r.config.InsecureAnyTarget {
		notice(slog.LevelWarn, oauth.ReasonInsecureSetting,
			"relay: InsecureAnyTarget lets callers send requests to any public host from this server's address",
			slog.Bool("validated", r.config.ValidateTarget != nil))
	}
	if slices.Contains(r.config.AllowedOrigins, "*") {
		notice(slog.LevelWarn, oauth.ReasonInsecureSetting, `relay: AllowedOrigins contains "*": pages of every site may use the relay`)
	}
}
