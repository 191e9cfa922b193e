// Package load sends HTTP requests over keep-alive connections, with little work of its own: the
// requests are written as they are given, and of the answers only status and length are read.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Outcome is what a run measured.
type Outcome struct {
	Requests int
	Took     time.Duration
	// Latencies are those of an open-loop run, sorted.
	Latencies []time.Duration
}

// PerSecond is the number of requests per second.
func (o Outcome) PerSecond() float64 { return float64(o.Requests) / o.Took.Seconds() }

// Quantile is the latency that a share of the requests did not exceed.
func (o Outcome) Quantile(share float64) time.Duration {
	if len(o.Latencies) == 0 {
		return 0
	}
	return o.Latencies[min(len(o.Latencies)-1, int(share*float64(len(o.Latencies))))]
}

// Closed keeps every connection busy for a while: each sends the next request when the answer is
// there. The requests go out by turns. An answer other than 200 ends the run with an error.
func Closed(ctx context.Context, addr string, requests [][]byte, connections int, lasts time.Duration) (Outcome, error) {
	counts := make([]int, connections)
	start := time.Now()
	err := each(ctx, addr, connections, func(i int, c *connection) error {
		for next := i * 31; time.Since(start) < lasts; next++ {
			if err := c.exchange(requests[next%len(requests)]); err != nil {
				return err
			}
			counts[i]++
		}
		return nil
	})
	total := 0
	for _, n := range counts {
		total += n
	}
	return Outcome{Requests: total, Took: time.Since(start)}, err
}

// Open sends requests at a fixed rate, whether or not earlier ones were answered, as far as the
// connections reach, and counts each one's latency from when it was due: a server that stalls is
// seen to stall.
func Open(ctx context.Context, addr string, requests [][]byte, connections, perSecond int, lasts time.Duration) (Outcome, error) {
	latencies := make([][]time.Duration, connections)
	interval := time.Duration(connections) * time.Second / time.Duration(perSecond)
	start := time.Now()
	err := each(ctx, addr, connections, func(i int, c *connection) error {
		first := time.Duration(i) * interval / time.Duration(connections)
		for n := 0; ; n++ {
			due := first + time.Duration(n)*interval
			if due >= lasts {
				return nil
			}
			if wait := due - time.Since(start); wait > 0 {
				time.Sleep(wait)
			}
			if err := c.exchange(requests[(n*connections+i)%len(requests)]); err != nil {
				return err
			}
			latencies[i] = append(latencies[i], time.Since(start)-due)
		}
	})
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return Outcome{Requests: len(all), Took: time.Since(start), Latencies: all}, err
}

// each runs a job on connections of its own.
func each(ctx context.Context, addr string, connections int, job func(i int, c *connection) error) error {
	var wg sync.WaitGroup
	errs := make([]error, connections)
	for i := range connections {
		wg.Go(func() {
			c, err := dial(ctx, addr)
			if err != nil {
				errs[i] = err
				return
			}
			defer c.close()
			errs[i] = job(i, c)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// connection is one keep-alive connection.
type connection struct {
	conn   net.Conn
	reader *bufio.Reader
}

func dial(ctx context.Context, addr string) (*connection, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &connection{conn: conn, reader: bufio.NewReaderSize(conn, 16<<10)}, nil
}

func (c *connection) close() { _ = c.conn.Close() }

var (
	lengthHeader  = []byte("content-length:")
	chunkedHeader = []byte("transfer-encoding: chunked")
)

// exchange sends one request and reads its answer to the end.
func (c *connection) exchange(request []byte) error {
	if err := c.conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return err
	}
	if _, err := c.conn.Write(request); err != nil {
		return err
	}
	status, err := c.reader.ReadSlice('\n')
	if err != nil {
		return err
	}
	ok := bytes.HasPrefix(status, []byte("HTTP/1.1 200"))
	text := ""
	if !ok {
		text = string(status)
	}
	length, chunked := 0, false
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case len(line) <= 2:
			if chunked {
				err = c.chunks()
			} else {
				_, err = c.reader.Discard(length)
			}
			if err == nil && !ok {
				err = fmt.Errorf("answered with %q", text)
			}
			return err
		case len(line) > len(lengthHeader) && bytes.EqualFold(line[:len(lengthHeader)], lengthHeader):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthHeader):]))); err != nil {
				return err
			}
		case len(line) >= len(chunkedHeader) && bytes.EqualFold(line[:len(chunkedHeader)], chunkedHeader):
			chunked = true
		}
	}
}

func (c *connection) chunks() error {
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 32)
		if err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, c.reader, size+2); err != nil {
			return err
		}
		if size == 0 {
			return nil
		}
	}
}

// Once sends one request and returns the answer's body, to see that it is the right one.
func Once(ctx context.Context, addr string, request []byte) (string, error) {
	c, err := dial(ctx, addr)
	if err != nil {
		return "", err
	}
	defer c.close()
	if err := c.conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		return "", err
	}
	if _, err := c.conn.Write(request); err != nil {
		return "", err
	}
	response, err := http.ReadResponse(c.reader, nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return "", err
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answered with %s: %s", response.Status, body)
	}
	return string(body), nil
}
