// Command target serves one of the servers that are measured over sockets, on a free port of
// loopback, until its standard input ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/latchkey-auth/latchkey/bench"
)

func main() {
	name := flag.String("server", bench.Latchkey, "name of the server")
	jwks := flag.String("jwks", "", "URL of the key set")
	flag.Parse()
	if err := run(*name, *jwks); err != nil {
		fmt.Fprintln(os.Stderr, "target:", err)
		os.Exit(1)
	}
}

func run(name, jwks string) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	handler, err := bench.NewServer(ctx, name, jwks)
	if err != nil {
		return err
	}
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is the end of the one who measures
		_ = server.Close()
	}()
	fmt.Println("listening", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
