package verify

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/latchkey-auth/latchkey/oauth"
)

// The tests of this file look inside: how many tokens are kept, and which, no caller can see.

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newTokens(t *testing.T, limits TokenCache) *acceptedTokens {
	t.Helper()
	c, err := newAcceptedTokens(limits)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func keep(c *acceptedTokens, token string, now, expires time.Time) {
	c.put(&accepted{token: token, resource: "r", caller: &oauth.AuthInfo{}}, now, expires)
}

func (c *acceptedTokens) kept() (entries int, bytes int64) {
	for i := range *c.table.Load() {
		for way := range (*c.table.Load())[i].slots {
			if e := (*c.table.Load())[i].slots[way].Load(); e != nil {
				entries++
				bytes += e.size
			}
		}
	}
	return entries, bytes
}

func TestTheCacheIsBounded(t *testing.T) {
	t.Parallel()
	for name, limits := range map[string]TokenCache{
		"by one entry":           {MaxEntries: 1},
		"by a few entries":       {MaxEntries: 10},
		"by many entries":        {MaxEntries: 3000},
		"by bytes":               {MaxBytes: 100 << 10},
		"by bytes for one token": {MaxBytes: 4 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTokens(t, limits)
			now := start
			for i := range 20_000 {
				token := fmt.Sprint(i, strings.Repeat("x", i%1000), i)
				keep(c, token, now, start.Add(time.Duration(i%600)*time.Second))
				if i%100 == 0 {
					now = now.Add(time.Second)
				}
			}
			entries, bytes := c.kept()
			if entries == 0 || entries > c.limits.MaxEntries || bytes > int64(c.limits.MaxBytes) {
				t.Errorf("%d entries of %d bytes, limits are %+v", entries, bytes, c.limits)
			}
			if entries != c.entries || bytes != c.bytes {
				t.Errorf("counted are %d entries of %d bytes, there are %d of %d", c.entries, c.bytes, entries, bytes)
			}
		})
	}
}

// A table that is not full keeps nearly all: few of its buckets overflow.
func TestTheCacheKeepsAsManyTokensAsItMay(t *testing.T) {
	t.Parallel()
	for _, most := range []int{10, 100, 4096, DefaultMaxCachedTokens} {
		c := newTokens(t, TokenCache{MaxEntries: most})
		for i := range most {
			keep(c, fmt.Sprint("token ", i), start, start.Add(time.Hour))
		}
		if entries, _ := c.kept(); entries*100 < most*95 {
			t.Errorf("%d of %d tokens are kept", entries, most)
		}
	}
}

// The table grows with its tokens: a mount that nobody uses takes little memory, and the garbage
// collector looks at no more.
func TestTheCacheGrowsWithItsTokens(t *testing.T) {
	t.Parallel()
	c := newTokens(t, TokenCache{})
	if n := len(*c.table.Load()); n > fewest {
		t.Errorf("%d buckets before the first token", n)
	}
	const many = 2000
	for i := range many {
		keep(c, fmt.Sprint("token ", i), start, start.Add(time.Hour))
	}
	if n := len(*c.table.Load()); n*ways < many || n > c.most {
		t.Errorf("%d buckets for %d tokens", n, many)
	}
	found := 0
	for i := range many {
		if c.find(fmt.Sprint("token ", i), "r", start) != nil {
			found++
		}
	}
	if entries, _ := c.kept(); found != entries || found*100 < many*99 { // a bucket may have had no room
		t.Errorf("%d of %d tokens are found, %d are kept", found, many, entries)
	}
	for i := range many {
		c.forget(fmt.Sprint("token ", i))
	}
	if entries, bytes := c.kept(); entries != 0 || bytes != 0 || c.entries != 0 || c.bytes != 0 {
		t.Errorf("%d entries of %d bytes after all were forgotten", entries, bytes)
	}
}

