package bench

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// Piece is a piece of work to measure: Run does it once. It is called from one goroutine at a time.
type Piece struct {
	Name string
	Run  func() error
	// Waits marks work that waits for others, such as servers: then time is the clock's. Of all
	// other work it is the processor time of its thread, which whatever else the machine does takes
	// nothing from.
	Waits bool
}

// Series are the results of the runs of a measurement, one each.
type Series []float64

// Median is the middle result.
func (s Series) Median() float64 {
	sorted := slices.Sorted(slices.Values(s))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// Spread is the least and the largest result.
func (s Series) Spread() (low, high float64) {
	if len(s) == 0 {
		return 0, 0
	}
	return slices.Min(s), slices.Max(s)
}

// Over divides the results of each run by another series' of the same run.
func (s Series) Over(other Series) Series {
	ratios := make(Series, len(s))
	for i := range s {
		ratios[i] = s[i] / other[i]
	}
	return ratios
}

// Minus subtracts the results of another series' same run.
func (s Series) Minus(other Series) Series {
	differences := make(Series, len(s))
	for i := range s {
		differences[i] = s[i] - other[i]
	}
	return differences
}

// Result is what was measured of a piece.
type Result struct {
	Name string
	// Nanos are nanoseconds per call, one value per run.
	Nanos Series
	// Allocs are allocations per call.
	Allocs float64
}

// slicesPerRun is how often each piece has its turn within a run.
const slicesPerRun = 5

// Interleave measures pieces by turns: each of the runs gives every piece five short slices of
// time, in rotation, and takes the piece's best, since whatever else the machine does only adds
// time.
func Interleave(runs int, slice time.Duration, pieces ...Piece) ([]Result, error) {
	results := make([]Result, len(pieces))
	calls := make([]int, len(pieces))
	for i, p := range pieces {
		results[i].Name = p.Name
		var err error
		if calls[i], err = calibrate(p, slice); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	for range runs {
		best := make([]float64, len(pieces))
		for range slicesPerRun {
			for i, p := range pieces {
				runtime.GC() // nobody sweeps up behind the one before
				nanos, err := timeCalls(p, calls[i])
				if err != nil {
					return nil, fmt.Errorf("%s: %w", p.Name, err)
				}
				if best[i] == 0 || nanos < best[i] {
					best[i] = nanos
				}
			}
		}
		for i := range pieces {
			results[i].Nanos = append(results[i].Nanos, best[i])
		}
	}
	for i, p := range pieces {
		results[i].Allocs = testing.AllocsPerRun(min(calls[i], 1000), func() { _ = p.Run() })
	}
	return results, nil
}

// calibrate finds how many calls fill a slice.
func calibrate(p Piece, slice time.Duration) (int, error) {
	for calls := 1; ; calls *= 4 {
		nanos, err := timeCalls(p, calls)
		if err != nil {
			return 0, err
		}
		if took := time.Duration(nanos * float64(calls)); took > slice/8 || calls > 1<<28 {
			return max(1, int(float64(slice)/nanos)), nil
		}
	}
}

func timeCalls(p Piece, calls int) (nanos float64, err error) {
	clock := time.Now
	if !p.Waits {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		clock = threadTime
	}
	start := clock()
	for range calls {
		if err := p.Run(); err != nil {
			return 0, err
		}
	}
	return float64(clock().Sub(start)) / float64(calls), nil
}

// Scaling measures how many times more calls two goroutines make than one, in several runs.
func Scaling(runs int, slice time.Duration, newPiece func() Piece) (Series, error) {
	var series Series
	runtime.GC()
	calls, err := calibrate(newPiece(), slice)
	if err != nil {
		return nil, err
	}
	for range runs {
		var bestOne, bestTwo float64
		for range slicesPerRun {
			one, err := together(1, calls, newPiece)
			if err != nil {
				return nil, err
			}
			two, err := together(2, calls, newPiece)
			if err != nil {
				return nil, err
			}
			bestOne, bestTwo = max(bestOne, one), max(bestTwo, two)
		}
		series = append(series, bestTwo/bestOne)
	}
	return series, nil
}

// together returns how many calls per nanosecond several goroutines make, each of its own piece.
func together(goroutines, calls int, newPiece func() Piece) (float64, error) {
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	start := time.Now()
	for g := range goroutines {
		p := newPiece()
		p.Waits = true // for a turn, or for the other core
		wg.Go(func() { _, errs[g] = timeCalls(p, calls) })
	}
	wg.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return 0, err
		}
	}
	return float64(goroutines*calls) / float64(took), nil
}
