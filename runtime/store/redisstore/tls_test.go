package redisstore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/internal/redistest"
)

// certificates writes ca.pem, cert.pem and key.pem, good for a server and a client on loopback.
func certificates(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	writeFile(t, dir, "ca.pem", cert)
	writeFile(t, dir, "cert.pem", cert)
	writeFile(t, dir, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})))
	return dir
}

func TestTLS(t *testing.T) {
	t.Parallel()
	dir := certificates(t)
	port := strconv.Itoa(redistest.FreePort(t))
	redistest.Start(t, "--tls-port", port, "--tls-cert-file", dir+"/cert.pem", "--tls-key-file", dir+"/key.pem", "--tls-ca-cert-file", dir+"/ca.pem")
	at := "127.0.0.1:" + port
	both := "?ca=" + dir + "/ca.pem&cert=" + dir + "/cert.pem&key=" + dir + "/key.pem"
	s := mustOpen(t, "rediss://"+at+both, Config{Timeout: slow})
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct{ url, want string }{
		"an authority that nobody knows":     {"rediss://" + at + "?cert=" + dir + "/cert.pem&key=" + dir + "/key.pem", "certificate"},
		"no certificate where one is needed": {"rediss://" + at + "?ca=" + dir + "/ca.pem", "certificate"},
		"no TLS where it is needed":          {"redis://" + at, "say rediss"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := tryOpen(t, c.url, Config{}); !errors.Is(err, ErrUnusable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
