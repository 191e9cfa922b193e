package archtest_test

// redisStore is the room of the one library that a server needs only where replicas share a store.
const redisStore = "runtime/store/redisstore"

// engineRooms are the rooms of the runtime, from the ground up. The broker's are brokerRooms.
func engineRooms() []room {
	rooms := []room{
		{packages: []string{"runtime/facts"}, may: []string{"oauth"}},
		{packages: []string{"runtime/explain"}, may: []string{"oauth"}},
		{packages: []string{"runtime/check"}},
		{packages: []string{"runtime/observe"}, may: []string{"oauth"}},
		{packages: []string{"runtime/observe/audit"}, may: []string{"oauth", "runtime/observe"}},
		{packages: []string{"runtime/internal/events"}, may: []string{"oauth", "runtime/observe"}},
		{packages: []string{"runtime/egress"}, may: []string{"internal/plainurl"}, modules: []string{xnet}},
		{
			packages: []string{"runtime/clientaddr"},
			may: []string{
				"runtime/internal/events", "runtime/observe",
			},
			modules: []string{xnet},
		},
		{packages: []string{"runtime/store"}, may: []string{"oauth", "runtime/internal/events", "runtime/observe"}},
		{packages: []string{"runtime/store/storetest"}, may: []string{"runtime/store"}},
		{
			packages: []string{redisStore},
			may:      []string{"oauth", "runtime/internal/events", "runtime/observe", "runtime/store"}, modules: []string{valkey},
		},
		{packages: []string{"runtime/proxy"}, may: []string{"oauth", "runtime/store"}},
		{packages: []string{"runtime/internal/seal"}, may: []string{"oauth"}, modules: []string{xcrypto}},
		{packages: []string{"runtime/internal/cors"}, may: []string{}, modules: []string{xnet}},
		{
			packages: []string{"runtime/internal/upstream"},
			may: []string{
				"internal/flight", "internal/jose", "internal/noredirect", "internal/plainurl", "internal/ratelimit", "internal/recent",
				"internal/strictjson", "oauth",
				"runtime/egress", "runtime/facts",
			},
		},
		{
			packages: []string{"runtime/internal/keys"},
			may: []string{
				"internal/jose", "oauth", "runtime/egress", "runtime/internal/events", "runtime/internal/upstream",
				"runtime/observe",
			},
		},
		{
			packages: []string{"runtime/internal/metadata"},
			may: []string{
				"internal/flight", "internal/httpanswer", "internal/strictjson", "oauth", "runtime/egress",
				"runtime/facts", "runtime/internal/cors", "runtime/internal/events", "runtime/internal/upstream",
				"runtime/observe",
			},
		},
		{
			packages: []string{"runtime/internal/verify"},
			may: []string{
				"internal/jose", "internal/plainurl", "internal/ratelimit", "internal/recent", "internal/strictjson", "oauth",
				"runtime/egress", "runtime/explain", "runtime/facts", "runtime/internal/events", "runtime/internal/upstream",
				"runtime/observe",
			},
		},
		{
			packages: []string{"runtime/internal/inspect"},
			may: []string{
				"internal/jose", "internal/strictjson", "oauth", "runtime/check", "runtime/egress", "runtime/facts",
				"runtime/internal/upstream",
			},
		},
		{
			packages: []string{"runtime/internal/peers"},
			may:      []string{"runtime/clientaddr", "runtime/internal/events", "runtime/observe"},
		},
		{
			packages: []string{"runtime/internal/broker"},
			may: []string{
				"internal/httpanswer", "internal/params", "internal/plainurl", "internal/ratelimit", "internal/redirecturi", "oauth",
				"runtime/facts", "runtime/internal/broker/...", "runtime/internal/cors", "runtime/internal/events",
				"runtime/internal/peers", "runtime/internal/seal", "runtime/internal/upstream", "runtime/observe",
				"runtime/proxy", "runtime/store",
			},
			modules: []string{xtime},
		},
		{
			packages: []string{"runtime/relay"},
			may: []string{
				"internal/flight", "internal/httpanswer", "internal/pacedbody", "internal/plainurl", "internal/ratelimit", "internal/recent",
				"internal/strictjson", "oauth", "runtime/clientaddr", "runtime/egress", "runtime/internal/cors",
				"runtime/internal/events", "runtime/internal/seal", "runtime/observe",
			},
		},
		{
			packages: []string{"runtime/sessions"},
			may: []string{
				"oauth", "runtime/internal/events", "runtime/internal/seal", "runtime/observe",
			},
		},
		{
			packages: []string{"runtime"},
			may: []string{
				"internal/callerkey", "internal/flight", "internal/httpanswer", "internal/pacedbody", "internal/plainurl", "internal/secretenv", "oauth", "runtime/egress",
				"runtime/check", "runtime/explain", "runtime/facts", "runtime/internal/broker", "runtime/internal/cors",
				"runtime/internal/events", "runtime/internal/inspect", "runtime/internal/keys", "runtime/internal/metadata",
				"runtime/internal/peers", "runtime/internal/verify", "runtime/observe", "runtime/proxy", "runtime/store",
			},
		},
		{
			packages: []string{"runtime/providertest"},
			may: []string{
				"internal/jose", "internal/pageform", "oauth", "runtime", "runtime/facts", "runtime/proxy",
			},
		},
	}
	for i, r := range rooms {
		rooms[i].never = []string{
			yaml, validator, jennifer, echo, kong, mcpSDK, "gen/...", "devidp", "providers_gen/...", "cmd/...",
		}
		if r.packages[0] != redisStore {
			rooms[i].never = append(rooms[i].never, valkey)
		}
	}
	return rooms
}
