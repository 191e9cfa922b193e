package clientaddr_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
)

// Behind a reverse proxy every connection comes from the proxy, which writes down whom it serves.
func ExampleResolver_Client() {
	resolver, err := clientaddr.New(clientaddr.Config{
		Trusted: []string{"10.0.0.0/8"}, // where the proxy connects from
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	request := httptest.NewRequest(http.MethodGet, "https://mcp.example.com/mcp", nil)
	request.RemoteAddr = "10.1.2.3:40123"
	request.Header.Set("X-Forwarded-For", "192.0.2.66, 2001:db8:1:2:3:4:5:6") // the first was the client's own idea
	fmt.Println(resolver.Client(request))

	request.RemoteAddr = "203.0.113.9:40123" // nobody's proxy
	fmt.Println(resolver.Client(request))
	// Output:
	// 2001:db8:1:2::/64
	// 203.0.113.9
}

func ExampleKey() {
	fmt.Println(clientaddr.Key("203.0.113.9:40123"))
	fmt.Println(clientaddr.Key("[2001:db8:1:2:3:4:5:6]:40123"))
	// Output:
	// 203.0.113.9
	// 2001:db8:1:2::/64
}
