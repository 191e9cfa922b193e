package echoadapter

import (
	"fmt"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/latchkey-auth/latchkey/runtime/relay"
)

// RelayConfig says where a browser relay is reached, by whom, and what it may reach. PublicURL is
// required.
type RelayConfig = relay.Config

// MountRelay adds the two routes of the browser relay to e: by default GET /oauth/metadata and POST
// /oauth/proxy, with their CORS preflights. The relay has its own list of allowed origins; leave
// its paths out of a CORS middleware.
func MountRelay(e *echo.Echo, config RelayConfig) (*relay.Relay, error) {
	r, err := relay.New(config)
	if err != nil {
		return nil, err
	}
	paths := []string{r.MetadataPath(), r.ProxyPath()}
	for _, route := range e.Routes() {
		if slices.Contains(paths, route.Path) {
			return nil, fmt.Errorf("echoadapter: %s is mounted already: give the relay another BasePath", route.Path)
		}
	}
	for _, path := range paths {
		e.Any(path, echo.WrapHandler(r)) // the relay itself refuses other methods, with the same body as every refusal
	}
	return r, nil
}
