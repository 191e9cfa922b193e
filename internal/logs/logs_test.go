package logs_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/internal/logs"
)

// lines is a log in memory.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSuffix(l.text.String(), "\n"), "\n")
}

func TestFloodsAreSummedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out lines
		log := logs.New(&out, logs.Config{})
		for range 1254 {
			log.Info("request refused", "event", "request_refused", "reason", "expired", "client", "c")
		}
		log.Info("request refused", "event", "request_refused", "reason", "audience")
		log.Info("an ordinary line")
		if n := len(out.all()); n != 52 {
			t.Errorf("%d lines at first, want 52", n)
		}
		time.Sleep(11 * time.Second)
		last := out.all()[len(out.all())-1]
		if len(out.all()) != 53 || !strings.Contains(last, "and 1,204 more like it in 10s") || !strings.Contains(last, "reason=expired") {
			t.Errorf("%d lines in the end, the last is %s", len(out.all()), last)
		}
		log.With("request", 1).Info("request refused", "event", "request_refused", "reason", "expired")
		if n := len(out.all()); n != 54 {
			t.Errorf("the next window has %d lines, want 54", n)
		}
		time.Sleep(11 * time.Second)
		if n := len(out.all()); n != 54 {
			t.Errorf("a window without a flood has a sum: %v", out.all())
		}
	})
}

func TestLinesAreObjectsAndSubjectsDigests(t *testing.T) {
	t.Parallel()
	subject := func(key string) (member string) {
		var out lines
		logs.New(&out, logs.Config{JSON: true, Level: slog.LevelWarn, SubjectKey: []byte(key)}).Warn("m", "subject", "alice@example.com", "client", "c")
		var line map[string]any
		if err := json.Unmarshal([]byte(out.all()[0]), &line); err != nil {
			t.Fatal(err)
		}
		if line["time"] == "" || line["level"] != "WARN" || line["msg"] != "m" || line["client"] != "c" {
			t.Errorf("the line is %v", line)
		}
		member, _ = line["subject"].(string)
		return member
	}
	if got := subject(""); got != "alice@example.com" {
		t.Errorf("without a key the subject is %s", got)
	}
	one := subject("key one")
	if strings.Contains(one, "alice") || one != subject("key one") || one == subject("key two") {
		t.Errorf("the digests are %s, %s, %s", one, subject("key one"), subject("key two"))
	}
	var out lines
	logs.New(&out, logs.Config{Level: slog.LevelWarn}).Info("too little")
	if out.all()[0] != "" {
		t.Errorf("a line below the level: %s", out.all()[0])
	}
}