// More buckets than a full cache needs would take memory for nothing.
func TestTheTableStopsGrowing(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 10, 100, 1000} {
		c := newTokens(t, TokenCache{MaxEntries: most})
		for i := range 4 * most {
			keep(c, fmt.Sprint("token ", i), start, start.Add(time.Hour))
			if n := len(*c.table.Load()); n > c.most {
				t.Fatalf("%d buckets after %d tokens, the most are %d", n, i+1, c.most)
			}
		}
		if c.most > max(4, most) {
			t.Errorf("up to %d buckets for %d tokens", c.most, most)
		}
	}
}

// A provider's tokens begin alike: the header is the same, and so are the first claims. They must
// not share a bucket.
func TestTokensThatBeginAlikeAreSpreadOverTheTable(t *testing.T) {
	t.Parallel()
	c := newTokens(t, TokenCache{})
	const many = 1000
	beginning := strings.Repeat("eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ", 10)
	for i := range many {
		keep(c, fmt.Sprint(beginning, i), start, start.Add(time.Hour))
	}
	if entries, _ := c.kept(); entries*100 < many*95 {
		t.Errorf("%d of %d tokens are kept", entries, many)
	}
}

// RS-5: a token for several resources is kept for each, and forgotten for all.
func TestAForgottenTokenIsForgottenForEveryResource(t *testing.T) {
	t.Parallel()
	c := newTokens(t, TokenCache{})
	resources := []string{"r", "other", "third"}
	for _, token := range []string{"token", "neighbour"} {
		for _, resource := range resources {
			c.put(&accepted{token: token, resource: resource}, start, start.Add(time.Hour))
		}
	}
	c.forget("token")
	for _, resource := range resources {
		if c.find("token", resource, start) != nil {
			t.Errorf("still known for %s", resource)
		}
		if c.find("neighbour", resource, start) == nil {
			t.Errorf("another token is forgotten for %s", resource)
		}
	}
	if entries, bytes := c.kept(); entries != len(resources) || c.entries != entries || c.bytes != bytes {
		t.Errorf("%d entries of %d bytes are kept, counted are %d of %d", entries, bytes, c.entries, c.bytes)
	}
}

// While the table grows and changes under them, readers find what is kept, and the counts stay
// true. The test is not parallel: reader and writers need processors of their own to meet.
func TestTheCacheStaysTrueWhileItGrows(t *testing.T) {
	const writers, each = 3, 1500
	for range 10 { // each time from the smallest table, which doubles eight times
		c := newTokens(t, TokenCache{})
		const lasting = "a token that nobody forgets"
		used := start.Add(time.Second) // later than all others, so that it is never pushed out of its bucket
		keep(c, lasting, used, start.Add(time.Hour))
		var writing, reading sync.WaitGroup
		var done atomic.Bool
		reading.Go(func() {
			for reads := 0; !done.Load(); reads++ {
				if c.find(lasting, "r", used) == nil {
					t.Errorf("missed at read %d", reads)
					return
				}
			}
		})
		for writer := range writers {
			writing.Go(func() {
				for i := range each {
					token := fmt.Sprint("token ", writer, " ", i)
					keep(c, token, start, start.Add(time.Hour))
					if i%3 == 0 {
						c.forget(token)
						if c.find(token, "r", start) != nil {
							t.Errorf("%s is known after it was forgotten", token)
						}
					}
				}
			})
		}
		writing.Wait()
		done.Store(true)
		reading.Wait()
		if entries, bytes := c.kept(); entries != c.entries || bytes != c.bytes || entries < writers*each/2 {
			t.Errorf("counted are %d entries of %d bytes, there are %d of %d", c.entries, c.bytes, entries, bytes)
		}
	}
}

