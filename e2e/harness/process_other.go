//go:build unix && !linux

package harness

import "syscall"

// processGroup makes the child the leader of a group.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
