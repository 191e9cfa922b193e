package redisstore

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/valkey-io/valkey-go"
)

// ErrURL is the error of [Open] for a URL that names no store. It never holds the URL, which may
// have a password in it.
var ErrURL = errors.New("the store's URL")

const urlForms = "redis://[USER:PASSWORD@]HOST[:PORT][/DB], redis+cluster://HOST:PORT,HOST:PORT or " +
	"redis+sentinel://HOST:PORT,HOST:PORT/PRIMARY[/DB], each with rediss for TLS"

// The ports where a URL names none.
const (
	serverPort   = "6379"
	sentinelPort = "26379"
)

// address is where a store is.
type address struct {
	options valkey.ClientOption
	// name is the URL without user, password and parameters, for logs.
	name string
}

// CheckURL returns the error of [Open] for a URL that names no store. It connects to nothing.
func CheckURL(url string) error {
	_, err := parseURL(url)
	return err
}

// parseURL reads the URL of a store, and the files that it names.
func parseURL(text string) (address, error) {
	a, err := readURL(text)
	if err != nil {
		return a, fmt.Errorf("%w %w", ErrURL, err)
	}
	return a, nil
}

func readURL(text string) (a address, err error) {
	scheme, rest, ok := strings.Cut(text, "://")
	kind, found := kinds()[scheme]
	if !ok || !found {
		return a, errors.New("must be " + urlForms)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	authority, rest := rest[:end], rest[end:]
	login, hosts := "", authority
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		login, hosts = authority[:at+1], authority[at+1:]
	}
	// Several hosts are no URL of RFC 3986: the rest is read as one of a host of its own.
	u, err := url.Parse("redis://" + login + "host" + rest)
	if err != nil || u.Fragment != "" {
		return a, errors.New("cannot be read: characters of user and password other than letters and digits are written as %XX")
	}
	a.options, err = kind.options(hosts, u)
	if err != nil {
		return a, err
	}
	a.name = scheme + "://" + hosts + u.EscapedPath()
	return a, readParameters(&a.options, u.Query())
}

// kind is what a scheme stands for.
type kind struct {
	tls     bool
	several bool
	port    string
	// path reads the path of the URL, without its slash in front.
	path func(o *valkey.ClientOption, path string) error
}

func kinds() map[string]kind {
	single := kind{port: serverPort, path: func(o *valkey.ClientOption, path string) error {
		o.ForceSingleClient = true
		return database(o, path)
	}}
	cluster := kind{port: serverPort, several: true, path: func(_ *valkey.ClientOption, path string) error {
		if path != "" {
			return errors.New("of a cluster has no path: a cluster has one database")
		}
		return nil
	}}
	sentinel := kind{port: sentinelPort, several: true, path: func(o *valkey.ClientOption, path string) error {
		name, number, _ := strings.Cut(path, "/")
		if name == "" {
			return errors.New("must name the primary that the sentinels watch: redis+sentinel://HOST:PORT/PRIMARY")
		}
		o.Sentinel.MasterSet, o.Sentinel.TopologyRefreshInterval = name, topologyRefresh
		return database(o, number)
	}}
	all := map[string]kind{"redis": single, "redis+cluster": cluster, "redis+sentinel": sentinel}
	for scheme, k := range map[string]kind{"rediss": single, "rediss+cluster": cluster, "rediss+sentinel": sentinel} {
		k.tls = true
		all[scheme] = k
	}
	return all
}

func database(o *valkey.ClientOption, path string) (err error) {
	if path == "" {
		return nil
	}
	if o.SelectDB, err = strconv.Atoi(path); err != nil || o.SelectDB < 0 {
		return errors.New("must name the database by its number, such as /0")
	}
	return nil
}

func (k kind) options(hosts string, u *url.URL) (o valkey.ClientOption, err error) {
	list := strings.Split(hosts, ",")
	if len(list) > 1 && !k.several {
		return o, errors.New("names several hosts: say redis+cluster or redis+sentinel")
	}
	for _, host := range list {
		full, err := hostPort(host, k.port)
		if err != nil {
			return o, err
		}
		o.InitAddress = append(o.InitAddress, full)
	}
	if err := k.path(&o, strings.TrimPrefix(u.Path, "/")); err != nil {
		return o, err
	}
	if k.tls {
		o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		o.Sentinel.TLSConfig = o.TLSConfig
	}
	o.Username = u.User.Username()
	o.Password, _ = u.User.Password()
	if o.Username != "" && o.Password == "" {
		return o, errors.New("has a user without a password: write USER:PASSWORD@, or :PASSWORD@ for the default user")
	}
	return o, nil
}

func hostPort(text, port string) (string, error) {
	u, err := url.Parse("redis://" + text)
	if err != nil || u.Hostname() == "" || u.Host != text {
		return "", errors.New("must name each host as HOST or HOST:PORT")
	}
	if u.Port() != "" {
		port = u.Port()
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// readParameters reads what stands behind the question mark.
func readParameters(o *valkey.ClientOption, given url.Values) error {
	for name, values := range given {
		if len(values) != 1 || values[0] == "" {
			return fmt.Errorf("must give %q once, with a value", name)
		}
		isTLS := name == "ca" || name == "cert" || name == "key"
		isSentinel := name == "sentinel-user" || name == "sentinel-password"
		switch {
		case !isTLS && !isSentinel:
			return fmt.Errorf("has the parameter %q: known are ca, cert, key, sentinel-user and sentinel-password", name)
		case isTLS && o.TLSConfig == nil:
			return fmt.Errorf("has the parameter %q, which is for TLS: say rediss", name)
		case isSentinel && o.Sentinel.MasterSet == "":
			return fmt.Errorf("has the parameter %q, which is for redis+sentinel", name)
		}
	}
	o.Sentinel.Username, o.Sentinel.Password = given.Get("sentinel-user"), given.Get("sentinel-password")
	if o.TLSConfig == nil {
		return nil
	}
	return readCertificates(o.TLSConfig, given.Get("ca"), given.Get("cert"), given.Get("key"))
}

func readCertificates(config *tls.Config, ca, cert, key string) error {
	if ca != "" {
		pem, err := os.ReadFile(ca)
		if err != nil {
			return fmt.Errorf("names a ca that cannot be read: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("names a ca, %s, without a certificate in PEM", ca)
		}
	}
	if (cert == "") != (key == "") {
		return errors.New("must give cert and key together")
	}
	if cert != "" {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return fmt.Errorf("names a cert and key that cannot be used: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return nil
}
