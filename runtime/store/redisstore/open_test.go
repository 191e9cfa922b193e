package redisstore

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redistest"
	"github.com/latchkey-auth/latchkey/runtime/store"
)

// slow is more than any answer takes on a machine that has much to do.
const slow = 10 * time.Second

// tryOpen opens a store for a moment.
func tryOpen(t *testing.T, url string, config Config) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	s, err := Open(ctx, url, config)
	if err == nil {
		s.Close()
	}
	return err
}

func TestAURLThatNamesNoStore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	none := writeFile(t, dir, "none.pem", "no certificate")
	for url, want := range map[string]string{
		"":                                            "redis://",
		"redis.example.com:6379":                      "redis://",
		"http://redis.example.com":                    "redis://",
		"redis://":                                    "each host",
		"redis://:secret@":                            "each host",
		"redis://host:port":                           "each host",
		"redis://a:1,b:2":                             "several hosts",
		"redis://host/zero":                           "number",
		"redis://host/-1":                             "number",
		"redis://user@host":                           "without a password",
		"redis://host#part":                           "cannot be read",
		"redis://us%er:secret@host":                   "cannot be read",
		"redis://host?ca=x":                           "rediss",
		"rediss://host?verify=no":                     "verify",
		"rediss://host?ca=" + dir + "/missing":        "cannot be read",
		"rediss://host?ca=" + none:                    "without a certificate",
		"rediss://host?cert=" + none:                  "together",
		"rediss://host?cert=" + none + "&key=" + none: "cannot be used",
		"rediss://host?ca=" + none + "&ca=" + none:    "once",
		"redis+cluster://a:1,b:2/1":                   "one database",
		"redis+cluster://a:1,":                        "each host",
		"redis+sentinel://a:1,b:2":                    "primary",
		"redis+sentinel://a:1/main/x":                 "number",
		"redis://host?sentinel-user=x":                "redis+sentinel",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			err := tryOpen(t, url, Config{})
			if !errors.Is(err, ErrURL) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}

func TestWhatAURLNames(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]struct {
		addresses, name, user, password, primary string
		database                                 int
		tls, single                              bool
	}{
		"redis://redis.internal": {addresses: "redis.internal:6379", name: "redis://redis.internal", single: true},
		"rediss://ada:p%40ss@redis.internal:7000/3": {
			addresses: "redis.internal:7000", name: "rediss://redis.internal:7000/3", user: "ada", password: "p@ss", database: 3, tls: true, single: true,
		},
		"redis://:p:w@[::1]:7000":            {addresses: "[::1]:7000", name: "redis://[::1]:7000", password: "p:w", single: true},
		"redis+cluster://:pw@a:1,b,[::1]:3":  {addresses: "a:1 b:6379 [::1]:3", name: "redis+cluster://a:1,b,[::1]:3", password: "pw"},
		"rediss+sentinel://u:p@a,b:2/main/4": {addresses: "a:26379 b:2", name: "rediss+sentinel://a,b:2/main/4", user: "u", password: "p", primary: "main", database: 4, tls: true},
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			a, err := parseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			o := a.options
			if strings.Join(o.InitAddress, " ") != want.addresses || a.name != want.name || o.Username != want.user || o.Password != want.password ||
				o.Sentinel.MasterSet != want.primary || o.SelectDB != want.database || (o.TLSConfig != nil) != want.tls || o.ForceSingleClient != want.single {
				t.Errorf("got %v, %q, user %q, primary %q, database %d", o.InitAddress, a.name, o.Username, o.Sentinel.MasterSet, o.SelectDB)
			}
			if o.Sentinel.Username != "" || o.Sentinel.Password != "" {
				t.Error("the sentinels get the login of the servers")
			}
		})
	}
}

// A server that waiting does not change is refused at once, with words that say what to correct.
// covers: T-STO-04
func TestAServerThatCannotBeTheStore(t *testing.T) {
	t.Parallel()
	users := "user ada on >right ~latchkey:* +get +mget +set +del +eval +evalsha +info +ping +hello +select +client +cluster\nuser bob on >right ~latchkey:* +get +mget +hello\nuser default on nopass ~* &* +@all\n"
	withUsers := func(t *testing.T) *redistest.Server {
		t.Helper()
		return redistest.Start(t, "--aclfile", writeFile(t, t.TempDir(), "users.acl", users))
	}
	for name, c := range map[string]struct {
		url  func(t *testing.T) string
		want string
	}{
		"a wrong password": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(withUsers(t).URL(), "://", "://ada:wrong@", 1)
		}, "refuses the login"},
		"an unknown user": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(withUsers(t).URL(), "://", "://eve:right@", 1)
		}, "refuses the login"},
		"no password where one is needed": {func(t *testing.T) string {
			t.Helper()
			return redistest.Start(t, "--requirepass", "right").URL()
		}, "refuses the login"},
		"a user that may not run scripts": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(withUsers(t).URL(), "://", "://bob:right@", 1)
		}, "may not do"},
		"a read-only replica": {func(t *testing.T) string {
			t.Helper()
			return redistest.Start(t, "--replicaof", "127.0.0.1 "+strconv.Itoa(redistest.Start(t).Port)).URL()
		}, "read-only replica"},
		"TLS at a port without": {func(t *testing.T) string {
			t.Helper()
			return strings.Replace(redistest.Start(t).URL(), "redis:", "rediss:", 1)
		}, "TLS"},
		"evicting any entry": {func(t *testing.T) string {
			t.Helper()
			return redistest.Start(t, "--maxmemory-policy", "allkeys-lru").URL()
		}, "allkeys-lru"},
		"evicting entries that expire": {func(t *testing.T) string {
			t.Helper()
			return redistest.Start(t, "--maxmemory-policy", "volatile-ttl").URL()
		}, "volatile-ttl"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			began := time.Now()
			err := tryOpen(t, c.url(t), Config{Timeout: slow})
			if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "right") || strings.Contains(err.Error(), "wrong") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	t.Run("a user that may do what is needed", func(t *testing.T) {
		t.Parallel()
		if err := tryOpen(t, strings.Replace(withUsers(t).URL(), "://", "://ada:right@", 1), Config{Timeout: slow}); err != nil {
			t.Error(err)
		}
	})
}

