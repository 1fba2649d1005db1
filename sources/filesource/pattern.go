package filesource

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// meta are the characters that make a path a pattern.
const meta = "*?[{"

// checkPattern says what is wrong with a pattern; "" when nothing is.
func checkPattern(pattern string) string {
	if !doublestar.ValidatePattern(pattern) {
		return "not a pattern: a [ or { is not closed"
	}
	for _, form := range []string{"!(", "@(", "+(", "?(", "*("} {
		if strings.Contains(pattern, form) {
			return "not a pattern: " + form + "…) is not known here; there are *, **, ?, [abc] and {a,b}"
		}
	}
	for _, one := range expand(pattern) {
		for _, name := range strings.Split(filepath.ToSlash(one), "/") {
			if strings.Contains(name, "**") && name != "**" {
				return "not a pattern: ** stands for folders and has to be between slashes, as in data/**/*.ndjson"
			}
		}
	}
	return ""
}

// find returns the files that a path or pattern names, sorted, and what kept it
// from looking everywhere. A link to a folder is followed where the pattern
// names it, not by **, so that a circle of links ends.
func find(pattern string) ([]string, error) {
	if !strings.ContainsAny(pattern, meta) {
		return []string{pattern}, nil
	}
	s := search{found: map[string]struct{}{}}
	for _, one := range expand(pattern) {
		base, rest := doublestar.SplitPattern(filepath.ToSlash(one))
		if !strings.ContainsAny(rest, meta) { // braces only
			s.add(filepath.FromSlash(one))
			continue
		}
		s.in(filepath.FromSlash(base), strings.Split(rest, "/"))
	}
	if len(s.found) == 0 {
		s.add(pattern) // a name with characters of a pattern
	}
	names := make([]string, 0, len(s.found))
	for name := range s.found {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, errors.Join(s.errs...)
}

// expand returns the patterns that one with braces stands for.
func expand(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 {
		return []string{pattern}
	}
	depth, from := 0, open+1
	var choices []string
	for i := open; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '{':
			depth++
		case c == ',' && depth == 1:
			choices, from = append(choices, pattern[from:i]), i+1
		case c == '}':
			if depth--; depth > 0 {
				continue
			}
			var all []string
			for _, choice := range append(choices, pattern[from:i]) {
				all = append(all, expand(pattern[:open]+choice+pattern[i+1:])...)
			}
			return all
		}
	}
	return []string{pattern} // not closed
}

// maxSearchErrors bounds what is told of folders that could not be read.
const maxSearchErrors = 10

type search struct {
	found map[string]struct{}
	errs  []error
}

// add takes a name if there is something of that name which is no folder.
func (s *search) add(name string) {
	if info, err := os.Stat(name); err == nil && !info.IsDir() {
		s.found[name] = struct{}{}
	}
}

// in looks in a folder for what the rest of a pattern names.
func (s *search) in(dir string, names []string) {
	name, rest := names[0], names[1:]
	if !strings.ContainsAny(name, meta) && name != "**" {
		if next := filepath.Join(dir, name); len(rest) == 0 {
			s.add(next)
		} else {
			s.in(next, rest)
		}
		return
	}
	if name == "**" && len(rest) > 0 {
		s.in(dir, rest)
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && len(s.errs) < maxSearchErrors {
		s.errs = append(s.errs, err)
	}
	for _, e := range entries {
		at := filepath.Join(dir, e.Name())
		switch {
		case name == "**" && e.IsDir():
			s.in(at, names)
		case name == "**" && len(rest) == 0:
			s.add(at)
		case name == "**":
		default:
			if ok, err := doublestar.Match(name, e.Name()); err != nil || !ok {
				continue
			}
			if len(rest) == 0 {
				s.add(at)
			} else if info, err := os.Stat(at); err == nil && info.IsDir() {
				s.in(at, rest)
			}
		}
	}
}
