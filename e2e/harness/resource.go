package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// readyTime bounds how long a resource server may take to answer.
const readyTime = time.Minute

// ResourceServer is `latchkey serve` in front of an authorization server.
type ResourceServer struct {
	// Binary is the command line's path, LogDir where serve.log is written.
	Binary, LogDir string
	Port           int
	Server         Server

	process *Process
	args    []string
}

// Origin is its public URL.
func (r *ResourceServer) Origin() string { return fmt.Sprintf("http://127.0.0.1:%d", r.Port) }

// MCPURL is its canonical resource URL, where MCP is spoken.
func (r *ResourceServer) MCPURL() string { return r.Origin() + "/mcp" }

// Start starts it, with further arguments, and returns when it answers.
func (r *ResourceServer) Start(ctx context.Context, args ...string) error {
	r.args = args
	var err error
	r.process, err = Start(ctx, Command{
		Name: "serve", LogDir: r.LogDir, Path: r.Binary,
		Args: append(r.Server.Command(fmt.Sprintf("127.0.0.1:%d", r.Port)), args...),
		Env:  r.Server.Environment(),
	})
	if err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := r.process.WaitReady(ready, r.Origin()+"/healthz"); err != nil {
		r.process.Stop()
		return err
	}
	return nil
}

// Restart replaces the process by one with the same arguments, and further ones, at the same address.
func (r *ResourceServer) Restart(ctx context.Context, further ...string) error {
	r.process.Stop()
	return r.Start(ctx, slices.Concat(r.args, further)...)
}

// Process is the running one.
func (r *ResourceServer) Process() *Process { return r.process }

// Stop ends it.
func (r *ResourceServer) Stop() {
	if r.process != nil {
		r.process.Stop()
	}
}

// Log is what it has logged so far, in all its starts.
func (r *ResourceServer) Log() string { return r.process.Log() }

// Answer is what an HTTP request got.
type Answer struct {
	Status    int
	Challenge string
	Body      []byte
}

// Whoami asks for the caller of a token over plain HTTP.
func (r *ResourceServer) Whoami(ctx context.Context, token string) (*Answer, error) {
	return request(ctx, http.MethodGet, r.Origin()+"/whoami", token, "")
}

// Ping sends an MCP request with a token.
func (r *ResourceServer) Ping(ctx context.Context, token string) (*Answer, error) {
	return request(ctx, http.MethodPost, r.MCPURL(), token, `{"jsonrpc":"2.0","id":1,"method":"ping"}`)
}

func request(ctx context.Context, method, target, token, body string) (*Answer, error) {
	request, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json, text/event-stream")
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	return &Answer{response.StatusCode, response.Header.Get("WWW-Authenticate"), content}, nil
}

// Caller is what the tool whoami and GET /whoami answer.
type Caller struct {
	User struct {
		UserID   string   `json:"userId"`
		Email    string   `json:"email"`
		Name     string   `json:"name"`
		Username string   `json:"username"`
		Roles    []string `json:"roles"`
	} `json:"user"`
	Scopes      []string  `json:"scopes"`
	Permissions []string  `json:"permissions"`
	ClientID    string    `json:"client_id"`
	Issuer      string    `json:"issuer"`
	ExpiresAt   time.Time `json:"expires_at"`
}
