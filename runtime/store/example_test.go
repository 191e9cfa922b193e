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
	redeem := store.Step{Group: "code 6f1d", Swap: []store.Swap{{Key: "used", Next: []byte{1}, TTL: time.Minute}}}
	for range 2 {
		outcomes, err := memory.Do(ctx, redeem)
		fmt.Println(outcomes[0].Swapped, err)
	}
	// Output:
	// true <nil>
	// false <nil>
}
