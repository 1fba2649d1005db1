package config

import "strings"

// nearest returns the candidate that name was most likely meant to be. A name
// of one character is near to nothing but itself.
func nearest(name string, candidates []string) (string, bool) {
	best, limit := "", min(3, max(1, len(name)/3))+1
	for _, c := range candidates {
		if squeeze(c) == squeeze(name) {
			return c, true
		}
		if len(name) > 64 || len(name) < 2 || len(c)-len(name) >= limit || len(name)-len(c) >= limit {
			continue
		}
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < limit {
			best, limit = c, d
		}
	}
	return best, best != ""
}

// squeeze makes bootstrapServer, bootstrap-server and bootstrap_server equal.
func squeeze(name string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "", " ", "").Replace(strings.ToLower(name))
}

// distance counts the insertions, deletions, changes and swaps of neighbours
// that turn a into b.
func distance(a, b string) int {
	before := make([]int, len(b)+1)
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
