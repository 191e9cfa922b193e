package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the processor time of the calling thread, on a clock of its own.
func threadTime() time.Time {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		return time.Now()
	}
	return time.Unix(t.Unix())
}
