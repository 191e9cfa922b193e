// Package redisstore is a [store.Store] in Redis 6.2 or later, or Valkey, for replicas that must
// agree: one server, a cluster, or a primary that Sentinel watches.
//
// Each step of the store is one script on one server, and the steps of a call are one round trip.
// The keys of a group share a hash tag, so that a cluster keeps them on one node. Times are the
// server's.
//
// A store that forgets lets revoked tokens work again. So the server must not evict: [Open] refuses
// one whose maxmemory-policy is another than noeviction. A failover forgets what the new primary
// had not received yet.
//
// There is no fall-back to memory: while the server cannot be reached, calls fail.
package redisstore
