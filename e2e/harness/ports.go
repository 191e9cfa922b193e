package harness

import (
	"context"
	"errors"
	"net"
	"sync"
)

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
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		_ = listener.Close()
		address, ok := listener.Addr().(*net.TCPAddr)
		if !ok {
			return 0, errors.New("a TCP listener has no TCP address")
		}
		port := address.Port
		if !p.used[port] {
			if p.used == nil {
				p.used = make(map[int]bool)
			}
			p.used[port] = true
			return port, nil
		}
	}
	return 0, errors.New("no free port on 127.0.0.1")
}
