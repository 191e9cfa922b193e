package mcpadapter

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/latchkey-auth/latchkey/oauth"
)

// ToolScopes are the scopes or permissions that tools need, all of them, by the tool's name. Tools
// that are not listed need what the guard needs.
//
// It takes two hooks, since the answer that makes clients ask for more scopes is one of HTTP (RFC
// 6750 section 3.1), and what a message means is known to MCP alone: [ToolScopes.Enforce] is the
// lock, [ToolScopes.Challenge] tells clients which key to get.
type ToolScopes map[string][]string

// Refuser answers a refused request with a challenge. A guard is one.
type Refuser interface {
	Refuse(w http.ResponseWriter, r *http.Request, err error)
}

// maxLookedAt is how much of a request's body is read to find the tool that it calls.
const maxLookedAt = 1 << 20

const callTool = "tools/call"

// Enforce is middleware for [mcp.Server.AddReceivingMiddleware]: a call of a tool fails whose
// caller lacks one of its scopes, whatever the transport.
func (s ToolScopes) Enforce(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, request mcp.Request) (mcp.Result, error) {
		if call, ok := request.(*mcp.CallToolRequest); ok {
			info, found := AuthInfo(call)
			if !found {
				info, _ = oauth.FromContext(ctx) // an SSEHandler passes no TokenInfo on
			}
			if err := s.missing(info, call.Params.Name); err != nil {
				return nil, err
			}
		}
		return next(ctx, method, request)
	}
}

// Challenge answers a call of a tool whose caller lacks one of its scopes with 403 and
// error="insufficient_scope", after which clients ask for what they had and what was missing. Put
// it below the guard and around [Handler]. Challenge leaves to [ToolScopes.Enforce] what it does
// not find in a request, such as a tool's name behind a megabyte of arguments.
func (s ToolScopes) Challenge(guard Refuser, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Body == nil || len(s) == 0 {
			next.ServeHTTP(w, r)
			return
		}
		head, err := io.ReadAll(io.LimitReader(r.Body, maxLookedAt))
		if err != nil {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		info, _ := oauth.FromContext(r.Context())
		for _, tool := range calledTools(head) {
			if refusal := s.missing(info, tool); refusal != nil {
				guard.Refuse(w, r, refusal)
				return
			}
		}
		r.Body = replayed{io.MultiReader(bytes.NewReader(head), r.Body), r.Body}
		next.ServeHTTP(w, r)
	})
}

// replayed is a body of which the beginning was read before.
type replayed struct {
	io.Reader
	io.Closer
}

// missing returns the refusal of a caller who lacks one of a tool's scopes.
func (s ToolScopes) missing(info *oauth.AuthInfo, tool string) error {
	needed := s[tool]
	switch {
	case len(needed) == 0:
		return nil
	case info == nil:
		return oauth.ErrMissingCredentials
	}
	return info.CheckScope(needed...)
}

// calledTools returns the tools that a message calls, or a batch of them.
func calledTools(body []byte) []string {
	type message struct {
		Method string `json:"method"`
		Params struct {
			Name string `json:"name"`
		} `json:"params"`
	}
	var batch []message
	if strings.HasPrefix(string(bytes.TrimLeft(body, " \t\r\n")), "[") {
		if json.Unmarshal(body, &batch) != nil {
			return nil
		}
	} else {
		var one message
		if json.Unmarshal(body, &one) != nil {
			return nil
		}
		batch = append(batch, one)
	}
	var tools []string
	for _, m := range batch {
		if m.Method == callTool {
			tools = append(tools, m.Params.Name)
		}
	}
	return tools
}
