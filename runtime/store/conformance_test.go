package store_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/store"
	"github.com/latchkey-auth/latchkey/runtime/store/storetest"
)

func TestMemoryConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Config{New: newMemory})
}

// The suite itself must hold where time cannot be faked.
func TestMemoryConformsInRealTime(t *testing.T) {
	t.Parallel()
	storetest.Run(t, storetest.Config{New: newMemory, RealTime: true})
}

func newMemory(*testing.T) store.Store { return store.NewMemory(store.MemoryConfig{}) }
