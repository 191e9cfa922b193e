package verify_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/internal/verify"
)

// covers: A2, T-BUD-02
func TestMadeUpTokensDoNotUseUpWhatTheProviderAllows(t *testing.T) {
	t.Parallel()
	clock := &ticking{}
	p := &providerAPI{answer: func(r asked) *http.Response {
		if strings.Contains(r.Body, "made-up") {
			return reply(http.StatusOK, `{"active":false}`)
		}
		return reply(http.StatusOK, active(t, nil))
	}}
	v := introspection(t, p, func(config *verify.IntrospectionConfig) { clock.use(&config.OpaqueConfig) })
	ask := func(name string) error {
		_, err := v.Verify(t.Context(), presented(name, opaqueResource))
		return err
	}
	for i := range 500 { // after a restart nobody is known
		if err := ask(fmt.Sprintf("real-token-%04d", i)); err != nil {
			t.Fatalf("A2: real token %d: %v", i, err)
		}
	}
	before := p.calls()
	var last error
	for i := range 600 {
		last = ask(fmt.Sprintf("made-up-token-%04d", i))
	}
	if n := p.calls() - before; n == 0 || n > 200 || !errors.Is(last, oauth.ErrTemporarilyUnavailable) {
		t.Errorf("A2: %d of 600 made-up tokens reached the provider, the last with %v", n, last)
	}
	clock.set(2 * time.Minute) // the answers are no longer good
	for i := range 600 {
		_ = ask(fmt.Sprintf("made-up-again-%04d", i))
	}
	if err := ask("real-token-0499"); err != nil {
		t.Errorf("A2: a known caller is held up: %v", err)
	}
}

// madeUp asks about made-up tokens, one after the other, and returns how many of the questions
// reached the provider, and the last refusal.
func madeUp(ctx context.Context, v *verify.Opaque, p *providerAPI, name string, n int) (asked int, last error) {
	before := p.calls()
	for i := range n {
		_, last = v.Verify(ctx, presented(fmt.Sprintf("made-up-%s-%04d", name, i), opaqueResource))
	}
	return p.calls() - before, last
}

// covers: A2
func TestMadeUpTokensOfOneAddressLeaveTheOthersTheirShare(t *testing.T) {
	t.Parallel()
	p := says(http.StatusOK, `{"active":false}`)
	clock := &ticking{}
	v := introspection(t, p, func(config *verify.IntrospectionConfig) { clock.use(&config.OpaqueConfig) })
	storm, other := verify.WithAddress(t.Context(), "192.0.2.1"), verify.WithAddress(t.Context(), "192.0.2.2")
	n, last := madeUp(storm, v, p, "storm", 600)
	var e *oauth.Error
	if n != 60 || !errors.As(last, &e) || e.Code != oauth.CodeTemporarilyUnavailable || e.RetryAfter < time.Second {
		t.Errorf("A2: %d of 600 made-up tokens of one address reached the provider, the last with %v", n, last)
	}
	if n, last := madeUp(other, v, p, "other", 1); n != 1 || !errors.Is(last, oauth.ErrInvalidToken) {
		t.Errorf("A2: another address: %d questions, %v", n, last)
	}
	if n, _ := madeUp(t.Context(), v, p, "nowhere", 600); n != 59 { // of 120 in all
		t.Errorf("A2: %d questions for clients whose address is not known, want 59", n)
	}
	clock.set(time.Minute)
	if n, _ := madeUp(storm, v, p, "later", 600); n != 30 {
		t.Errorf("A2: %d questions a minute later, want 30", n)
	}
}

// covers: A2
func TestTheRatesOfQuestionsAreAdjustable(t *testing.T) {
	t.Parallel()
	p := says(http.StatusOK, `{"active":false}`)
	v := introspection(t, p, func(config *verify.IntrospectionConfig) {
		config.Limits = verify.InquiryLimits{
			AllStrangers: verify.Limit{PerSecond: 1e-9, Burst: 5}, AddressStrangers: verify.Limit{PerSecond: 1e-9, Burst: 2},
		}
	})
	for _, c := range []struct {
		address string
		want    int
	}{{"192.0.2.1", 2}, {"192.0.2.2", 2}, {"192.0.2.3", 1}} {
		if n, _ := madeUp(verify.WithAddress(t.Context(), c.address), v, p, c.address, 10); n != c.want {
			t.Errorf("A2: %d questions of %s, want %d", n, c.address, c.want)
		}
	}
}

// A question has reached the provider also where its asker hangs up before the answer.
// covers: A2
func TestMadeUpTokensCountAlsoWhenTheirSenderHangsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := says(http.StatusOK, `{"active":false}`)
		p.before = newGate().pass // no answer comes
		v := introspection(t, p)
		for i := range 600 {
			ctx, hangUp := context.WithCancel(verify.WithAddress(t.Context(), fmt.Sprintf("192.0.2.%d", i%100)))
			go func() { _, _ = v.Verify(ctx, presented(fmt.Sprintf("made-up-token-%04d", i), opaqueResource)) }()
			synctest.Wait()
			hangUp()
			synctest.Wait()
		}
		if n := p.calls(); n == 0 || n > 200 {
			t.Errorf("A2: %d of 600 made-up tokens reached the provider", n)
		}
	})
}

// The table in the docs says what the code does.
// covers: A2
func TestTheDocumentedRatesOfQuestionsAreTheDefaults(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/proxy-mode.md")
	if err != nil {
		t.Fatal(err)
	}
	defaults := verify.DefaultInquiryLimits()
	for name, l := range map[string]verify.Limit{
		"AllStrangers": defaults.AllStrangers, "AddressStrangers": defaults.AddressStrangers,
	} {
		row := fmt.Sprintf("| `%s` | %d | %g |", name, l.Burst, l.PerSecond*60)
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/proxy-mode.md has no row that begins %q", row)
		}
	}
}
