package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// output is where lines go. A line that could only be written in part is never continued, nor is
// another glued to it.
type output struct {
	mu   sync.Mutex
	w    io.Writer
	file *os.File // w, where it is ours to open and close
	name string
	torn bool // what was written last does not end a line
	disk bool // the file is one on a disk, and no pipe or terminal
}

func openOutput(name string) (*output, error) {
	o := &output{name: name}
	return o, o.open()
}

// open opens the file for appending, so that somebody who truncates it (logrotate's copytruncate)
// leaves no hole. Its last line may have no end, as after a crash.
func (o *output) open() error {
	file, err := os.OpenFile(o.name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("audit: %w", err), file.Close())
	}
	o.w, o.file, o.disk = file, file, info.Mode().IsRegular()
	o.torn = o.disk && info.Size() > 0 && !endsLine(o.name, info.Size())
	return nil
}

// endsLine reports whether a file ends with a line feed. One that cannot be read is taken for one
// that does not: an empty line harms nobody.
func endsLine(name string, size int64) bool {
	file, err := os.Open(name)
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	last := make([]byte, 1)
	_, err = file.ReadAt(last, size-1)
	return err == nil && last[0] == '\n'
}

// write writes a text of lines, and returns how many are written as a whole. Where sync is set,
// they are also on the disk; where that alone failed, all are written, and the error says that they
// may not last.
func (o *output) write(text []byte, sync bool) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.torn {
		if _, err := o.w.Write(lineFeed); err != nil {
			return 0, err
		}
		o.torn = false
	}
	n, err := o.w.Write(text)
	if err == nil && n < len(text) {
		err = io.ErrShortWrite
	}
	if err != nil {
		n = min(max(n, 0), len(text))
		o.torn = n > 0 && text[n-1] != '\n'
		return bytes.Count(text[:n], lineFeed), err
	}
	if sync && o.disk && o.file != nil {
		if err := o.file.Sync(); err != nil {
			return bytes.Count(text, lineFeed), fmt.Errorf("the records may not be on the disk: %w", err)
		}
	}
	return bytes.Count(text, lineFeed), nil
}

func (o *output) reopen() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	old, onDisk := o.file, o.disk
	if err := o.open(); err != nil {
		return err
	}
	return end(old, onDisk)
}

func (o *output) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return nil
	}
	file := o.file
	o.file, o.w = nil, closedWriter{}
	return end(file, o.disk)
}

// end closes a file whose lines shall last.
func end(file *os.File, onDisk bool) error {
	var err error
	if onDisk {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// closedWriter is what is left of a closed file.
type closedWriter struct{}

func (closedWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }
