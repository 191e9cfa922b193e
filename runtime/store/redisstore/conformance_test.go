package redisstore

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/latchkey-auth/latchkey/internal/redistest"
	"github.com/latchkey-auth/latchkey/runtime/store"
	"github.com/latchkey-auth/latchkey/runtime/store/storetest"
)

// trials gives each test of the suite a prefix of its own.
func trials(url string) storetest.Config {
	var n atomic.Int32
	return storetest.Config{RealTime: true, New: func(t *testing.T) store.Store {
		return mustOpen(t, url, Config{Prefix: fmt.Sprintf("trial-%d:", n.Add(1)), Timeout: slow})
	}}
}

func TestAServerConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, trials(redistest.Start(t).URL()))
}

func TestAClusterConforms(t *testing.T) {
	t.Parallel()
	storetest.Run(t, trials(redistest.Cluster(t)))
}
