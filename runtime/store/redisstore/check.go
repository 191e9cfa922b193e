package redisstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/valkey-io/valkey-go"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/events"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// probe is a step that writes, and leaves nothing behind for long.
func probe() store.Step {
	return store.Step{Group: "probe", Swap: []store.Swap{{Key: "probe"}, {Key: "entry", Next: []byte{1}, TTL: 1}}}
}

// checkServers makes sure that entries can be written, and that no server evicts them.
func (s *Store) checkServers(ctx context.Context, sender *events.Sender) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	if _, err := s.do(ctx, []store.Step{probe()}); err != nil {
		return err
	}
	for node, client := range s.client.Nodes() {
		info, err := client.Do(ctx, client.B().Info().Section("memory").Build()).ToString()
		policy, found := maxmemoryPolicy(info)
		switch {
		case err != nil || !found:
			sender.Observe(ctx, observe.Event{
				Kind: observe.StoreTrouble, Level: slog.LevelWarn, Err: err, Reason: oauth.ReasonStoreUnavailable,
				Message: "whether the store evicts entries cannot be read (INFO memory): its maxmemory-policy must be noeviction, or revoked tokens work again",
				Details: []slog.Attr{slog.String("server", node)},
			})
		case policy != "noeviction":
			return fmt.Errorf("%w: %s has the maxmemory-policy %s, which drops entries when memory is short, so that revoked or used tokens "+
				"would be accepted again: set it to noeviction", ErrUnusable, node, policy)
		}
	}
	return nil
}

// maxmemoryPolicy reads the answer to INFO memory.
func maxmemoryPolicy(info string) (policy string, found bool) {
	for line := range strings.Lines(info) {
		if policy, found = strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); found {
			return policy, true
		}
	}
	return "", false
}

// explained adds what the operator has to correct to an error of connecting that waiting does not
// change.
func explained(err error) error {
	for _, wrong := range []error{errSpeaksTLS, errNoTLS, errSilentTLS, errHandshake} {
		if errors.Is(err, wrong) {
			return fmt.Errorf("%w: %w", ErrUnusable, err)
		}
	}
	e, ok := valkey.IsValkeyErr(err)
	if !ok {
		return err
	}
	word, _, _ := strings.Cut(e.Error(), " ")
	switch {
	case slices.Contains([]string{"WRONGPASS", "NOAUTH"}, word), strings.Contains(e.Error(), "AUTH"):
		return fmt.Errorf("%w: it refuses the login (%s): check user and password of the URL", ErrUnusable, word)
	case word == "NOPERM":
		return fmt.Errorf("%w: its user may not do what is needed: %w", ErrUnusable, err)
	case word == "READONLY":
		return fmt.Errorf("%w: it is a read-only replica: name the primary, or use redis+sentinel", ErrUnusable)
	}
	return err
}
