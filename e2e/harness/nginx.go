package harness

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// nginxFrame is what nginx needs around the servers of a configuration to run as anybody, with all
// that it writes below its own folder. Addresses of requests hold codes, so they are not logged.
const nginxFrame = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr warn;
events { worker_connections 256; }
http {
access_log off;
client_body_temp_path body;
proxy_temp_path proxied;
fastcgi_temp_path fastcgi;
uwsgi_temp_path uwsgi;
scgi_temp_path scgi;
%s
}
`

// StartNginx runs the nginx at path with the given servers, and returns when something listens at
// the address. The log is nginx.log in dir.
func StartNginx(ctx context.Context, path, dir, servers, address string) (*Process, error) {
	own := filepath.Join(dir, "nginx")
	if err := os.MkdirAll(own, 0o750); err != nil {
		return nil, err
	}
	config := filepath.Join(own, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxFrame, servers), 0o600); err != nil {
		return nil, err
	}
	p, err := Start(ctx, Command{Name: "nginx", LogDir: dir, Path: path, Args: []string{"-p", own, "-c", config, "-e", "stderr"}})
	if err != nil {
		return nil, err
	}
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		if conn, err := new(net.Dialer).DialContext(ctx, "tcp", address); err == nil {
			return p, conn.Close()
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("nginx ended before it listened: %w\n%s", p.err, p.Tail())
		case <-ctx.Done():
			p.Stop()
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}
