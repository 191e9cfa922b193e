package observe_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

// full is an observer with all methods. It writes down what it is asked.
type full struct {
	name    string
	wants   func(observe.Kind) bool
	refuses error
	panics  bool

	mu  sync.Mutex
	log []string
}

func (f *full) note(what string) {
	f.mu.Lock()
	f.log = append(f.log, f.name+" "+what)
	f.mu.Unlock()
	if f.panics {
		panic(f.name)
	}
}

func (f *full) Observe(_ context.Context, e observe.Event) { f.note("observes " + string(e.Kind)) }

func (f *full) Enabled(kind observe.Kind) bool { return f.wants == nil || f.wants(kind) }

type key struct{}

func (f *full) Start(ctx context.Context, o observe.Operation) (context.Context, func(observe.Event)) {
	f.note("starts " + string(o.Kind))
	before, _ := ctx.Value(key{}).(string)
	return context.WithValue(ctx, key{}, before+f.name), func(observe.Event) { f.note("ends") }
}

func (f *full) Decide(context.Context, observe.Event) error {
	f.note("decides")
	return f.refuses
}

// capable is what an observer of several can do.
type capable interface {
	observe.Observer
	Enabled(kind observe.Kind) bool
	Start(ctx context.Context, o observe.Operation) (context.Context, func(observe.Event))
	Decide(ctx context.Context, e observe.Event) error
}

func several(t *testing.T, observers ...observe.Observer) capable {
	t.Helper()
	all, ok := observe.Multi(observers...).(capable)
	if !ok {
		t.Fatal("observers together lack a method")
	}
	return all
}

// plain has no further methods.
type plain func(observe.Event)

func (p plain) Observe(_ context.Context, e observe.Event) { p(e) }

func TestEachOfSeveralObserversGetsWhatItWants(t *testing.T) {
	t.Parallel()
	only := &full{name: "a", wants: func(k observe.Kind) bool { return k == observe.TokensIssued }}
	seen := 0
	all := several(t, only, nil, plain(func(observe.Event) { seen++ }), observe.Multi(&full{name: "b"}))
	for _, kind := range []observe.Kind{observe.TokensIssued, observe.CallerVerified} {
		if !all.Enabled(kind) {
			t.Errorf("nobody wants %s", kind)
		}
		all.Observe(t.Context(), observe.Event{Kind: kind})
	}
	if want := []string{"a observes tokens_issued"}; !slices.Equal(only.log, want) || seen != 2 {
		t.Errorf("the first saw %q, the second %d events", only.log, seen)
	}
	if several(t, only).Enabled(observe.CallerVerified) || several(t).Enabled(observe.TokensIssued) {
		t.Error("an event that nobody wants is made")
	}
}

func TestOperationsBeginAndEndForAll(t *testing.T) {
	t.Parallel()
	a, b := &full{name: "a"}, &full{name: "b"}
	ctx, end := several(t, a, plain(func(observe.Event) {}), b).Start(t.Context(), observe.Operation{Kind: observe.KeysFetched})
	if inside := ctx.Value(key{}); inside != "ab" {
		t.Errorf("the context of the operation has %q", inside)
	}
	end(observe.Event{})
	if want := []string{"a starts keys_fetched", "a ends"}; !slices.Equal(a.log, want) || len(b.log) != 2 {
		t.Errorf("the observers saw %q and %q", a.log, b.log)
	}
}

func TestTheFirstThatDoesNotAgreeDecides(t *testing.T) {
	t.Parallel()
	full1, refusing, last := &full{}, &full{refuses: errors.New("no room")}, &full{}
	if err := several(t, full1, refusing, last).Decide(t.Context(), observe.Event{}); !errors.Is(err, refusing.refuses) {
		t.Errorf("got %v", err)
	}
	if len(last.log) != 0 {
		t.Error("others are asked after the decision")
	}
	if err := several(t, full1, plain(nil)).Decide(t.Context(), observe.Event{}); err != nil {
		t.Errorf("got %v of those who agree", err)
	}
}

func TestAPanickingObserverHarmsNobody(t *testing.T) { //nolint:paralleltest // catches the default log
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	broken, other := &full{name: "broken", panics: true}, &full{name: "other"}
	all := several(t, broken, other)
	for range 3 {
		all.Observe(t.Context(), observe.Event{Kind: observe.TokensIssued})
	}
	if len(other.log) != 3 {
		t.Errorf("the other saw %q", other.log)
	}
	ctx, end := all.Start(t.Context(), observe.Operation{})
	if ctx == nil || ctx.Value(key{}) != "other" {
		t.Errorf("the operation runs with the context %v", ctx)
	}
	end(observe.Event{})
	if err := all.Decide(t.Context(), observe.Event{}); err == nil {
		t.Error("an observer that panics agrees")
	}
	if lines := strings.Count(log.String(), "level=ERROR"); lines != 1 {
		t.Errorf("its panics are logged %d times:\n%s", lines, &log)
	}
	if !several(t, panicsWhenAsked{}).Enabled(observe.TokensIssued) {
		t.Error("an observer that panics when it is asked has no say any more")
	}
}

