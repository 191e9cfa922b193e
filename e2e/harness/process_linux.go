package harness

import "syscall"

// processGroup makes the child the leader of a group, and has the kernel end it if the test binary
// dies (a test time-out ends the binary without running deferred functions).
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
