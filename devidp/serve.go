package devidp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
)

// shutdownGrace is how long requests in flight may take once the server stops.
const shutdownGrace = 5 * time.Second

// ListenAndServe serves until ctx ends, then finishes the requests in flight and returns nil. An
// empty addr listens on the issuer's own host and port. An address that is not loopback is refused.
func (s *Server) ListenAndServe(ctx context.Context, addr string) error {
	addr = cmp.Or(addr, s.issuerAddress())
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("devidp: listen address: %w", err)
	}
	if !plainurl.IsLoopbackHost(host) {
		return fmt.Errorf("devidp: will not listen on %q: it is for development only and listens on loopback addresses, "+
			"such as 127.0.0.1:9400", addr)
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("devidp: %w", err)
	}
	return s.Serve(ctx, listener)
}

// Serve is [Server.ListenAndServe] on a listener that exists already. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	if !loopbackListener(listener) {
		_ = listener.Close()
		return fmt.Errorf("devidp: will not serve on %s: it is for development only and serves loopback addresses",
			listener.Addr())
	}
	server := s.httpServer()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return fmt.Errorf("devidp: %w", err)
	case <-ctx.Done():
	}
	s.stop()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if server.Shutdown(grace) != nil {
		return errors.Join(fmt.Errorf("devidp: requests were still running %s after the stop", shutdownGrace), server.Close())
	}
	return nil
}

func loopbackListener(listener net.Listener) bool {
	address, ok := listener.Addr().(*net.TCPAddr)
	return ok && address.IP.IsLoopback()
}

// httpServer has no write timeout: [Faults.Delay] may ask for any delay, and only this machine can
// connect.
func (s *Server) httpServer() *http.Server {
	return &http.Server{
		Handler:           s,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(s.config.Logger.Handler(), slog.LevelDebug),
	}
}

func (s *Server) issuerAddress() string {
	u, err := url.Parse(s.config.Issuer)
	if err != nil {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}
