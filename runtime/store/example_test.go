package store_test

import (
	"context"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/store"
)

// A code may be redeemed once: the first who marks it wins, until the mark expires.
func ExampleNewMemory() {
	ctx := context.Background()
	memory := store.NewMemory(store.MemoryConfig{})
	for range 2 {
		first, err := store.Mark(ctx, memory, "code/6f1d", time.Minute)
		fmt.Println(first, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}