type panicsWhenAsked struct{ plain }

func (panicsWhenAsked) Enabled(observe.Kind) bool { panic("broken") }

func TestAQueueNeverWaitsAndCountsWhatItDrops(t *testing.T) {
	t.Parallel()
	release, entered := make(chan struct{}), make(chan struct{}, 100)
	var mu sync.Mutex
	var got []observe.Kind
	q := observe.Async(plain(func(e observe.Event) {
		entered <- struct{}{}
		<-release
		mu.Lock()
		defer mu.Unlock()
		got = append(got, e.Kind)
	}), 2)
	kinds := []observe.Kind{"1", "2", "3", "4", "5"}
	q.Observe(t.Context(), observe.Event{Kind: kinds[0]})
	<-entered // so that the queue is empty
	for _, kind := range kinds[1:] {
		q.Observe(t.Context(), observe.Event{Kind: kind}) // would block for ever
	}
	if q.Dropped() != 2 {
		t.Errorf("%d events are dropped, want 2", q.Dropped())
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Close(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("closing is %v while the observer is stuck", err)
	}
	q.Observe(t.Context(), observe.Event{Kind: "6"})
	if q.Dropped() != 3 {
		t.Error("an event after the end is not counted")
	}
	close(release)
	if err := q.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if !slices.Equal(got, kinds[:3]) {
		t.Errorf("the observer got %q", got)
	}
}

func TestAQueueSurvivesItsObserver(t *testing.T) {
	t.Parallel()
	seen := 0
	q := observe.Async(plain(func(observe.Event) {
		if seen++; seen == 1 {
			panic("broken")
		}
	}), 8)
	ctx, cancel := context.WithCancel(t.Context())
	q.Observe(ctx, observe.Event{})
	cancel()
	q.Observe(ctx, observe.Event{})
	if err := q.Close(t.Context()); err != nil || seen != 2 || q.Dropped() != 0 {
		t.Errorf("closing is %v, the observer saw %d events, %d are dropped", err, seen, q.Dropped())
	}
	if observe.Async(&full{wants: func(observe.Kind) bool { return false }}, 0).Enabled(observe.TokensIssued) {
		t.Error("the queue wants what its observer does not")
	}
}

func TestTheLogHasOneSchema(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := observe.Slog(slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.Observe(ctx, observe.Event{
		Kind: observe.RequestRefused, Reason: oauth.ReasonAudience, Code: oauth.CodeInvalidToken, Status: 401, Level: slog.LevelWarn,
		Provider: "google", Resource: "https://mcp.example.com/mcp", Client: "c1", Issuer: "https://idp.example.com", Subject: "u1",
		Email: "not@logged.example", Name: "Not Logged", ScopesAsked: []string{"a", "b"}, ScopesHad: []string{"a"},
		Method: "POST", Path: "/mcp", Endpoint: "token", URL: "https://idp.example.com/token", Duration: 1500 * time.Microsecond,
		Hint: "do that", Err: errors.New("because"), Details: []slog.Attr{slog.Int("more", 1)},
	})
	const want = `{"level":"WARN","msg":"request refused","reason":"audience","status":401,"code":"invalid_token",` +
		`"method":"POST","path":"/mcp","event":"request_refused","provider":"google","resource":"https://mcp.example.com/mcp","client":"c1",` +
		`"issuer":"https://idp.example.com","subject":"u1","scopes":["a"],"scopes_asked":["a","b"],` +
		`"endpoint":"token","url":"https://idp.example.com/token","duration_ms":1.5,"more":1,"hint":"do that","error":"because"}` + "\n"
	if log.String() != want {
		t.Errorf("got  %swant %s", &log, want)
	}
	log.Reset()
	o.Observe(ctx, observe.Event{Kind: observe.Notice, Message: "look"})
	if want := `{"level":"INFO","msg":"look","event":"notice"}` + "\n"; log.String() != want {
		t.Errorf("got  %swant %s", &log, want)
	}
}

func TestTheLogWantsNothingThatItsLevelDrops(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		level slog.Level
		kind  observe.Kind
		want  bool
	}{
		{slog.LevelInfo, observe.CallerVerified, false},
		{slog.LevelDebug, observe.CallerVerified, true},
		{slog.LevelInfo, observe.ConsentGiven, true},
		{slog.LevelWarn, observe.ConsentGiven, false},
		{slog.LevelWarn, observe.RequestRefused, true},
		{slog.LevelError + 1, observe.RequestRefused, false},
	} {
		o := several(t, observe.Slog(slog.New(slog.NewTextHandler(&bytes.Buffer{}, &slog.HandlerOptions{Level: c.level}))))
		if got := o.Enabled(c.kind); got != c.want {
			t.Errorf("at %s the log wants %s: %t, want %t", c.level, c.kind, got, c.want)
		}
	}
}
