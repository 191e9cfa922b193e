package tickets

import "time"

// MaxConsents is how many consents one browser's cookie holds.
const MaxConsents = 16

// Consent is a consent that the user asked us to remember.
type Consent struct {
	// Given is the digest of everything that was agreed to.
	Given ID
	Until time.Time
}

func consentsFormat() format[[]Consent] {
	return format[[]Consent]{
		purpose: "consent", version: 1, least: 1,
		write: func(w writer, list []Consent) []byte {
			w.number(uint64(len(list)))
			for _, c := range list {
				w.id(c.Given)
				w.time(c.Until)
			}
			return w.b
		},
		read: func(r reader) ([]Consent, error) {
			n := r.number()
			if n > MaxConsents {
				return nil, errShape
			}
			list := make([]Consent, n)
			for i := range list {
				list[i] = Consent{Given: r.id(), Until: r.time()}
			}
			return list, r.end()
		},
	}
}
