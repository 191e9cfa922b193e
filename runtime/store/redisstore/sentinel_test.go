package redisstore

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sentinels start a primary, a replica of it, and three sentinels that watch them.
func sentinels(t *testing.T) (url string, primary, replica *server) {
	t.Helper()
	primary = start(t)
	replica = start(t, "--replicaof", "127.0.0.1 "+portOf(primary), "--repl-diskless-sync-delay", "0")
	var hosts []string
	for range 3 {
		port := freePort(t)
		config := "port " + strconv.Itoa(port) + "\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 " + portOf(primary) + " 2\n" +
			"sentinel down-after-milliseconds main 1000\nsentinel failover-timeout main 5000\n"
		path := writeFile(t, t.TempDir(), "sentinel.conf", config)
		process := exec.CommandContext(t.Context(), "redis-server", path, "--sentinel")
		if err := process.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = process.Process.Kill()
			_ = process.Wait()
		})
		hosts = append(hosts, "127.0.0.1:"+strconv.Itoa(port))
	}
	first := &server{port: atoi(t, hosts[0])}
	eventually(t, "the sentinels know the replica and each other", 30*time.Second, func() bool {
		out, err := exec.CommandContext(t.Context(), "redis-cli", "-p", strconv.Itoa(first.port), "sentinel", "master", "main").Output()
		return err == nil && strings.Contains(string(out), "num-slaves\n1") && strings.Contains(string(out), "num-other-sentinels\n2")
	})
	return "redis+sentinel://" + strings.Join(hosts, ",") + "/main", primary, replica
}

func atoi(t *testing.T, address string) int {
	t.Helper()
	_, port, _ := strings.Cut(address, ":")
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// covers: T-STO-04
func TestAFailover(t *testing.T) {
	t.Parallel()
	url, primary, replica := sentinels(t)
	s := mustOpen(t, url, Config{})
	if outcomes, err := s.Do(t.Context(), mark("kept")); err != nil || !outcomes[0].Swapped {
		t.Fatalf("%v, %v", outcomes, err)
	}
	eventually(t, "the replica has the entry", 10*time.Second, func() bool {
		return replica.do(t, "GET", s.key("g", "kept")) == "\x01"
	})
	primary.kill()
	eventually(t, "the other is the primary", 30*time.Second, func() bool {
		outcomes, err := s.Do(t.Context(), mark("kept"))
		return err == nil && !outcomes[0].Swapped && outcomes[0].Values[0] != nil
	})
	if outcomes, err := s.Do(t.Context(), mark("more")); err != nil || !outcomes[0].Swapped {
		t.Errorf("%v, %v", outcomes, err)
	}
}
