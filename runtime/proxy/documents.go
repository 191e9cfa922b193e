package proxy

import "net/http"

// ClientDocuments says which clients may describe themselves by a document at a URL, which is their
// client_id (draft-ietf-oauth-client-id-metadata-document). A client that finds such documents
// announced does not register, so that it cannot log in where its document cannot be read. The zero
// value announces documents and fetches them from public addresses.
type ClientDocuments struct {
	// Policy says which documents count.
	//
	//   - "open", the default: those that are pinned, and all others, which are fetched.
	//   - "pinned": those that are pinned. None is fetched.
	//   - "proxy": as open, for a network that is left through a proxy. Documents are fetched from
	//     Hosts alone, through the proxy that the environment names (HTTPS_PROXY, NO_PROXY). The
	//     proxy finds the hosts' addresses, so that nobody can check those.
	//   - "off": none, and none is announced. Clients register.
	Policy string
	// Pinned are documents that the operator keeps, by their URLs. They are never fetched.
	Pinned map[string]string
	// Hosts are the only ones that documents are fetched from, such as "claude.ai". None means all;
	// the policy "proxy" needs some.
	Hosts []string
	// Client replaces what fetches documents and the key sets that they name, whose URLs strangers
	// choose: it takes over the duty to reach no address that they must not. Redirects are never
	// followed, whatever it says.
	Client *http.Client
}
