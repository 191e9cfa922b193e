package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/observe"
)

const (
	// together is how many records are written at once.
	together = 256
	// pause is how long the log waits after a failed write before it tries again, and how often it
	// says that records cannot be written.
	pause = time.Second
	// patience is how long a decision waits for its record.
	patience = 5 * time.Second
)

var (
	errFull   = errors.New("too many audit records wait to be written")
	errSlow   = errors.New("the audit record was not written in time")
	errClosed = errors.New("the audit log is closed")

	errNotWritten = errors.New("the audit record could not be written")
)

// Log is an observer that writes a record of each security decision. Give it to
// [runtime.WithObserver]: guards take it from their provider.
//
// [runtime.WithObserver]: https://pkg.go.dev/github.com/latchkey-auth/latchkey/runtime#WithObserver
type Log struct {
	config  Config
	form    *form // the writer's
	out     *output
	waiting chan *entry
	done    chan struct{}
	dropped atomic.Uint64
	silent  atomic.Int64 // until when nothing is said about drops, in nanoseconds since 1970

	mu     sync.RWMutex
	closed bool
	ending chan struct{}
}

// entry is an event that waits for its record.
type entry struct {
	event observe.Event
	// answer, where a decision waits for the record, gets the error or nil.
	answer chan error
	// taken is set by the one who comes first: the writer, or a decision that waits no longer.
	taken atomic.Bool
}

// Open returns the log that appends to a file, which only its owner may read. [Log.Reopen] is for
// the rotation of files. The log has a goroutine: Close ends it.
func Open(file string, config Config) (*Log, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	out, err := openOutput(file)
	if err != nil {
		return nil, err
	}
	return newLog(out, config), nil
}

// New returns the log that writes to w: one record or several with each call, in whole lines. The
// log has a goroutine: Close ends it.
func New(w io.Writer, config Config) (*Log, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	return newLog(&output{w: w}, config), nil
}

func newLog(out *output, config Config) *Log {
	l := &Log{
		config: config, form: newForm(config), out: out, waiting: make(chan *entry, config.Queue),
		done: make(chan struct{}), ending: make(chan struct{}),
	}
	go l.run()
	return l
}

// Enabled reports whether events of a kind are recorded.
func (l *Log) Enabled(kind observe.Kind) bool { return recorded(kind, l.config.Callers) }

// Observe implements [observe.Observer]. It never waits.
func (l *Log) Observe(_ context.Context, event observe.Event) {
	if !l.Enabled(event.Kind) || !decision(&event) || event.Decided && l.config.FailClosed {
		return
	}
	if err := l.put(&entry{event: event}); err != nil {
		l.drop(1, err)
	}
}

// Decide records an event, where the log fails closed, and returns why that was not possible.
// Who hangs up early changes nothing.
func (l *Log) Decide(_ context.Context, event observe.Event) error {
	if !l.config.FailClosed || !l.Enabled(event.Kind) || !decision(&event) {
		return nil
	}
	e := &entry{event: event, answer: make(chan error, 1)}
	if err := l.put(e); err != nil {
		l.complain(err)
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-e.answer:
		return err
	case <-timer.C:
	}
	if e.taken.CompareAndSwap(false, true) { // it will not be recorded
		return errSlow
	}
	select { // it is being written
	case err := <-e.answer:
		return err
	case <-time.After(patience):
		return errSlow
	}
}

func (l *Log) put(e *entry) error {
	if e.event.Time.IsZero() {
		e.event.Time = time.Now()
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.closed {
		return errClosed
	}
	select {
	case l.waiting <- e:
		return nil
	default:
		return errFull
	}
}

// Dropped returns how many records were lost: they found the queue full or the log closed, or could
// not be written until it was closed.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// drop counts lost records and says so, once in a while.
func (l *Log) drop(n int, err error) {
	for range n {
		l.dropped.Add(1)
	}
	l.complain(err)
}

func (l *Log) complain(err error) {
	now := time.Now().UnixNano()
	if until := l.silent.Load(); now >= until && l.silent.CompareAndSwap(until, now+int64(10*pause)) {
		l.config.Logger.Error("AUDIT: records of security decisions cannot be written", "dropped", l.dropped.Load(),
			"fail_closed", l.config.FailClosed, "error", err.Error())
	}
}

// Reopen opens the file again by its name, after somebody has moved it away. Records in the moved
// one are whole, and none is lost: where the name cannot be opened, the log goes on in the old
// file. It does nothing for a log by [New].
func (l *Log) Reopen() error { return l.out.reopen() }

// Close takes no more events and waits until those that wait are written, or until ctx ends, whose
// error it returns then. Where records were lost, the error says so.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.waiting)
		close(l.ending)
	}
	l.mu.Unlock()
	select {
	case <-l.done:
		err := l.out.close()
		if lost := l.dropped.Load(); lost > 0 {
			err = errors.Join(err, fmt.Errorf("%d audit records were lost", lost))
		}
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
