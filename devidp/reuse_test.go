package devidp_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/devidp"
	"github.com/latchkey-auth/latchkey/oauth"
)

func TestRefreshTokenThatIsUsedAgain(t *testing.T) { // AS-11; threats: replayed after rotation
	t.Parallel()
	idp := devidp.Start(t, publicClient)
	if err := idp.AddClient(devidp.Client{ID: "second", RedirectURIs: []string{testRedirect}}); err != nil {
		t.Fatal(err)
	}
	t.Run("ends its whole family", func(t *testing.T) {
		t.Parallel()
		first := tokens(t, idp, authorizeParameters())
		second := readTokens(t, postForm(t, idp, "/token", refreshForm(first.RefreshToken)))
		third := readTokens(t, postForm(t, idp, "/token", refreshForm(second.RefreshToken)))
		postForm(t, idp, "/token", refreshForm(first.RefreshToken)).wantError(t, 400, oauth.CodeInvalidGrant)
		postForm(t, idp, "/token", refreshForm(third.RefreshToken)).wantError(t, 400, oauth.CodeInvalidGrant)
		for _, token := range []string{first.AccessToken, second.AccessToken, third.AccessToken} {
			userInfo(t, idp, token).wantError(t, 401, oauth.CodeInvalidToken)
		}
	})
	t.Run("leaves other families of the same user and client alone", func(t *testing.T) {
		t.Parallel()
		mine, other := tokens(t, idp, authorizeParameters()), tokens(t, idp, authorizeParameters())
		readTokens(t, postForm(t, idp, "/token", refreshForm(mine.RefreshToken)))
		postForm(t, idp, "/token", refreshForm(mine.RefreshToken)).wantError(t, 400, oauth.CodeInvalidGrant)
		readTokens(t, postForm(t, idp, "/token", refreshForm(other.RefreshToken)))
	})
	t.Run("by another client ends nothing", func(t *testing.T) {
		t.Parallel()
		first := tokens(t, idp, authorizeParameters())
		second := readTokens(t, postForm(t, idp, "/token", refreshForm(first.RefreshToken)))
		stolen := with(refreshForm(first.RefreshToken), "client_id", "second")
		postForm(t, idp, "/token", stolen).wantError(t, 400, oauth.CodeInvalidGrant)
		readTokens(t, postForm(t, idp, "/token", refreshForm(second.RefreshToken)))
	})
	t.Run("works once when several try at the same time", func(t *testing.T) {
		t.Parallel()
		form := refreshForm(tokens(t, idp, authorizeParameters()).RefreshToken)
		var good atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if postForm(t, idp, "/token", form).status == http.StatusOK {
					good.Add(1)
				}
			})
		}
		all.Wait()
		if good.Load() != 1 {
			t.Errorf("it worked %d times", good.Load())
		}
	})
}
