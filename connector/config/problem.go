package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a configuration file. Lines and columns count from 1,
// columns in characters; Line 0 means the file as a whole.
type Position struct {
	File         string
	Line, Column int
}

// String returns "file:line:column", or the file alone when there is no line.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing wrong with a file.
type Problem struct {
	Position
	Message string
}

// Error returns "file:line:column: message".
func (p Problem) Error() string {
	if p.Position == (Position{}) {
		return p.Message
	}
	return p.Position.String() + ": " + p.Message
}

// String returns the same as Error.
func (p Problem) String() string { return p.Error() }

// Problems is all that is wrong, as one error with a line for each. Use Err to
// return it as an error.
type Problems []Problem

// Error returns one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Err returns p as an error, sorted, or nil when there is no problem.
func (p Problems) Err() error {
	if len(p) == 0 {
		return nil
	}
	return p.Sort()
}

// Sort returns the problems in the order of files and lines, each once. It
// leaves p as it is.
func (p Problems) Sort() Problems {
	sorted := slices.Clone(p)
	slices.SortStableFunc(sorted, func(a, b Problem) int {
		return cmp.Or(
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Message, b.Message),
		)
	})
	return slices.Compact(sorted)
}
