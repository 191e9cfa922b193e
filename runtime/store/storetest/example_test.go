package storetest_test

import (
	"testing"

	"github.com/latchkey-auth/latchkey/runtime/store"
	"github.com/latchkey-auth/latchkey/runtime/store/storetest"
)

// A package with a store of its own has a test like this.
func ExampleRun() {
	_ = func(t *testing.T) { // func TestStore(t *testing.T) in the package's tests
		storetest.Run(t, storetest.Config{
			New: func(*testing.T) store.Store { return store.NewMemory(store.MemoryConfig{}) },
		})
	}
	// Output:
}
