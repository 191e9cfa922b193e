package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/valkey-io/valkey-go"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// The values of a [Config] whose fields are zero.
const (
	DefaultPrefix  = "latchkey:"
	DefaultTimeout = 2 * time.Second
)

const (
	// firstPause and longestPause are between two tries to reach a store. Each is twice as long as the
	// one before.
	firstPause, longestPause = 100 * time.Millisecond, 2 * time.Second
	// topologyRefresh is how often the sentinels are asked for the primary, for when their word that
	// it changed got lost.
	topologyRefresh = 5 * time.Second
	// bufferSize is that of each connection, for reading and for writing.
	bufferSize = 32 << 10
)

// Config adjusts a store. The zero value is ready to use.
type Config struct {
	// Prefix begins each key. The default is [DefaultPrefix]. It has no braces.
	Prefix string
	// Timeout bounds each call, whatever its context says. The default is [DefaultTimeout].
	Timeout time.Duration
	// Observer is told that [Open] waits for the server, and what could not be checked there. The
	// default is [observe.Slog] with [slog.Default].
	Observer observe.Observer
}

// Store is a [store.Store] in Redis or Valkey. It is safe for concurrent use; close it when nobody
// uses it any more.
type Store struct {
	config Config
	name   string
	client valkey.Client
	script string
}

var _ store.Store = (*Store)(nil)

// ErrUnusable is the error of [Open] for a server that answers and cannot be the store as things
// are: it refuses the login, is a read-only replica, evicts entries, or one end speaks TLS and the
// other does not.
var ErrUnusable = errors.New("cannot be used")

// Open connects to the store of a URL. It waits while the server cannot be reached, until ctx ends.
//
//	redis://[USER:PASSWORD@]HOST[:PORT][/DB]
//	redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT
//	redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT/PRIMARY[/DB]
//
// With rediss, rediss+cluster and rediss+sentinel connections are protected by TLS. The parameter
// ca names a PEM file with the authorities to trust instead of the system's, cert and key name the
// files of a client certificate. sentinel-user and sentinel-password are for sentinels that want a
// login of their own.
//
// The errors are [ErrURL] for a URL that is wrong, [ErrUnusable] for a server that waiting does not
// change, and else the last failure when ctx ended.
func Open(ctx context.Context, url string, config Config) (*Store, error) {
	at, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if config.Prefix == "" {
		config.Prefix = DefaultPrefix
	}
	if strings.ContainsAny(config.Prefix, "{}") {
		return nil, fmt.Errorf("the prefix of a store's keys has braces: %q", config.Prefix)
	}
	if config.Timeout <= 0 {
		config.Timeout = DefaultTimeout
	}
	sender := events.Or(config.Observer)
	began := time.Now()
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		s, err := open(ctx, at, config, sender)
		if err == nil {
			return s, nil
		}
		err = fmt.Errorf("store %s: %w", at.name, explained(err))
		if errors.Is(err, ErrUnusable) {
			return nil, err
		}
		if ctx.Err() == nil {
			sender.Observe(ctx, observe.Event{
				Kind: observe.StoreTrouble, Level: slog.LevelWarn, Reason: oauth.ReasonStoreUnavailable, Err: err,
				Message: "waiting for the store", Details: []slog.Attr{slog.Duration("for", time.Since(began).Round(time.Second))},
			})
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: it could not be reached within %s", err, time.Since(began).Round(time.Second))
		}
	}
}

// open connects and checks what it finds, once.
func open(ctx context.Context, at address, config Config, sender *events.Sender) (*Store, error) {
	options := complete(at.options, config)
	client, err := valkey.NewClient(options)
	if err != nil {
		if _, answered := valkey.IsValkeyErr(err); !answered && !errors.Is(explained(err), ErrUnusable) {
			err = diagnosed(ctx, &options, err)
		}
		return nil, err
	}
	s := &Store{config: config, name: at.name, client: client, script: scriptName()}
	if err := s.checkServers(ctx, sender); err != nil {
		client.Close()
		return nil, err
	}
	return s, nil
}

// complete adds to the options of a URL what is the same for all.
func complete(o valkey.ClientOption, config Config) valkey.ClientOption {
	o.DialCtxFn = dial
	o.Dialer.Timeout, o.Sentinel.Dialer.Timeout = dialTimeout, dialTimeout
	o.Dialer.KeepAlive = 5 * time.Second // and how often an idle connection is tried
	o.ConnWriteTimeout = config.Timeout
	// A connection that is always read from notices at once that it ended, not with the next call.
	o.AlwaysPipelining = true
	o.DisableCache, o.ClientSetInfo = true, valkey.DisableClientSetInfo
	o.ReadBufferEachConn, o.WriteBufferEachConn = bufferSize, bufferSize
	return o
}

// Close ends the connections.
func (s *Store) Close() { s.client.Close() }

// Ping writes an entry that does not last, and returns what is wrong where it cannot.
func (s *Store) Ping(ctx context.Context) error {
	_, err := s.Do(ctx, probe())
	return err
}

// String returns the store's URL without the parts that may be secret.
func (s *Store) String() string { return s.name }
