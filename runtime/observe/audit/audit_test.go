package audit_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/observe/audit"
)

// login is the event of a login, with all that an event may hold.
func login() observe.Event {
	return observe.Event{
		Kind: observe.TokensIssued, Time: time.Unix(1_800_000_000, 0), Provider: "google", Resource: "https://mcp.example.com/mcp",
		Client: "client-1", Issuer: "https://idp.example.com", Subject: "alice", Email: "alice@example.com", Name: "Alice A.",
		Actors: []string{"agent-1"}, ScopesAsked: []string{"read", "write"}, ScopesHad: []string{"read"},
		Method: "POST", Path: "/mcp/token", URL: "https://idp.example.com/token", Message: "hush", Hint: "hush",
		Details: []slog.Attr{slog.String("name", "hush")},
	}
}

// written returns the lines of some events.
func written(t *testing.T, config audit.Config, events ...observe.Event) []map[string]any {
	t.Helper()
	var out bytes.Buffer
	log, err := audit.New(&out, config)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		log.Observe(t.Context(), e)
	}
	if err := log.Close(t.Context()); err != nil {
		t.Error(err)
	}
	return records(t, out.String())
}

// records are the lines of a log, each of which follows the schema.
func records(t *testing.T, text string) []map[string]any {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal([]byte(audit.Schema()), &schema); err != nil {
		t.Fatal(err)
	}
	closed := &jsonschema.Schema{Not: &jsonschema.Schema{}}
	schema.AdditionalProperties = closed // the schema lets later versions add members; this one has to have all of its own
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var list []map[string]any
	for line := range strings.Lines(text) {
		var r map[string]any
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %q", err, line)
		}
		if err := resolved.Validate(r); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		list = append(list, r)
	}
	return list
}

func TestARecordSaysWhoDidWhatThroughWhomAndHowItEnded(t *testing.T) {
	t.Parallel()
	r := written(t, audit.Config{}, login())[0]
	delete(r, "id")
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"actors":["agent-1"],"client":"client-1","event":"tokens_issued","outcome":"success",` +
		`"person":{"email":"alice@example.com","issuer":"https://idp.example.com","name":"Alice A.","subject":"alice"},` +
		`"provider":"google","resource":"https://mcp.example.com/mcp","scopes":["read"],"scopes_asked":["read","write"],"time":"2027-01-15T08:00:00Z"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestPersonsAreNamedAsConfigured(t *testing.T) {
	t.Parallel()
	other := login()
	other.Issuer = "https://other.example.com"
	text := func(config audit.Config) string {
		var b strings.Builder
		for _, r := range written(t, config, login(), login(), other) {
			delete(r, "id")
			line, err := json.Marshal([]any{r["person"], r["actors"]})
			if err != nil {
				t.Fatal(err)
			}
			b.Write(append(line, '\n'))
		}
		return b.String()
	}
	hashed := text(audit.Config{Person: audit.Hash, Key: "a key of sixteen bytes"})
	for _, name := range []string{"alice", "Alice", "agent-1"} {
		if strings.Contains(hashed, name) {
			t.Errorf("a record of digests has %q: %s", name, hashed)
		}
	}
	lines := strings.Split(hashed, "\n")
	if lines[0] != lines[1] || !strings.Contains(lines[0], `"subject":"h:`) {
		t.Errorf("two records of one user are %s and %s", lines[0], lines[1])
	}
	if subject := func(line string) string { _, after, _ := strings.Cut(line, `"subject"`); return after }; subject(lines[0]) == subject(lines[2]) {
		t.Errorf("the users of two issuers have one digest: %s", lines[2])
	}
	if again := text(audit.Config{Person: audit.Hash, Key: "another key of sixteen bytes"}); again == hashed {
		t.Error("another key makes the same digests")
	}
	if omitted := text(audit.Config{Person: audit.Omit}); omitted != strings.Repeat("[null,null]\n", 3) {
		t.Errorf("without persons the records are %s", omitted)
	}
}

func TestOutcomes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		event observe.Event
		want  string
	}{
		"a login":                             {observe.Event{Kind: observe.TokensIssued}, "success"},
		"a refusal":                           {observe.Event{Kind: observe.RequestRefused, Status: http.StatusUnauthorized}, "denied"},
		"a refusal of an outage":              {observe.Event{Kind: observe.RequestRefused, Status: http.StatusServiceUnavailable}, "failure"},
		"a user who says no":                  {observe.Event{Kind: observe.ConsentDenied}, "denied"},
		"a revocation that the provider lost": {observe.Event{Kind: observe.TokensRevoked, Err: io.EOF}, "failure"},
	} {
		if r := written(t, audit.Config{}, c.event)[0]; r["outcome"] != c.want {
			t.Errorf("%s: %v, want %s", name, r["outcome"], c.want)
		}
	}
}

