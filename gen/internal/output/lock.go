package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/gofrs/flock"
)

// lockRetry is how often a lock that another process has is looked at again.
const lockRetry = 20 * time.Millisecond

// Lock lets one process at a time change what belongs to a folder. The operating system ends the
// lock with the process, however that ends. While another process has it, Lock calls waiting once
// and waits until ctx is done.
func Lock(ctx context.Context, folder string, waiting func()) (unlock func() error, err error) {
	lock, remove := newLock(folder)
	locked, err := lock.TryLock()
	if err == nil && !locked {
		waiting()
		locked, err = lock.TryLockContext(ctx, lockRetry)
	}
	switch {
	case locked:
		return func() error { return errors.Join(lock.Unlock(), remove()) }, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("another latchkey-gen is still at work in %s: let it end, then run this one again", folder)
	default:
		return nil, fmt.Errorf("%s cannot be locked: %w", folder, err)
	}
}

// newLock returns the lock of a folder, and what tidies up behind it. The folder itself is locked,
// so that nothing is left in it; where folders cannot be locked, a file in it is.
func newLock(folder string) (lock *flock.Flock, remove func() error) {
	nothing := func() error { return nil }
	file := filepath.Join(folder, ".latchkey.lock")
	switch runtime.GOOS {
	case "darwin", "dragonfly", "freebsd", "linux", "netbsd", "openbsd":
		return flock.New(folder, flock.SetFlag(os.O_RDONLY)), nothing
	case "windows":
		return flock.New(file), func() error {
			// Refused while another process has it open, which removes it then.
			_ = os.Remove(file) //nolint:gosec // the developer names the folder
			return nil
		}
	default: // removing it would let two others lock two files
		return flock.New(file), nothing
	}
}
