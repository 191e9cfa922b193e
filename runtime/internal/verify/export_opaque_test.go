package verify

import "time"

// CachedAnswers says how many accepted and refused tokens a verifier remembers.
func CachedAnswers(o *Opaque) (accepted, refused int) {
	o.cache.mu.Lock()
	defer o.cache.mu.Unlock()
	return o.cache.accepted.entries.Len(), o.cache.refused.entries.Len()
}

// UnderWay says how many questions are under way or waiting.
func UnderWay(o *Opaque) int {
	o.inquiries.mu.Lock()
	defer o.inquiries.mu.Unlock()
	return o.inquiries.open
}

// KeptBytes puts values of the given sizes, one after the other, into a memory of limited size and
// says how many remain and how many bytes they count.
func KeptBytes(maxBytes int, sizes ...int) (entries, bytes int) {
	r := newTimed[int](len(sizes), maxBytes)
	for i, size := range sizes {
		r.put(tokenKey{byte(i)}, i, size, time.Unix(0, 0), time.Unix(1, 0))
	}
	return r.entries.Len(), r.bytes
}