func TestDecisionsAreRecordedAndNothingElse(t *testing.T) {
	t.Parallel()
	all := []observe.Event{
		{Kind: observe.CallerVerified}, {Kind: observe.ConsentShown}, {Kind: observe.ProviderAsked}, {Kind: observe.KeysFetched},
		{Kind: observe.DocumentFetched}, {Kind: observe.StoreTrouble}, {Kind: observe.RequestRelayed}, {Kind: observe.StreamEnded},
		{Kind: observe.Notice, Message: "stopping"},
	}
	if list := written(t, audit.Config{}, all...); len(list) != 0 {
		t.Errorf("recorded are %v", list)
	}
	if list := written(t, audit.Config{Callers: true}, all...); len(list) != 1 || list[0]["event"] != "caller_verified" {
		t.Errorf("with callers, recorded are %v", list)
	}
	list := written(t, audit.Config{},
		observe.Event{Kind: observe.Notice, Reason: oauth.ReasonInsecureSetting, Message: "streams go on"},
		observe.Event{Kind: audit.ServerStarted, Details: []slog.Attr{slog.String("mode", "proxy")}},
		observe.Event{Kind: audit.ServerStopped},
	)
	if len(list) != 3 || list[0]["message"] != "streams go on" || list[1]["configuration"].(map[string]any)["mode"] != "proxy" {
		t.Errorf("the start is recorded as %v", list)
	}
}

// A request without a token is a decision too, and no flood is summed up.
func TestEveryReasonReachesARecord(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "..", "oauth", "reasons.go"), nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var reasons []string
	var events []observe.Event
	ast.Inspect(file, func(node ast.Node) bool {
		if spec, ok := node.(*ast.ValueSpec); ok {
			reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, reason)
			events = append(events, observe.Event{Kind: observe.RequestRefused, Reason: oauth.Reason(reason)})
		}
		return true
	})
	var got []string
	ids := map[any]bool{}
	for _, r := range written(t, audit.Config{}, slices.Concat(events, events)...) {
		got = append(got, r["reason"].(string))
		ids[r["id"]] = true
	}
	if len(reasons) < 50 || !slices.Equal(got, slices.Concat(reasons, reasons)) || len(ids) != len(got) {
		t.Errorf("of %d reasons, each given twice, %d records with %d ids came: %q", len(reasons), len(got), len(ids), got)
	}
}

// disk is a writer that fails when it is told to.
type disk struct {
	mu   sync.Mutex
	text bytes.Buffer
	room int // bytes that fit, where full is set
	full bool
	wait chan struct{} // where set, writes wait for it
	fail chan struct{} // where set, closed with the first failure
}

var errNoSpace = errors.New("no space left on device")

