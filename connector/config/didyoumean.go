package config

// DidYouMean returns `; did you mean "x"?` for the candidate nearest to name,
// or "" when none is near.
func DidYouMean(name string, candidates []string) string {
	best, ok := nearest(name, candidates)
	if !ok {
		return ""
	}
	return `; did you mean "` + best + `"?`
}
