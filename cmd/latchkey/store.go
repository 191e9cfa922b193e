package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/internal/secretenv"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
	"github.com/latchkey-auth/latchkey/runtime/store/redisstore"
)

// storeVariable has the URL of the store where --store does not.
const storeVariable = "MCP_USE_OAUTH_STORE_URL"

// storeFlags say where the state is that replicas share.
type storeFlags struct {
	Store            string        `placeholder:"URL" help:"Redis or Valkey that all replicas share, for what cannot be sealed: redis://USER:PASSWORD@HOST:PORT/DB, redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/PRIMARY, with rediss for TLS and ?ca=FILE&cert=FILE&key=FILE. The default is MCP_USE_OAUTH_STORE_URL; without either it is this process's memory. Proxy mode only."`
	StoreWait        time.Duration `name:"store-wait" default:"30s" placeholder:"30s" help:"How long the start waits for the store, before the server ends with exit code 1."`
	StoreGrace       time.Duration `name:"store-grace" default:"30s" placeholder:"30s" help:"How long requests with known tokens go on while the store fails: 0s for not at all."`
	RevocationMemory time.Duration `name:"revocation-memory" default:"1s" placeholder:"1s" help:"How long a look into the store that found a token not revoked is good for: 0s to look for each request."`
}

// sharedStore is the store of a server that starts: there from the beginning, and in use from when
// it was reached.
type sharedStore struct {
	flags *storeFlags
	url   string
	log   *slog.Logger
	ready *readiness.Parts

	opened atomic.Pointer[redisstore.Store]
}

var _ store.Store = (*sharedStore)(nil)

// partStore is the part of a server's readiness that the store is for.
const partStore = "store"

// shared returns the store that flags and variables name; nil where they name none.
func (f *storeFlags) shared(env environment, mode oauth.Mode, ready *readiness.Parts, log *slog.Logger) (*sharedStore, error) {
	set, source, err := secretenv.Lookup(env.lookupEnv, storeVariable)
	if err != nil {
		return nil, err
	}
	url := cmp.Or(f.Store, set)
	if f.Store != "" {
		source = "--store"
	}
	switch {
	case f.StoreWait <= 0:
		return nil, errors.New("--store-wait must be longer than 0s")
	case f.StoreGrace < 0 || f.RevocationMemory < 0:
		return nil, errors.New("--store-grace and --revocation-memory must not be negative")
	case url == "":
		return nil, nil //nolint:nilnil // no store is no error
	case mode != oauth.Proxy:
		return nil, fmt.Errorf("%s is for providers in proxy mode: this one's clients log in there, and nothing is kept here", source)
	}
	if err := redisstore.CheckURL(url); err != nil {
		return nil, fmt.Errorf("%s: %w", source, err)
	}
	ready.Set(partStore, false)
	return &sharedStore{flags: f, url: url, log: log, ready: ready}, nil
}

// inUse returns the store as a server takes it: nil where there is none.
func (s *sharedStore) inUse() store.Store {
	if s == nil {
		return nil
	}
	return s
}

// offAtZero turns a flag whose zero is off into an option whose zero is its default.
func offAtZero(d time.Duration) time.Duration {
	if d == 0 {
		return -1
	}
	return d
}

var errNotReached = errors.New("the store was not reached yet")

// Do implements [store.Store].
func (s *sharedStore) Do(ctx context.Context, steps ...store.Step) ([]store.Outcome, error) {
	if opened := s.opened.Load(); opened != nil {
		return opened.Do(ctx, steps...)
	}
	return nil, errNotReached
}

// open opens the store and then watches it, until ctx ends. Its error is that of a store that
// cannot be opened.
func (s *sharedStore) open(ctx context.Context) error {
	waiting, cancel := context.WithTimeout(ctx, s.flags.StoreWait)
	defer cancel()
	opened, err := redisstore.Open(waiting, s.url, redisstore.Config{Observer: observe.Slog(s.log)})
	if err != nil {
		if ctx.Err() != nil {
			return nil // the server was stopped meanwhile
		}
		return err
	}
	defer opened.Close()
	s.opened.Store(opened)
	s.ready.Set(partStore, true)
	s.tell(ctx, slog.LevelInfo, "the store is there", nil, slog.String("store", opened.String()))
	s.watch(ctx, opened)
	return nil
}

// watchEvery is how often a store in service is tried.
const watchEvery = 2 * time.Second

// watch makes the server unready while the store is away for longer than requests can do without,
// and says what happens to it.
func (s *sharedStore) watch(ctx context.Context, opened *redisstore.Store) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	there, away := time.Now(), false
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		err := opened.Ping(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !away:
			s.tell(ctx, slog.LevelWarn, "the store is away: logins and refreshes get 503; requests with known tokens go on for a while", err,
				slog.Duration("store_grace", s.flags.StoreGrace))
		case err == nil && away:
			s.tell(ctx, slog.LevelInfo, "the store is back", nil, slog.Duration("away", time.Since(there).Round(time.Second)))
		}
		if away = err != nil; !away {
			there = time.Now()
		}
		s.ready.Set(partStore, !away || time.Since(there) <= s.flags.StoreGrace)
	}
}

func (s *sharedStore) tell(ctx context.Context, level slog.Level, message string, err error, details ...slog.Attr) {
	e := observe.Event{Kind: observe.Notice, Time: time.Now(), Level: level, Message: message, Err: err, Details: details}
	if err != nil {
		e.Kind, e.Reason = observe.StoreTrouble, oauth.ReasonStoreUnavailable
	}
	observe.Slog(s.log).Observe(ctx, e)
}

// serveWith runs a server whose store is opened meanwhile, and closed when it ended. A store that
// cannot be opened ends it at once: nobody was served yet.
func (s *sharedStore) serveWith(ctx context.Context, serve func(context.Context) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	watching, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	opening, served := make(chan error, 1), make(chan error, 1)
	go func() { opening <- s.open(watching) }()
	go func() { served <- serve(ctx) }()
	select {
	case err := <-opening:
		return err
	case err := <-served:
		end()
		return cmp.Or(err, <-opening)
	}
}
