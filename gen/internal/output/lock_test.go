package output

import (
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const holderOf = "LATCHKEY_TEST_LOCK"

func TestLock(t *testing.T) {
	t.Parallel()
	if folder := os.Getenv(holderOf); folder != "" { // the process below
		if _, err := Lock(t.Context(), folder, func() {}); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("held\n")
		_, _ = io.Copy(io.Discard, os.Stdin)
		return
	}
	t.Run("D8: one process has it, and it ends with that process", func(t *testing.T) {
		t.Parallel()
		folder := t.TempDir()
		holder := exec.Command(os.Args[0], "-test.run=^TestLock$")
		holder.Env = append(os.Environ(), holderOf+"="+folder)
		stdin, err := holder.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = stdin.Close() }()
		stdout, err := holder.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := holder.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(stdout, make([]byte, len("held\n"))); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = Lock(ctx, folder, cancel) // gives up as soon as it has to wait
		if err == nil || !strings.Contains(err.Error(), "another latchkey-gen is still at work in "+folder) {
			t.Errorf("the error is %v", err)
		}
		if err := holder.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = holder.Wait()
		unlock, err := Lock(t.Context(), folder, func() {})
		if err != nil {
			t.Fatal(err)
		}
		if err := unlock(); err != nil {
			t.Error(err)
		}
		if entries, err := os.ReadDir(folder); err != nil || len(entries) > 0 {
			t.Errorf("%v is left (%v)", entries, err)
		}
	})
	t.Run("D8: a folder that is not there cannot be locked", func(t *testing.T) {
		t.Parallel()
		if _, err := Lock(t.Context(), t.TempDir()+"/nothing", func() {}); err == nil {
			t.Error("no error")
		}
	})
}
