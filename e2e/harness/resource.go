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

// ResourceServer is `latchkey serve` in front of an authorization server: one process, or several
// that share nothing but their configuration.
type ResourceServer struct {
	// Binary is the command line's path, LogDir where serve.log is written.
	Binary, LogDir string
	Port           int
	Server         Server
	// Replicas, when set, are the ports of processes behind a reverse proxy on Port, which sends
	// each request to the next.
	Replicas []int

	processes []*Process
	logs      []*Process // the first of each name, whose log all later ones continue
	balancer  *balancer
	args      []string
}

// Origin is its public URL.
func (r *ResourceServer) Origin() string { return fmt.Sprintf("http://127.0.0.1:%d", r.Port) }

// MCPURL is its canonical resource URL, where MCP is spoken.
func (r *ResourceServer) MCPURL() string { return r.Origin() + "/mcp" }

// Start starts it, with further arguments, and returns when it answers.
func (r *ResourceServer) Start(ctx context.Context, args ...string) error {
	r.args = args
	if len(r.Replicas) == 0 {
		return r.start(ctx, "serve", r.Port, args)
	}
	if r.balancer == nil {
		var err error
		if r.balancer, err = newBalancer(ctx, r.Port, r.Replicas); err != nil {
			return err
		}
	}
	for i, port := range r.Replicas {
		err := r.start(ctx, fmt.Sprintf("serve-%d", i+1), port, append(slices.Clone(args), "--public-url", r.Origin()))
		if err != nil {
			r.Stop()
			return err
		}
	}
	return nil
}

// start starts a process and waits until it answers.
func (r *ResourceServer) start(ctx context.Context, name string, port int, args []string) error {
	address := fmt.Sprintf("127.0.0.1:%d", port)
	process, err := Start(ctx, Command{
		Name: name, LogDir: r.LogDir, Path: r.Binary,
		Args: append(r.Server.Command(address), args...),
		Env:  r.Server.Environment(),
	})
	if err != nil {
		return err
	}
	ready, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	if err := process.WaitReady(ready, "http://"+address+"/healthz"); err != nil {
		process.Stop()
		return err
	}
	r.processes = append(r.processes, process)
	if !slices.ContainsFunc(r.logs, func(first *Process) bool { return first.log == process.log }) {
		r.logs = append(r.logs, process)
	}
	return nil
}

// Restart replaces the processes by new ones with the same arguments, and further ones, at the same
// addresses.
func (r *ResourceServer) Restart(ctx context.Context, further ...string) error {
	r.end((*Process).Stop)
	return r.Start(ctx, slices.Concat(r.args, further)...)
}

// Crash kills the processes, which can put nothing in order any more, and starts them again.
func (r *ResourceServer) Crash(ctx context.Context) error {
	r.end((*Process).Kill)
	return r.Start(ctx, r.args...)
}

func (r *ResourceServer) end(how func(*Process)) {
	for _, process := range r.processes {
		how(process)
	}
	r.processes = nil
}

// Process is the running one, the first of several.
func (r *ResourceServer) Process() *Process { return r.processes[0] }

// Stop ends it.
func (r *ResourceServer) Stop() {
	r.end((*Process).Stop)
	if r.balancer != nil {
		r.balancer.stop()
	}
}

// Log is what its processes have logged so far, in all their starts.
func (r *ResourceServer) Log() string {
	var log strings.Builder
	for _, first := range r.logs {
		log.WriteString(first.Log())
	}
	return log.String()
}

// RefusedTokens is how many MCP requests were refused so far for the token that they had. Those
// without any are not logged.
func (r *ResourceServer) RefusedTokens() int {
	refused := 0
	for line := range strings.Lines(r.Log()) {
		_, refusal, found := strings.Cut(line, `msg="request refused"`)
		if found && strings.Contains(refusal, " status=401 ") && strings.Contains(refusal, " path=/mcp ") {
			refused++
		}
	}
	return refused
}

// Served are the requests so far in the order in which they came, of a server with replicas.
func (r *ResourceServer) Served() []Served { return r.balancer.all() }

// Turn makes a replica the next one whose turn it is.
func (r *ResourceServer) Turn(replica int) { r.balancer.turn(replica) }

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
