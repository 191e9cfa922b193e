package main

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"time"

	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// lifecycleFlags say how a server is reached and how it stops.
type lifecycleFlags struct {
	TLSCert string        `name:"tls-cert" placeholder:"FILE" help:"PEM file with the certificate, and those between it and its authority: the server speaks https itself. Read again when it changes."`
	TLSKey  string        `name:"tls-key" placeholder:"FILE" help:"PEM file with the certificate's private key."`
	Drain   time.Duration `default:"5s" placeholder:"5s" help:"How long the server serves on after SIGTERM while /readyz says that it is not ready, so that load balancers see it: 0s for not at all. Ctrl-C does not wait."`
}

// lifecycle returns how the server starts and stops.
func (f *lifecycleFlags) lifecycle(log *slog.Logger) (server.Lifecycle, error) {
	encryption, err := f.tls(log)
	if f.Drain < 0 {
		err = errors.Join(err, errors.New("--drain must not be negative"))
	}
	return server.Lifecycle{Ready: readiness.New(nil, partProvider), Drain: f.Drain, TLS: encryption, Logger: log}, err
}

func (f *lifecycleFlags) tls(log *slog.Logger) (*tls.Config, error) {
	switch {
	case f.TLSCert == "" && f.TLSKey == "":
		return nil, nil //nolint:nilnil // no encryption is no error
	case f.TLSCert == "" || f.TLSKey == "":
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	return server.TLS(f.TLSCert, f.TLSKey, log)
}

// scheme is that of the listener.
func (f *lifecycleFlags) scheme() string {
	if f.TLSCert != "" {
		return "https"
	}
	return "http"
}

// partProvider is the part of a server's readiness that the provider is for.
const partProvider = "provider"

// awaitProvider makes the server ready when its provider was reached once.
func awaitProvider(ctx context.Context, provider oauth.Provider, l server.Lifecycle) {
	reached, ok := oauth.Capability[interface {
		Reach(ctx context.Context) error
	}](provider)
	if !ok {
		l.Ready.Set(partProvider, true)
		return
	}
	go l.Ready.Await(ctx, partProvider, reached.Reach, func(err error, pause time.Duration) {
		observe.Slog(l.Logger).Observe(ctx, observe.Event{
			Kind: observe.Notice, Time: time.Now(), Level: slog.LevelWarn, Err: err,
			Message: "not ready: the provider cannot be reached yet", Details: []slog.Attr{slog.Duration("next_try", pause)},
		})
	})
}
