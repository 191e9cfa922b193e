package inspect

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/latchkey-auth/latchkey/internal/jose"
	"github.com/latchkey-auth/latchkey/runtime/check"
)

// keys looks for keys with which tokens can be verified.
func (i *Inspector) keys(ctx context.Context, dates *dates) check.Finding {
	if !i.config.KeySet {
		return skipped(idKeys, "tokens are not verified with the provider's keys")
	}
	asked := at(i.config.Endpoints.JWKS)
	const reach = "compare the address with the jwks_uri of the provider's metadata; where they agree the network between the two, or a proxy, is in the way"
	response, err := i.get(ctx, i.config.Endpoints.JWKS, dates)
	if err != nil {
		return i.failed(idKeys, asked, err.Error(), reach)
	}
	if response.StatusCode != http.StatusOK {
		return i.failed(idKeys, asked, fmt.Sprintf("status %d", response.StatusCode), reach)
	}
	set, err := jose.ParseSet(response.Body)
	if err != nil {
		return i.failed(idKeys, asked, "the answer is no key set: "+err.Error(), reach)
	}
	var usable, algorithms, symmetric []string
	for _, name := range i.config.Rules.Algorithms {
		if strings.HasPrefix(name, "HS") {
			symmetric = append(symmetric, name)
			continue
		}
		algorithms = append(algorithms, name)
		if found := set.Find("", jose.Algorithm(name)); found.Len() > 0 {
			usable = append(usable, name)
		}
	}
	seen := fmt.Sprintf("%d keys that can be used, for %s", set.Len(), orNone(usable))
	if unusable := reasons(set.Unusable()); len(unusable) > 0 {
		seen += "; not used: " + strings.Join(unusable, "; ")
	}
	switch {
	case len(usable) > 0:
		return passed(idKeys, asked, seen)
	case len(symmetric) > 0:
		return passed(idKeys, asked, seen+"; tokens may be signed with a shared secret by "+strings.Join(symmetric, ", "))
	}
	fix := "choose a signing key of one of " + strings.Join(algorithms, ", ") + " at the provider: a provider without one " +
		"publishes no keys and signs with HS256 and the client secret, which everybody who verifies tokens would have to know. " +
		strings.TrimSpace(i.config.Rules.AlgorithmHint)
	return i.failed(idKeys, asked, seen, strings.TrimSpace(fix))
}

// reasons are why keys are not used. A key for encryption is as it should be.
func reasons(unusable []error) []string {
	const most = 4
	var texts []string
	for _, err := range unusable {
		if !errors.Is(err, jose.ErrForEncryption) && len(texts) < most {
			texts = append(texts, err.Error())
		}
	}
	return texts
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none of the accepted algorithms"
	}
	return strings.Join(names, ", ")
}
