package output

import (
	"fmt"
	"slices"
	"strings"
)

// surroundings is the number of unchanged lines around a change.
const surroundings = 3

// Diff returns changes as a unified diff.
func Diff(changes []Change) string {
	var b strings.Builder
	for _, c := range changes {
		from, to := c.Path, c.Path
		if c.Old == nil {
			from = "/dev/null"
		}
		if c.New == nil {
			to = "/dev/null"
		}
		fmt.Fprintf(&b, "--- %s\n+++ %s\n", from, to)
		writeHunks(&b, edits(lines(c.Old), lines(c.New)))
	}
	return b.String()
}

// edit is one line of a diff: kept ' ', removed '-' or added '+'.
type edit struct {
	kind byte
	line string
}

func lines(data []byte) []string {
	if len(data) == 0 {
		return nil
	}
	text := strings.TrimSuffix(string(unix(data)), "\n")
	return strings.Split(text, "\n")
}

// edits turns a into b. The lines that both have in common at their ends are split off; between, a
// longest common subsequence is kept, unless the middle is so large that replacing it is the better
// answer.
func edits(a, b []string) []edit {
	var head, tail []edit
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		head = append(head, edit{' ', a[0]})
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		tail = append([]edit{{' ', a[len(a)-1]}}, tail...)
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	return append(append(head, middle(a, b)...), tail...)
}

const maxTable = 4 << 20

func middle(a, b []string) []edit {
	var list []edit
	i, j := 0, 0
	if len(a)*len(b) <= maxTable {
		common := subsequences(a, b)
		for i < len(a) && j < len(b) {
			switch {
			case a[i] == b[j]:
				list = append(list, edit{' ', a[i]})
				i, j = i+1, j+1
			case common[i+1][j] >= common[i][j+1]:
				list = append(list, edit{'-', a[i]})
				i++
			default:
				list = append(list, edit{'+', b[j]})
				j++
			}
		}
	}
	for ; i < len(a); i++ {
		list = append(list, edit{'-', a[i]})
	}
	for ; j < len(b); j++ {
		list = append(list, edit{'+', b[j]})
	}
	return list
}

// subsequences returns the lengths of the longest common subsequences of all ends of a and b.
func subsequences(a, b []string) [][]int {
	table := make([][]int, len(a)+1)
	for i := range table {
		table[i] = make([]int, len(b)+1)
	}
	for i, line := range slices.Backward(a) {
		for j := len(b) - 1; j >= 0; j-- {
			if line == b[j] {
				table[i][j] = table[i+1][j+1] + 1
			} else {
				table[i][j] = max(table[i+1][j], table[i][j+1])
			}
		}
	}
	return table
}

// writeHunks writes the changed parts with their surroundings.
func writeHunks(b *strings.Builder, list []edit) {
	for start := 0; start < len(list); {
		first := start
		for first < len(list) && list[first].kind == ' ' {
			first++
		}
		if first == len(list) {
			return
		}
		end, quiet := first, 0
		for ; end < len(list) && quiet <= 2*surroundings; end++ {
			if list[end].kind == ' ' {
				quiet++
			} else {
				quiet = 0
			}
		}
		from := max(start, first-surroundings)
		to := end - max(0, quiet-surroundings)
		writeHunk(b, list, from, to)
		start = to
	}
}

func writeHunk(b *strings.Builder, list []edit, from, to int) {
	oldLine, newLine := count(list[:from])
	oldCount, newCount := count(list[from:to])
	fmt.Fprintf(b, "@@ -%s +%s @@\n", span(oldLine, oldCount), span(newLine, newCount))
	for _, e := range list[from:to] {
		b.WriteByte(e.kind)
		b.WriteString(e.line + "\n")
	}
}

// count returns how many lines of the old and of the new file the edits cover.
func count(list []edit) (before, after int) {
	for _, e := range list {
		if e.kind != '+' {
			before++
		}
		if e.kind != '-' {
			after++
		}
	}
	return before, after
}

// span is a range of lines as a hunk's head writes it: an empty range names the line before it.
func span(start, count int) string {
	if count == 0 {
		return fmt.Sprintf("%d,0", start)
	}
	return fmt.Sprintf("%d,%d", start+1, count)
}
