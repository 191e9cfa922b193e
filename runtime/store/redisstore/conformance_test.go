package redisstore

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

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
	storetest.Run(t, trials(start(t).url()))
}

func TestAClusterConforms(t *testing.T) {
	t.Parallel()
	var hosts []string
	for _, s := range cluster(t) {
		hosts = append(hosts, s.address())
	}
	storetest.Run(t, trials("redis+cluster://"+strings.Join(hosts, ",")))
}