func (d *disk) Write(p []byte) (int, error) {
	if d.wait != nil {
		<-d.wait
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.full && len(p) > d.room {
		n, _ := d.text.Write(p[:d.room])
		d.room = 0
		if d.fail != nil {
			close(d.fail)
			d.fail = nil
		}
		return n, errNoSpace
	}
	return d.text.Write(p)
}

func (d *disk) set(full bool, room int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.full, d.room = full, room
}

func (d *disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// lockedBuffer is a log for people.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestWhatCannotBeRecordedIsRefusedWhereTheLogFailsClosed(t *testing.T) {
	t.Parallel()
	var complaints lockedBuffer
	d := &disk{}
	log, err := audit.New(d, audit.Config{FailClosed: true, Logger: slog.New(slog.NewTextHandler(&complaints, nil))})
	if err != nil {
		t.Fatal(err)
	}
	// decided is what an engine does.
	decided := func(client string) error {
		e := login()
		e.Client = client
		err := log.Decide(t.Context(), e)
		e.Decided = err == nil
		if e.Decided {
			log.Observe(t.Context(), e)
		}
		return err
	}
	if err := decided("before"); err != nil {
		t.Errorf("with room: %v", err)
	}
	if n := strings.Count(d.String(), "\n"); n != 1 {
		t.Errorf("a decision has %d records when it takes effect, want one", n)
	}
	d.set(true, 30) // half a line
	if err := decided("refused"); !errors.Is(err, errNoSpace) {
		t.Errorf("without room: %v", err)
	}
	if !strings.Contains(complaints.String(), "level=ERROR") || !strings.Contains(complaints.String(), errNoSpace.Error()) {
		t.Errorf("the operator is told %q", complaints.String())
	}
	d.set(false, 0)
	if err := decided("after"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if err := log.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := decided("late"); err == nil {
		t.Error("a closed log agrees")
	}
	lines := strings.Split(strings.TrimSpace(d.String()), "\n")
	if len(lines) != 3 || len(lines[1]) != 30 {
		t.Fatalf("the lines are %q", lines)
	}
	if list := records(t, lines[0]+"\n"+lines[2]+"\n"); list[0]["client"] != "before" || list[1]["client"] != "after" {
		t.Errorf("the records are %v", list)
	}
}

// Otherwise records wait for room, and those that find none are counted.
func TestRecordsWaitForADiskAndThenAreCounted(t *testing.T) {
	t.Parallel()
	var complaints lockedBuffer
	d := &disk{wait: make(chan struct{})}
	log, err := audit.New(d, audit.Config{Queue: 10, Logger: slog.New(slog.NewTextHandler(&complaints, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Decide(t.Context(), login()); err != nil {
		t.Errorf("a log that does not fail closed has a say: %v", err)
	}
	for range 500 { // none of these waits
		log.Observe(t.Context(), login())
	}
	d.set(true, 100)
	close(d.wait)
	ended := make(chan error, 1)
	go func() { ended <- log.Close(context.Background()) }()
	<-ended
	if dropped := log.Dropped(); dropped != 500 {
		t.Errorf("on a full disk %d records are lost, want 500", dropped)
	}
	if !strings.Contains(complaints.String(), "dropped=") {
		t.Errorf("the operator is told %q", complaints.String())
	}

	failed := make(chan struct{})
	d = &disk{fail: failed}
	d.set(true, 100)
	if log, err = audit.New(d, audit.Config{Logger: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	log.Observe(t.Context(), login())
	<-failed
	d.set(false, 0)
	if err := log.Close(t.Context()); err != nil || log.Dropped() != 0 {
		t.Errorf("a record that waited for room is lost: %v, %d", err, log.Dropped())
	}
	torn, rest, _ := strings.Cut(d.String(), "\n")
	if list := records(t, rest); len(torn) != 100 || len(list) != 1 {
		t.Errorf("the log is %q", d.String())
	}
}

func TestRotationLosesNoLine(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	name, moved := filepath.Join(folder, "audit.log"), filepath.Join(folder, "audit.log.1")
	if err := os.WriteFile(name, []byte("half a li"), 0o600); err != nil { // of a crash
		t.Fatal(err)
	}
	log, err := audit.Open(name, audit.Config{Sync: true, FailClosed: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Decide(t.Context(), login()); err != nil {
		t.Fatal(err)
	}
	const writers, each = 4, 50
	var done sync.WaitGroup
	for range writers {
		done.Go(func() {
			for range each {
				if err := log.Decide(t.Context(), login()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	if err := os.Rename(name, moved); err != nil {
		t.Fatal(err)
	}
	if err := log.Reopen(); err != nil {
		t.Error(err)
	}
	done.Wait()
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first, _ := strings.CutPrefix(read(moved), "half a li\n")
	if n := len(records(t, first)) + len(records(t, read(name))); n != 1+writers*each {
		t.Errorf("%d records are left of %d", n, 1+writers*each)
	}
	if err := os.Truncate(name, 0); err != nil { // copytruncate
		t.Fatal(err)
	}
	if err := log.Decide(t.Context(), login()); err != nil {
		t.Error(err)
	}
	if n := len(records(t, read(name))); n != 1 {
		t.Errorf("%d records are in the truncated file, want one", n)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v", info.Mode(), err)
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := log.Reopen(); err == nil {
		t.Error("a folder is taken for a file")
	}
	if err := log.Decide(t.Context(), login()); err != nil {
		t.Errorf("after a failed rotation the log does not go on: %v", err)
	}
	if err := log.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMistakesInTheConfiguration(t *testing.T) {
	t.Parallel()
	for want, config := range map[string]audit.Config{
		"need a key":           {Person: audit.Hash, Key: "short"},
		"choose plain, hash":   {Person: "some"},
		"must not be negative": {Queue: -1},
	} {
		if _, err := audit.New(io.Discard, config); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", config, err, want)
		}
	}
	if _, err := audit.Open(filepath.Join(t.TempDir(), "none", "audit.log"), audit.Config{}); err == nil {
		t.Error("a file in no folder is opened")
	}
}
