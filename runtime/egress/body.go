package egress

import (
	"errors"
	"io"
	"strconv"
)

// limitedBody stops reading a body beyond its limit. It sits above decompression, so that the limit
// counts what the caller gets. Closing an unfinished body drops the connection instead of draining
// it.
type limitedBody struct {
	body  io.ReadCloser
	host  string
	left  int64
	limit int64
	err   error
}

// Read implements io.Reader.
func (b *limitedBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > b.left {
		p = p[:b.left+1] // one more byte tells a body of exactly the limit from a larger one
	}
	n, err := b.body.Read(p)
	if int64(n) > b.left {
		n, b.err = int(b.left), tooLarge(b.host, b.limit)
		b.left = 0
		return n, b.err
	}
	b.left -= int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		err = exchangeError(b.host, err)
	}
	b.err = err
	return n, err
}

// Close implements io.Closer.
func (b *limitedBody) Close() error { return b.body.Close() }

func tooLarge(host string, limit int64) *Error {
	return &Error{Kind: KindTooLarge, Host: host, Detail: "the answer is larger than " + strconv.FormatInt(limit, 10) + " bytes"}
}
