package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
)

// Inner runs a Go benchmark of a package that only the runtime itself may import, and reads its
// figures: one result of as many runs.
func Inner(ctx context.Context, name, benchmark, path string, runs int) (Result, error) {
	command := exec.CommandContext(ctx, "go", "test", "-run=^$", "-benchmem", "-cpu=1", "-benchtime=0.2s", //nolint:gosec // the names are ours
		"-bench=^"+benchmark+"$", "-count="+strconv.Itoa(runs), path)
	output, err := command.CombinedOutput()
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w: %s", benchmark, err, output)
	}
	result := Result{Name: name}
	for _, line := range benchmarkLine.FindAllSubmatch(output, -1) {
		nanos, err := strconv.ParseFloat(string(line[1]), 64)
		if err != nil {
			return Result{}, err
		}
		allocations, err := strconv.ParseFloat(string(line[2]), 64)
		if err != nil {
			return Result{}, err
		}
		result.Nanos, result.Allocs = append(result.Nanos, nanos), allocations
	}
	if len(result.Nanos) != runs {
		return Result{}, errors.New(benchmark + ": the output has no figures")
	}
	return result, nil
}

// benchmarkLine is a line of figures as `go test -benchmem` prints it.
var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark\S+\s+\d+\s+([\d.]+) ns/op.*\s(\d+) allocs/op$`)
