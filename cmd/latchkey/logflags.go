package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/latchkey-auth/latchkey/internal/logs"
	"github.com/latchkey-auth/latchkey/internal/secretenv"
	"github.com/latchkey-auth/latchkey/internal/server"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime"
)

// logFlags say how a server logs.
type logFlags struct {
	LogFormat   string `name:"log-format" enum:"text,json" default:"text" help:"Log as text, or as a JSON object a line (json). The members are listed in docs/observability.md."`
	LogLevel    string `name:"log-level" enum:"debug,info,warn,error" default:"info" help:"Least level that is logged: debug, info, warn or error. With debug every request has a line."`
	LogSubjects string `name:"log-subjects" enum:"plain,hash" default:"plain" help:"Log the subjects of users as they are (plain), or keyed digests of them (hash), by MCP_USE_OAUTH_LOG_KEY or the newest sealing key."`
}

// logKeyVariable is the variable with the key of the digests of subjects.
const logKeyVariable = "MCP_USE_OAUTH_LOG_KEY"

// minLogKey is the least length of that key, in bytes.
const minLogKey = 16

// logger returns the log on standard error.
func (f *logFlags) logger(env environment) (*slog.Logger, error) {
	config := logs.Config{JSON: f.LogFormat == "json"}
	if err := config.Level.UnmarshalText([]byte(f.LogLevel)); err != nil {
		return nil, fmt.Errorf("--log-level: %w", err)
	}
	if f.LogSubjects == "hash" {
		key, err := logKey(env, "--log-subjects hash")
		if err != nil {
			return nil, err
		}
		config.SubjectKey = []byte(key.Reveal())
	}
	return logs.New(env.stderr, config), nil
}

// logKey is the key of the digests that a flag asks for.
func logKey(env environment, flag string) (oauth.Secret, error) {
	key, source, err := secretenv.Lookup(env.lookupEnv, logKeyVariable)
	switch {
	case err != nil:
		return "", err
	case key != "" && len(key) < minLogKey:
		return "", fmt.Errorf("%s must be at least %d bytes long", source, minLogKey)
	case key != "":
		return oauth.Secret(key), nil
	}
	ring, err := runtime.SealingKeys(env.lookupEnv)
	if err == nil && len(ring) == 0 {
		err = errors.New(flag + " needs a key: set " + logKeyVariable + " or " + runtime.SealingKeysVariable)
	}
	if err != nil {
		return "", err
	}
	return ring[0], nil
}

// announce says what the server does, in the form of the log.
func announce(env environment, log *slog.Logger, resource string, provider oauth.Description, address net.Addr) {
	redirect := ""
	if provider.Mode == oauth.Proxy {
		redirect = server.RedirectURI(resource)
	}
	if env.jsonLog {
		log.Info("serving", "provider", provider.Name, "resource", resource, "address", address.String())
		if redirect != "" {
			log.Info("this is the redirect URI to register at the provider", "provider", provider.Name, "redirect_uri", redirect)
		}
		return
	}
	_, _ = fmt.Fprintf(env.stderr, "latchkey: serving %s with %s on %s\n", resource, provider.Title, address)
	if redirect != "" {
		_, _ = fmt.Fprintf(env.stderr, "latchkey: the redirect URI to register at the provider is %s\n", redirect)
	}
}
