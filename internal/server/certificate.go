package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// certificateLook is how often the files of a certificate are looked at, at most.
const certificateLook = 10 * time.Second

// certificate is a certificate in files that somebody renews. It is safe for concurrent use.
type certificate struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	seen    [2]fileState
}

// fileState is what shows that a file was replaced.
type fileState struct {
	size     int64
	modified time.Time
}

// TLS returns the configuration of a server with the certificate in two PEM files, which are read
// again within ten seconds after they change. A new pair that cannot be used is logged, and the old
// one stays.
func TLS(certFile, keyFile string, logger *slog.Logger) (*tls.Config, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, logger: logger}
	if err := c.load(); err != nil {
		return nil, err
	}
	c.seen, c.looked = c.state(), time.Now()
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}, nil
}

func (c *certificate) load() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("the certificate %s with the key %s cannot be used: %w", c.certFile, c.keyFile, err)
	}
	c.current = &pair
	return nil
}

// state is that of both files; zero for one that is away for the moment.
func (c *certificate) state() (now [2]fileState) {
	for i, name := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(name); err == nil {
			now[i] = fileState{info.Size(), info.ModTime()}
		}
	}
	return now
}

func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateLook {
		c.looked = now
		c.renew()
	}
	return c.current
}

// renew loads a pair that has changed. The caller holds mu.
func (c *certificate) renew() {
	state := c.state()
	if state == c.seen {
		return
	}
	c.seen = state
	if err := c.load(); err != nil {
		notice(c.logger, observe.Event{Level: slog.LevelError, Message: "the new certificate is not used, the old one stays", Err: err})
		return
	}
	notice(c.logger, observe.Event{Message: "a new certificate is in use", Details: []slog.Attr{slog.Time("expires", c.current.Leaf.NotAfter)}})
}
