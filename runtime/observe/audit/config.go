package audit

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/latchkey-auth/latchkey/oauth"
)

// Person is how records name users.
type Person string

// The ways of naming users.
const (
	// Plain writes issuer, subject, email and name as they are. It is the default.
	Plain Person = "plain"
	// Hash writes the issuer, and keyed digests of the others: records of one user can be put
	// together, and nobody without the key learns whose they are.
	Hash Person = "hash"
	// Omit names nobody. Actors are left out too.
	Omit Person = "omit"
)

const (
	// DefaultQueue is how many records may wait, where nothing else is configured.
	DefaultQueue = 16384
	// minKey is the least length of the key of digests, in bytes.
	minKey = 16
)

// Config says what a [Log] records. The zero value writes users as they are, and lets decisions
// happen that it cannot record.
type Config struct {
	// Person is how users are named: [Plain], [Hash] or [Omit].
	Person Person
	// Key is the key of the digests of [Hash], at least 16 bytes. Another key is derived from it, so
	// that one with another purpose will do.
	Key oauth.Secret
	// Callers records the verified caller of every request too ([observe.CallerVerified]).
	Callers bool
	// Sync has every record on the disk (fsync) before it counts as written, in a log by [Open].
	// Records that wait together share one.
	Sync bool
	// FailClosed lets nothing happen that is not recorded: requests wait for their record, and are
	// answered with 503 where it cannot be written.
	FailClosed bool
	// Queue is how many records may wait to be written. The default is [DefaultQueue]. A record that
	// finds it full is dropped and counted.
	Queue int
	// Logger is told of records that cannot be written. The default is [slog.Default].
	Logger *slog.Logger
}

func (c *Config) check() error {
	switch c.Person {
	case "":
		c.Person = Plain
	case Hash:
		if len(c.Key) < minKey {
			return fmt.Errorf("audit: digests of users need a key of %d bytes or more", minKey)
		}
	case Plain, Omit:
	default:
		return fmt.Errorf("audit: %q is no way to name users: choose plain, hash or omit", c.Person)
	}
	if c.Queue < 0 {
		return errors.New("audit: Queue must not be negative")
	}
	if c.Queue == 0 {
		c.Queue = DefaultQueue
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return nil
}
