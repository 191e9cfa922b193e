// Package host makes whole authorization servers of Go libraries, which leave to their users what
// they do not support or what is different everywhere: a listener with a log, dynamic client
// registration, and the page where the user logs in.
package host

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Origin is the public URL of a server on a port.
func Origin(port int) string { return fmt.Sprintf("http://127.0.0.1:%d", port) }

// Host is a running server.
type Host struct {
	server *http.Server
	file   *os.File
	ended  chan struct{}
	once   sync.Once
}

// Start serves a handler on a port. The file name.log in dir lists the requests, without queries,
// which hold codes.
func Start(ctx context.Context, name, dir string, port int, handler http.Handler) (*Host, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	logger := log.New(file, "", log.LstdFlags)
	h := &Host{file: file, ended: make(chan struct{})}
	h.server = &http.Server{
		ReadHeaderTimeout: 10 * time.Second, ErrorLog: logger,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := &statusWriter{ResponseWriter: w, status: http.StatusOK}
			handler.ServeHTTP(answer, r)
			logger.Printf("%s %s %d", r.Method, r.URL.Path, answer.status)
		}),
	}
	go func() {
		defer close(h.ended)
		_ = h.server.Serve(listener) // ends with Stop
	}()
	return h, nil
}

// Log is what was logged so far.
func (h *Host) Log() string {
	text, err := os.ReadFile(h.file.Name())
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends the server. It may be called twice.
func (h *Host) Stop() {
	h.once.Do(func() {
		_ = h.server.Close()
		<-h.ended
		_ = h.file.Close()
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter

	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
