package clients

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/latchkey-auth/latchkey/internal/plainurl"
	"github.com/latchkey-auth/latchkey/oauth"
	"github.com/latchkey-auth/latchkey/runtime/egress"
	"github.com/latchkey-auth/latchkey/runtime/internal/broker/refusal"
	"github.com/latchkey-auth/latchkey/runtime/proxy"
)

// The choices of documents: see [proxy.ClientDocuments].
const (
	policyOpen   = "open"
	policyPinned = "pinned"
	policyProxy  = "proxy"
	policyOff    = "off"
)

// maxFetched bounds an answer of a stranger's server: a document, or a key set.
const maxFetched = 64 << 10

// checkPolicy checks the operator's choice of documents.
func checkPolicy(d proxy.ClientDocuments) error {
	var problems []error
	switch d.Policy {
	case policyOpen, policyOff:
	case policyPinned:
		if len(d.Pinned) == 0 {
			problems = append(problems, errors.New("client documents: the policy pinned needs pinned documents"))
		}
	case policyProxy:
		if len(d.Hosts) == 0 {
			problems = append(problems, errors.New("client documents: the policy proxy needs the hosts that documents are fetched from"))
		}
	default:
		problems = append(problems, fmt.Errorf("client documents: the policy %q must be off, pinned, proxy or open", d.Policy))
	}
	for _, host := range d.Hosts {
		u, err := url.Parse("https://" + host + "/")
		if err != nil || u.Host != host || plainurl.CheckHost("https://"+host+"/", u) != nil {
			problems = append(problems, fmt.Errorf("client documents: host %q must be a host such as claude.ai", host))
		}
	}
	return errors.Join(problems...)
}

// TakesDocuments reports whether some client may describe itself by a document.
func (r *Registry) TakesDocuments() bool { return r.documents.rules.Policy != policyOff }

// fetcher returns what fetches documents and the key sets that they name.
func fetcher(c Config) (*http.Client, error) {
	d := c.Documents
	if d.Client != nil {
		return d.Client, nil
	}
	policy := egress.Policy{MaxResponseBytes: maxFetched}
	if d.Policy == policyProxy {
		var err error
		if policy.Proxy, err = egress.EnvironmentProxy(c.LookupEnv); err != nil {
			return nil, err
		}
		policy.ProviderHosts, policy.RootCAs = d.Hosts, c.RootCAs
	}
	return egress.NewClient(policy), policy.Validate()
}

// pin reads the documents that the operator keeps.
func (d *documents) pin(pinned map[string]string) error {
	for _, id := range slices.Sorted(maps.Keys(pinned)) {
		err := checkDocumentURL(id)
		var c Client
		if err == nil {
			c, err = d.parse(id, pinned[id])
		}
		if err != nil {
			return fmt.Errorf("client documents: the pinned document %s: %w", id, err)
		}
		d.pinned[id] = c
	}
	return nil
}

// admits says why a document that is not pinned is not fetched.
func (d *documents) admits(id string) *oauth.Error {
	refuse := func(description, cause string) *oauth.Error {
		return refusal.Caused(oauth.CodeInvalidClient, oauth.ReasonDocumentPolicy, description, errors.New(cause))
	}
	switch d.rules.Policy {
	case policyOff:
		return refuse("This server takes no application that describes itself by a document at a web address: the application has to register",
			"client metadata documents are off (--client-documents)")
	case policyPinned:
		return refuse("This server takes no application that describes itself at "+DocumentHost(id),
			"the document is not pinned (--client-document URL=FILE), and others do not count (--client-documents pinned)")
	}
	u, err := url.Parse(id)
	if len(d.rules.Hosts) > 0 && (err != nil || !slices.Contains(d.rules.Hosts, u.Host)) {
		return refuse("This server takes no application that describes itself at "+DocumentHost(id),
			"the document's host is not listed (--client-document-host)")
	}
	return nil
}
