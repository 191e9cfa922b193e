package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/latchkey-auth/latchkey/runtime/proxy"
	"github.com/latchkey-auth/latchkey/runtime/store/redisstore"
)

// Replicas of a server share what cannot be sealed.
func ExampleOpen() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // how long it may wait for the server
	defer cancel()
	shared, err := redisstore.Open(ctx, "redis+ha://redis.internal:6379", redisstore.Config{})
	if errors.Is(err, redisstore.ErrURL) {
		fmt.Println("the operator has to correct the URL")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	defer shared.Close()
	_ = proxy.Options{Store: shared} // the Proxy of a guard's configuration
	// Output: the operator has to correct the URL
}
