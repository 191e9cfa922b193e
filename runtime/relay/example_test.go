package relay_test

import (
	"fmt"
	"log/slog"
	"net/http"

	"github.com/latchkey-auth/latchkey/runtime/observe"
	"github.com/latchkey-auth/latchkey/runtime/relay"
)

func ExampleNew() {
	r, err := relay.New(relay.Config{
		PublicURL: "https://app.example.com",
		ValidateServerURL: func(_ *http.Request, serverURL string) error {
			if serverURL != "https://mcp.example.com/mcp" {
				return fmt.Errorf("%s is not one of our servers", serverURL)
			}
			return nil
		},
		Observer: observe.Slog(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer r.Close()
	mux := http.NewServeMux()
	mux.Handle(r.MetadataPath(), r)
	mux.Handle(r.ProxyPath(), r)
	fmt.Println(r.MetadataPath(), r.ProxyPath())
	// Output: /oauth/metadata /oauth/proxy
}
