package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/valkey-io/valkey-go"
)

const (
	// dialTimeout bounds the way to a connection, each of its steps.
	dialTimeout = 3 * time.Second
	// alertWait is how soon after a handshake a server says that it did not like it.
	alertWait = 300 * time.Millisecond
)

var (
	errSpeaksTLS = errors.New("the server speaks TLS at this port: say rediss")
	errNoTLS     = errors.New("the server does not speak TLS at this port: say redis, or name its port for TLS")
	errSilentTLS = fmt.Errorf("the server did not answer within %s to the beginning of TLS: at a port without TLS it stays silent", dialTimeout)
	errHandshake = errors.New("TLS with the server failed")
)

// dial connects, and says what is wrong where the two ends do not speak the same.
func dial(ctx context.Context, address string, dialer *net.Dialer, config *tls.Config) (net.Conn, error) {
	raw, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if config == nil {
		return raw, nil
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	config = config.Clone()
	config.ServerName = host
	conn := tls.Client(raw, config)
	shaking, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	if err := conn.HandshakeContext(shaking); err != nil {
		return nil, errors.Join(handshakeError(err), raw.Close())
	}
	return conn, nil
}

// handshakeError says what a failed handshake means.
func handshakeError(err error) error {
	if _, other := errors.AsType[tls.RecordHeaderError](err); other {
		return errNoTLS
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errSilentTLS
	}
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); unknown {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	if alert, refused := errors.AsType[*net.OpError](err); refused && alert.Op == "remote error" {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	return err
}

// diagnosed looks again at a server that a connection failed with, and returns what the two ends do
// not agree on where that is the reason: a server may hang up on what it does not understand, and
// says only after the handshake that it wants a certificate.
func diagnosed(ctx context.Context, o *valkey.ClientOption, failure error) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	config := o.TLSConfig
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	conn, err := dial(ctx, o.InitAddress[0], &o.Dialer, config)
	if o.TLSConfig == nil {
		if err == nil {
			_ = conn.Close()
		}
		if err == nil || errors.Is(err, errHandshake) {
			return errSpeaksTLS
		}
		return failure
	}
	if err != nil {
		return failure
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(time.Now().Add(alertWait))
	_, err = conn.Read(make([]byte, 1))
	if alert, ok := errors.AsType[*net.OpError](err); ok && alert.Op == "remote error" {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	return failure
}
