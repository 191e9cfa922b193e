package metadata

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/latchkey-auth/latchkey/runtime/egress"
)

// Answers returns nil where the provider answers at an address at all: a request without
// credentials is refused there, which shows that somebody is at home. The error holds neither query
// nor credentials of the address.
func (s *Source) Answers(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return errors.New("the address of the provider is not a URL")
	}
	answer, err := s.gate.Metadata(request, maxDocument)
	if elsewhere, ok := errors.AsType[*egress.Error](err); ok && elsewhere.Kind == egress.KindRedirect {
		return nil // to a page for people, such as a login
	}
	if err == nil && answer.StatusCode >= http.StatusInternalServerError {
		err = fmt.Errorf("the provider answered with status %d", answer.StatusCode)
	}
	return err
}
