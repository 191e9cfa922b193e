//go:build !linux

package bench

import "time"

// threadTime is the time of the clock where the system's own is not known to us.
func threadTime() time.Time { return time.Now() }
