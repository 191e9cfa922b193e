package server_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/readiness"
	"github.com/latchkey-auth/latchkey/internal/server"
)

func TestADrainingServerIsNotReadyAndServesOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cause error
		serve time.Duration // how long after the stop new connections are taken
	}{
		"SIGTERM": {cause: server.ErrTerminated, serve: 5 * time.Second},
		"Ctrl-C":  {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				listener := &pipes{incoming: make(chan net.Conn), closed: make(chan struct{})}
				ready := readiness.New(nil)
				ctx, stop := context.WithCancelCause(t.Context())
				ended := make(chan error, 1)
				go func() {
					ended <- server.Run(ctx, listener, ready, server.Lifecycle{
						Ready: ready, Drain: 5 * time.Second, Logger: slog.New(slog.DiscardHandler),
					})
				}()
				synctest.Wait()
				if status := statusOf(t, listener); status != http.StatusOK {
					t.Errorf("/readyz is %d before the stop", status)
				}
				stop(c.cause)
				synctest.Wait()
				stopped := time.Now()
				if c.serve > 0 {
					time.Sleep(c.serve - time.Second)
					if status := statusOf(t, listener); status != http.StatusServiceUnavailable {
						t.Errorf("/readyz is %d while the server drains", status)
					}
				}
				<-listener.closed
				if took := time.Since(stopped); took != c.serve {
					t.Errorf("the listener closed after %s, want %s", took, c.serve)
				}
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// statusOf asks over a connection of its own.
func statusOf(t *testing.T, listener *pipes) int {
	t.Helper()
	conn := listener.dial()
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /readyz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	return response.StatusCode
}

func TestTheServiceManagerIsToldOfStartAndStop(t *testing.T) {
	// No parallel test: sd_notify(3) is about the process's own environment.
	address := filepath.Join(t.TempDir(), "notify")
	manager, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "unixgram", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = manager.Close() })
	t.Setenv("NOTIFY_SOCKET", address)
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, listener, http.NotFoundHandler(), server.Lifecycle{Logger: slog.New(slog.DiscardHandler)})
	}()
	told := make([]byte, 100)
	for _, want := range []string{"READY=1", "STOPPING=1"} {
		_ = manager.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, _, err := manager.ReadFrom(told)
		if err != nil || string(told[:n]) != want {
			t.Fatalf("the manager is told %q (%v), want %q", told[:n], err, want)
		}
		stop()
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReadyIsPublicAndKeepsItsPath(t *testing.T) {
	t.Parallel()
	if _, err := server.ResourceURL("https://mcp.example.com", "", "/readyz"); err == nil {
		t.Error("the MCP endpoint may take the path of /readyz")
	}
}

func TestARenewedCertificateIsServedAndABrokenOneIsNot(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	write := func(cert, key []byte) {
		for name, data := range map[string][]byte{certFile: cert, keyFile: key} {
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := server.TLS(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("files that are not there are no error")
	}
	write(pair(t, 1))
	synctest.Test(t, func(t *testing.T) {
		config, err := server.TLS(certFile, keyFile, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		serves := func(want int64) {
			t.Helper()
			time.Sleep(10 * time.Second)
			cert, err := config.GetCertificate(&tls.ClientHelloInfo{})
			if err != nil || cert.Leaf.SerialNumber.Int64() != want {
				t.Errorf("certificate %v, %v, want %d", cert.Leaf.SerialNumber, err, want)
			}
		}
		serves(1)
		write([]byte("half of a file"), []byte("half of a key"))
		serves(1)
		write(pair(t, 22222222)) // of another size, whatever the clock of the file system says
		serves(22222222)
		if err := os.Remove(keyFile); err != nil {
			t.Fatal(err)
		}
		serves(22222222)
	})
	if config, err := server.TLS(certFile, keyFile, slog.New(slog.DiscardHandler)); err == nil {
		t.Errorf("a certificate without its key gives %v", config)
	}
}

func TestAServerSpeaksHTTPSItself(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	certFile, keyFile := filepath.Join(folder, "tls.crt"), filepath.Join(folder, "tls.key")
	cert, key := pair(t, 7)
	for name, data := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	config, err := server.TLS(certFile, keyFile, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- server.Run(ctx, listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Proto)
		}), server.Lifecycle{TLS: config, Logger: slog.New(slog.DiscardHandler)})
	}()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cert)
	client := &http.Client{}
	client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}, ForceAttemptHTTP2: true}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+listener.Addr().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	_ = response.Body.Close()
	if string(body) != "HTTP/2.0" {
		t.Errorf("the answer came by %s", body)
	}
	client.CloseIdleConnections()
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// pair is a certificate of 127.0.0.1 and its key, in PEM.
func pair(t *testing.T, serial int64) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}