func TestExpiredTokensGoFirstThenTheLeastRecentlyUsed(t *testing.T) {
	t.Parallel()
	const most = 8 // the search for a victim sees all of them
	c := newTokens(t, TokenCache{MaxEntries: most})
	now := start
	for i := range most {
		expires := start.Add(time.Hour)
		if i == 5 {
			expires = start.Add(time.Minute)
		}
		keep(c, fmt.Sprint(i), now, expires)
		now = now.Add(time.Second)
	}
	now = start.Add(30 * time.Second)
	for _, used := range []int{0, 2, 5} {
		if c.find(fmt.Sprint(used), "r", now) == nil {
			t.Fatalf("token %d is not there", used)
		}
	}
	now = start.Add(2 * time.Minute)
	for _, step := range []struct{ token, pushedOut string }{{"a", "5"}, {"b", "1"}, {"c", "3"}, {"d", "4"}, {"e", "6"}} {
		keep(c, step.token, now, start.Add(time.Hour))
		now = now.Add(time.Second)
		_, bytes := c.kept()
		for _, token := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "a", "b", "c", "d", "e"} {
			b, _ := c.locate(token)
			there := false
			for i := range b.slots {
				e := b.slots[i].Load()
				there = there || e != nil && e.token == token
			}
			if there && token == step.pushedOut {
				t.Errorf("token %s is still there after %s", token, step.token)
			}
		}
		if c.entries != most || c.bytes != bytes {
			t.Errorf("%d entries of %d bytes after %s", c.entries, c.bytes, step.token)
		}
	}
	for _, token := range []string{"0", "2", "7"} {
		if c.find(token, "r", now) == nil {
			t.Errorf("token %s, used of late, was pushed out", token)
		}
	}
}

func TestATokenIsKeptOncePerResource(t *testing.T) {
	t.Parallel()
	c := newTokens(t, TokenCache{})
	for range 3 {
		keep(c, "token", start, start.Add(time.Hour))
	}
	c.put(&accepted{token: "token", resource: "other"}, start, start.Add(time.Hour))
	if entries, bytes := c.kept(); entries != 2 || c.entries != 2 || c.bytes != bytes {
		t.Errorf("%d entries, counted %d", entries, c.entries)
	}
}

// An expiry that is centuries away is no overflow into the past.
func TestADistantExpiryIsNoOverflow(t *testing.T) {
	t.Parallel()
	c := newTokens(t, TokenCache{})
	keep(c, "token", start, time.Unix(1<<53, 0))
	if c.find("token", "r", start.Add(DefaultMaxCachedTokenAge-1)) == nil {
		t.Error("not kept")
	}
	if c.find("token", "r", start.Add(DefaultMaxCachedTokenAge)) != nil {
		t.Error("kept beyond MaxAge")
	}
}

func TestLookingATokenUpAllocatesNothing(t *testing.T) {
	c := newTokens(t, TokenCache{})
	token := strings.Repeat("x", 900)
	keep(c, token, start, start.Add(time.Hour))
	seconds := 0
	if n := testing.AllocsPerRun(100, func() {
		seconds++
		if c.find(token, "r", start.Add(time.Duration(seconds)*time.Second)) == nil {
			t.Error("not found")
		}
		c.find("another", "r", start)
	}); n != 0 {
		t.Errorf("%.0f allocations", n)
	}
}

// The lists that are made of claims may take more than all else.
func TestAnEntryCountsItsLists(t *testing.T) {
	t.Parallel()
	list := make([]string, 1000)
	for i := range list {
		list[i] = "ten chars."
	}
	size := func(caller oauth.AuthInfo) int64 { return (&accepted{caller: &caller}).bytes() }
	empty := size(oauth.AuthInfo{})
	for name, caller := range map[string]oauth.AuthInfo{
		"scopes": {Scopes: list}, "permissions": {Permissions: list}, "audience": {Audience: list},
		"roles": {User: oauth.UserInfo{Roles: list}},
	} {
		if got := size(caller) - empty; got < 1000*(16+10) {
			t.Errorf("%s: counted as %d bytes", name, got)
		}
	}
}