// A port that stays silent when TLS begins is what a plain Redis may be.
func TestTLSAtAPortThatStaysSilent(t *testing.T) {
	t.Parallel()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, conn) }()
		}
	}()
	began := time.Now()
	err = tryOpen(t, "rediss://"+l.Addr().String(), Config{})
	if !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), "within 3s") || time.Since(began) > 2*dialTimeout+time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

// covers: T-STO-04
func TestOpenWaitsForAServerThatIsAway(t *testing.T) {
	t.Parallel()
	away := redistest.Start(t)
	away.Kill()
	told := &seen{}
	opened := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s, err := Open(ctx, away.URL(), Config{Observer: told, Timeout: slow})
		if err == nil {
			s.Close()
		}
		opened <- err
	}()
	redistest.Eventually(t, "it says that it waits", 10*time.Second, func() bool { return told.count("waiting for the store") > 1 })
	away.Run()
	if err := <-opened; err != nil {
		t.Error(err)
	}
	away.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, away.URL(), Config{Observer: told}); err == nil || errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), away.Address()) {
		t.Errorf("got %v", err)
	}
}

// Where what the server does about memory cannot be read, the operator hears of it.
func TestAServerWhosePolicyCannotBeRead(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t, "--rename-command", "INFO", "")
	told := &seen{}
	mustOpen(t, s.URL(), Config{Observer: told, Timeout: slow})
	if told.count("maxmemory-policy") != 1 {
		t.Errorf("the events are %+v", told.events)
	}
}

// mark is a step that sets an entry.
func mark(key string) store.Step {
	return store.Step{Group: "g", Get: []string{key}, Swap: []store.Swap{{Key: key, Next: []byte{1}, TTL: time.Minute}}}
}

// covers: T-STO-04
func TestAStoreRecoversByItself(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := mustOpen(t, server.URL(), Config{})
	do := func(key string) error {
		_, err := s.Do(t.Context(), mark(key))
		return err
	}
	if err := do("before"); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	if err := do("while it is away"); err == nil || !strings.Contains(err.Error(), server.Address()) {
		t.Errorf("got %v", err)
	}
	server.Run() // which knows no script
	redistest.Eventually(t, "it works again", 10*time.Second, func() bool { return do("after") == nil })
	for range 50 { // on every connection
		if err := do("later"); err != nil {
			t.Errorf("after it worked again: %v", err)
		}
	}
	server.Do("CLIENT", "PAUSE", "60000")
	began := time.Now()
	if err := do("paused"); err == nil || time.Since(began) > 2*DefaultTimeout {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

func TestAScriptThatTheServerForgot(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := mustOpen(t, server.URL(), Config{Timeout: slow})
	server.Do("SCRIPT", "FLUSH")
	outcomes, err := s.Do(t.Context(), mark("k"), store.Step{Group: "g", Get: []string{"k"}}, mark("k"), mark("l"))
	if err != nil {
		t.Fatal(err)
	}
	if outcomes[0].Values[0] != nil || !outcomes[0].Swapped || string(outcomes[1].Values[0]) != "\x01" || outcomes[2].Swapped || !outcomes[3].Swapped {
		t.Errorf("the outcomes are %+v", outcomes)
	}
}

// A server that is full refuses, and forgets nothing.
func TestAServerThatIsFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := mustOpen(t, server.URL(), Config{Timeout: slow})
	if _, err := s.Do(t.Context(), mark("revoked")); err != nil {
		t.Fatal(err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "1")
	if _, err := s.Do(t.Context(), mark("more")); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("got %v", err)
	}
	outcomes, err := s.Do(t.Context(), store.Step{Group: "g", Get: []string{"revoked"}})
	if err != nil || outcomes[0].Values[0] == nil {
		t.Errorf("the entry: %v, %v", outcomes, err)
	}
	server.Do("CONFIG", "SET", "maxmemory", "0")
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}
