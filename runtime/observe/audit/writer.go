package audit

import (
	"bytes"
	"errors"
	"time"
)

// run writes what waits, until the log is closed.
func (l *Log) run() {
	defer close(l.done)
	var unwritten int // lines that nobody waits for, which could not be written yet
	for first := range l.waiting {
		unwritten = l.write(l.gather(first))
		for unwritten > 0 && !l.config.FailClosed && l.rest() {
			unwritten = l.write(nil)
		}
		if over := unwritten - together; over > 0 { // decisions go on to be tried meanwhile
			l.form.dropFirst(over)
			l.drop(over, errFull)
		}
	}
	if unwritten > 0 {
		unwritten = l.write(nil)
	}
	if unwritten > 0 {
		l.silent.Store(0)
		l.drop(unwritten, errClosed)
	}
}

// rest waits before the next try. It reports whether the log is still open.
func (l *Log) rest() bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-l.ending:
		return false
	}
}

// gather returns the entries that wait, after the first: those whose decisions wait no longer are
// left out.
func (l *Log) gather(first *entry) []*entry {
	batch := make([]*entry, 0, together)
	for e := first; ; {
		if e.taken.CompareAndSwap(false, true) {
			batch = append(batch, e)
		}
		if len(batch) == together {
			return batch
		}
		select {
		case next, ok := <-l.waiting:
			if !ok {
				return batch
			}
			e = next
		default:
			return batch
		}
	}
}

// write writes the lines of an earlier try and those of a batch, in one piece. It returns how many
// are left to be tried again, in the form's text: a decision that was not recorded is refused, and
// its line is not left.
func (l *Log) write(batch []*entry) (left int) {
	earlier := bytes.Count(l.form.text.Bytes(), lineFeed)
	answers := make([]chan error, earlier, earlier+len(batch))
	for _, e := range batch {
		if err := l.form.add(&e.event); err != nil {
			answer(e.answer, err)
			l.drop(1, err)
			continue
		}
		answers = append(answers, e.answer)
	}
	written, err := l.out.write(l.form.text.Bytes(), l.config.Sync)
	for _, to := range answers[:written] {
		answer(to, err)
	}
	if err != nil {
		l.complain(err)
	}
	if written == len(answers) {
		l.form.text.Reset()
		return 0
	}
	var again [][]byte
	lines := bytes.SplitAfter(l.form.text.Bytes(), lineFeed)
	for i, to := range answers[written:] {
		if to == nil {
			again = append(again, bytes.Clone(lines[written+i]))
			continue
		}
		answer(to, errors.Join(errNotWritten, err))
	}
	l.form.text.Reset()
	for _, line := range again {
		l.form.text.Write(line)
	}
	return len(again)
}

// answer tells a decision, where one waits.
func answer(to chan error, err error) {
	if to != nil {
		to <- err // it has room for one
	}
}
