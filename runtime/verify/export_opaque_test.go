package verify

// CachedAnswers says how many accepted and refused tokens a verifier remembers.
func CachedAnswers(o *Opaque) (accepted, refused int) {
	o.cache.mu.Lock()
	defer o.cache.mu.Unlock()
	return len(o.cache.accepted.entries), len(o.cache.refused.entries)
}

// UnderWay says how many questions are under way or waiting.
func UnderWay(o *Opaque) int {
	o.inquiries.mu.Lock()
	defer o.inquiries.mu.Unlock()
	return len(o.inquiries.flights)
}
