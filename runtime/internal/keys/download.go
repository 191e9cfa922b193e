package keys

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// maxBody is the size of the largest key set that is read. A hundred RSA keys with certificates
// take a third of it.
const maxBody = 512 << 10

// download fetches the key set once. Its errors hold neither query nor credentials of the address.
func (r *Remote) download(ctx context.Context) (set *jose.Set, err error) {
	defer func() {
		// The fetch has a goroutine of its own, where a panic of a client or a parser would end the
		// process.
		if p := recover(); p != nil {
			err = fmt.Errorf("fetching the key set panicked: %v", p)
		}
	}()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, r.address(), nil)
	if err != nil {
		return nil, errors.New("the address of the key set is not a URL")
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	response, err := r.gate.KeySet(request, maxBody)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &statusError{status: response.StatusCode, retryAfter: egress.RetryAfter(response.Header, r.config.Now())}
	}
	set, err = jose.ParseSet(response.Body)
	if err != nil {
		return nil, fmt.Errorf("the answer is no key set: %w", err)
	}
	return set, nil
}

// statusError is an answer with another status than 200.
type statusError struct {
	status     int
	retryAfter time.Duration // as the provider asks; zero if it does not
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the key set was answered with status %d, want 200", e.status)
}

// address is where the set is now.
func (r *Remote) address() string {
	if r.config.Address != nil {
		return r.config.Address()
	}
	return r.config.URL
}
