package bench

import (
	"slices"
	"time"
)

// Comparison is the time of several pieces of work per call, measured in one run.
type Comparison struct{ best []time.Duration }

// Compare measures pieces of work by turns, in short rounds, and takes the best round of each: whatever else the machine does
// only ever adds time. A piece's error ends the measurement.
func Compare(rounds int, round time.Duration, pieces ...func() error) (Comparison, error) {
	perCall := make([][]time.Duration, len(pieces))
	for range rounds {
		for i, piece := range pieces {
			d, err := timePerCall(round, piece)
			if err != nil {
				return Comparison{}, err
			}
			perCall[i] = append(perCall[i], d)
		}
	}
	c := Comparison{best: make([]time.Duration, len(pieces))}
	for i := range pieces {
		c.best[i] = slices.Min(perCall[i])
	}
	return c, nil
}

func timePerCall(round time.Duration, piece func() error) (time.Duration, error) {
	calls := 0
	start := time.Now()
	for time.Since(start) < round {
		for range 16 {
			if err := piece(); err != nil {
				return 0, err
			}
		}
		calls += 16
	}
	return time.Since(start) / time.Duration(calls), nil
}

// Time is the best time of one call of piece i.
func (c Comparison) Time(i int) time.Duration { return c.best[i] }

// Ratio is how many times longer piece i takes than piece 0.
func (c Comparison) Ratio(i int) float64 { return float64(c.best[i]) / float64(c.best[0]) }
