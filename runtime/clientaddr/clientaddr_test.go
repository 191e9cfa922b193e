package clientaddr_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/clientaddr"
	"github.com/latchkey-auth/latchkey/runtime/observe"
)

func newResolver(t *testing.T, header string, trusted ...string) *clientaddr.Resolver {
	t.Helper()
	r, err := clientaddr.New(clientaddr.Config{Header: header, Trusted: trusted, Observer: observe.Slog(slog.New(slog.DiscardHandler))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// covers: T-OPS-02
func TestClient(t *testing.T) {
	t.Parallel()
	trusted := []string{"10.0.0.0/8", "192.0.2.7", "2001:db8:ffff::/48", "::1"}
	for name, c := range map[string]struct {
		peer   string
		header []string
		want   string
	}{
		"without a proxy the peer counts":                           {peer: "198.51.100.4:5000", want: "198.51.100.4"},
		"a client that writes the header itself is not believed":    {peer: "198.51.100.4:5000", header: []string{"203.0.113.9"}, want: "198.51.100.4"},
		"nor one that claims to be a proxy":                         {peer: "198.51.100.4:5000", header: []string{"203.0.113.9, 10.0.0.2"}, want: "198.51.100.4"},
		"a trusted network is believed":                             {peer: "10.1.2.3:5000", header: []string{"203.0.113.9"}, want: "203.0.113.9"},
		"a trusted address is believed":                             {peer: "192.0.2.7:5000", header: []string{"203.0.113.9"}, want: "203.0.113.9"},
		"its neighbour is not":                                      {peer: "192.0.2.8:5000", header: []string{"203.0.113.9"}, want: "192.0.2.8"},
		"what the client wrote before its proxy does not count":     {peer: "10.0.0.2:5000", header: []string{"1.1.1.1, 203.0.113.9"}, want: "203.0.113.9"},
		"nor in a header line of its own":                           {peer: "10.0.0.2:5000", header: []string{"1.1.1.1", "203.0.113.9"}, want: "203.0.113.9"},
		"nor as a trusted address":                                  {peer: "10.0.0.2:5000", header: []string{"10.9.9.9, 203.0.113.9"}, want: "203.0.113.9"},
		"nor as something that is no address":                       {peer: "10.0.0.2:5000", header: []string{"\"<script>, 203.0.113.9"}, want: "203.0.113.9"},
		"proxies in a row are passed over":                          {peer: "10.0.0.2:5000", header: []string{"1.1.1.1, 203.0.113.9, 10.0.0.3,192.0.2.7"}, want: "203.0.113.9"},
		"a client of the proxies' own network":                      {peer: "10.0.0.2:5000", header: []string{"10.0.0.9, 10.0.0.3"}, want: "10.0.0.9"},
		"no header falls back to the peer":                          {peer: "10.0.0.2:5000", want: "10.0.0.2"},
		"an empty header falls back to the peer":                    {peer: "10.0.0.2:5000", header: []string{""}, want: "10.0.0.2"},
		"a malformed value falls back to the peer":                  {peer: "10.0.0.2:5000", header: []string{"203.0.113.9, unknown"}, want: "10.0.0.2"},
		"a missing value falls back to the peer":                    {peer: "10.0.0.2:5000", header: []string{"203.0.113.9,"}, want: "10.0.0.2"},
		"a malformed value between proxies falls back to the peer":  {peer: "10.0.0.2:5000", header: []string{"203.0.113.9, 300.1.1.1, 10.0.0.3"}, want: "10.0.0.2"},
		"an address with a port":                                    {peer: "10.0.0.2:5000", header: []string{"203.0.113.9:4711"}, want: "203.0.113.9"},
		"IPv6 counts by its network":                                {peer: "10.0.0.2:5000", header: []string{"2001:db8:1:2:3:4:5:6"}, want: "2001:db8:1:2::/64"},
		"IPv6 in brackets":                                          {peer: "10.0.0.2:5000", header: []string{"[2001:db8:1:2::9]"}, want: "2001:db8:1:2::/64"},
		"IPv6 in brackets with a port":                              {peer: "10.0.0.2:5000", header: []string{"[2001:db8:1:2::9]:443"}, want: "2001:db8:1:2::/64"},
		"an IPv6 proxy":                                             {peer: "[2001:db8:ffff::1]:5000", header: []string{"203.0.113.9"}, want: "203.0.113.9"},
		"IPv4 written as IPv6 is the same client":                   {peer: "10.0.0.2:5000", header: []string{"::ffff:203.0.113.9"}, want: "203.0.113.9"},
		"and the same proxy":                                        {peer: "[::ffff:10.0.0.2]:5000", header: []string{"203.0.113.9"}, want: "203.0.113.9"},
		"an IPv6 peer counts by its network":                        {peer: "[2001:db8:1:2::7]:5000", want: "2001:db8:1:2::/64"},
		"a peer without an address is what the connection calls it": {peer: "@", header: []string{"203.0.113.9"}, want: "@"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			for _, line := range c.header {
				r.Header.Add("X-Forwarded-For", line)
			}
			if got := newResolver(t, "", trusted...).Client(r); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheHeaderIsTheConfiguredOneAlone(t *testing.T) {
	t.Parallel()
	resolver := newResolver(t, "x-real-ip", "10.0.0.0/8")
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "10.0.0.2:5000"
	r.Header.Set("X-Forwarded-For", "1.1.1.1")
	r.Header.Set("Forwarded", "for=1.1.1.1")
	if got := resolver.Client(r); got != "10.0.0.2" {
		t.Errorf("another header counts: %s", got)
	}
	r.Header.Set("X-Real-IP", "203.0.113.9")
	if got := resolver.Client(r); got != "203.0.113.9" {
		t.Errorf("the header does not count: %s", got)
	}
}

func TestAProxyWithoutTheHeaderIsReportedOnce(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	resolver, err := clientaddr.New(clientaddr.Config{
		Trusted: []string{"10.0.0.0/8"}, Observer: observe.Slog(slog.New(slog.NewTextHandler(&log, nil))),
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.2:5000"
		resolver.Client(r)
	}
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "header=X-Forwarded-For proxy=10.0.0.2") {
		t.Errorf("the log is %q", text)
	}
}

func TestConfigurationMistakes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config clientaddr.Config
		want   string
	}{
		"no proxy":                {clientaddr.Config{Header: "X-Real-IP"}, "no trusted proxy is named"},
		"a name":                  {clientaddr.Config{Trusted: []string{"proxy.internal"}}, "must be a network or an address"},
		"a network that is none":  {clientaddr.Config{Trusted: []string{"10.0.0.0/33"}}, "must be a network or an address"},
		"everybody":               {clientaddr.Config{Trusted: []string{"0.0.0.0/0"}}, "is everybody"},
		"everybody by IPv6":       {clientaddr.Config{Trusted: []string{"::/0"}}, "is everybody"},
		"IPv4 written as IPv6":    {clientaddr.Config{Trusted: []string{"::ffff:10.0.0.0/104"}}, "as an IPv4 network"},
		"a header that is none":   {clientaddr.Config{Header: "X Real", Trusted: []string{"::1"}}, "not the name of a header"},
		"the header of RFC 7239":  {clientaddr.Config{Header: "forwarded", Trusted: []string{"::1"}}, "is not read"},
		"an address with a zone":  {clientaddr.Config{Trusted: []string{"fe80::1%eth0"}}, "must be a network or an address"},
		"one mistake among right": {clientaddr.Config{Trusted: []string{"::1", ""}}, "must be a network or an address"},
	} {
		if _, err := clientaddr.New(c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
