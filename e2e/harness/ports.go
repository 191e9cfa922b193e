package harness

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// The ports that are handed out are below those that systems give to outgoing connections: one of
// these might take the port of a server that is not started yet, or that is restarted.
const lowestPort, highestPort = 20_000, 29_999

// Ports hands out free loopback ports, each once.
type Ports struct {
	mu   sync.Mutex
	used map[int]bool
}

// Next returns a port that nobody listens on.
func (p *Ports) Next(ctx context.Context) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 100 {
		port := lowestPort + rand.IntN(highestPort-lowestPort+1) //nolint:gosec // no secret
		if p.used[port] {
			continue
		}
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = listener.Close()
		if p.used == nil {
			p.used = make(map[int]bool)
		}
		p.used[port] = true
		return port, nil
	}
	return 0, errors.New("no free port on 127.0.0.1")
}
