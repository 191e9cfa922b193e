package broker

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/oauth"
)

// An access token beyond 6 KB would be refused by servers on the way: say so at once.
func TestAnAccessTokenThatIsTooLarge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	verify := w.config.Verify
	roles := 0
	w.config.Verify = func(ctx context.Context, token, resource string) (*oauth.AuthInfo, error) {
		info, err := verify(ctx, token, resource)
		if err == nil {
			for i := range roles {
				info.User.Roles = append(info.User.Roles, fmt.Sprintf("a-role-with-a-long-name-%05d", i))
			}
		}
		return info, err
	}
	w.brokers[0] = w.newBroker()
	clientID := w.newClient(webRedirect)
	roles = 100
	if tokens := w.login(clientID); len(tokens.AccessToken) > 6<<10 {
		t.Errorf("%d bytes", len(tokens.AccessToken))
	}
	roles = 200
	code := w.newBrowser().code(clientID, webRedirect)
	rec := w.post("/token", redeemForm(clientID, webRedirect, code))
	wantError(t, rec, http.StatusInternalServerError, oauth.CodeServerError)
	if !w.logged(oauth.ReasonAccessTokenTooLarge) || !strings.Contains(w.log.String(), "group and role claims") {
		t.Error("the log gives no hint")
	}
}

func TestUpstreamTokenNeedsACallerOfThisServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	b := w.broker()
	if _, err := b.UpstreamToken(t.Context()); !errors.Is(err, ErrNoUpstreamToken) {
		t.Errorf("without a caller: %v", err)
	}
	foreign := oauth.NewContext(t.Context(), &oauth.AuthInfo{AccessToken: "eyJ.x.y"})
	if _, err := b.UpstreamToken(foreign); !errors.Is(err, ErrNoUpstreamToken) {
		t.Errorf("with a caller of another provider: %v", err)
	}
}

// A client cannot find the provider's token, or anything of the user, in what it gets.
// covers: T-OPS-03
func TestTokensShowNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	clientID := w.newClient(webRedirect)
	user := w.newBrowser()
	code := user.code(clientID, webRedirect)
	tokens := w.login(clientID)
	for name, sealed := range map[string]string{"code": code, "access token": tokens.AccessToken, "refresh token": tokens.RefreshToken} {
		raw, err := base64.RawURLEncoding.DecodeString(sealed)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"upstream-", "user-1", "example.com", "admin"} {
			if strings.Contains(string(raw), secret) {
				t.Errorf("the %s shows %q", name, secret)
			}
		}
	}
}

func BenchmarkVerifyAccessToken(b *testing.B) {
	w := newWorld(b, 1)
	tokens := w.login(w.newClient(webRedirect))
	broker := w.brokers[0]
	b.ReportAllocs()
	for b.Loop() {
		if _, err := broker.VerifyAccessToken(context.Background(), tokens.AccessToken, testResource); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(tokens.AccessToken)), "bytes/token")
}
