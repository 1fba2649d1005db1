package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// The bounds of one document, far above any real one.
const (
	maxDepth = 100
	maxNodes = 100_000 // with aliases written out
)

// ParseFile reads and parses a file. See Parse.
func ParseFile(path string, r *Resolver) (*Node, Problems) {
	r = r.complete()
	src, err := r.ReadFile(path)
	if err != nil {
		return nil, Problems{{Position: Position{File: path}, Message: "cannot read the file: " + readError(err)}}
	}
	return Parse(path, src, r)
}

// Parse reads one YAML (or JSON) document and resolves what its scalars take
// from outside; a nil Resolver means NewResolver. The Node is nil only when the
// text is not YAML at all; otherwise it can be decoded even though there are
// problems, so that a caller finds the rest of them too. An empty document is
// a Null node. Keys are never interpolated.
func Parse(file string, src []byte, r *Resolver) (*Node, Problems) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if problem, bad := checkText(file, src); bad {
		return nil, Problems{problem}
	}
	loader, err := yaml.NewLoader(bytes.NewReader(src))
	if err != nil {
		return nil, Problems{syntaxProblem(file, src, err)}
	}
	var document, more yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF):
		return &Node{pos: Position{file, 1, 1}, masker: r.complete().Masker}, nil
	case err != nil:
		return nil, Problems{syntaxProblem(file, src, err)}
	}
	t := &tree{file: file, resolver: r.complete(), open: make(map[*yaml.Node]bool)}
	root := t.node(document.Content[0], 0)
	root.broken = root.broken || t.full // what was cut off would be missed
	switch err := loader.Load(&more); {
	case err == nil:
		t.problem(&more, "a second document begins here; put it into a file of its own")
	case !errors.Is(err, io.EOF):
		t.problems = append(t.problems, syntaxProblem(file, src, err))
	}
	return root, t.problems.Sort()
}

// checkText finds what the YAML reader reports without a place.
func checkText(file string, src []byte) (Problem, bool) {
	if len(src) > maxSource {
		return Problem{Position{File: file}, fmt.Sprintf("the file is larger than %d bytes", maxSource)}, true
	}
	pos := Position{file, 1, 1}
	for i := 0; i < len(src); pos.Column++ {
		c, size := utf8.DecodeRune(src[i:])
		switch {
		case c == utf8.RuneError && size == 1:
			return Problem{pos, "not valid UTF-8; save the file as UTF-8"}, true
		case c < ' ' && c != '\n' && c != '\r' && c != '\t', c == 0x7f, c == 0xfffe, c == 0xffff,
			c >= 0x80 && c < 0xa0 && c != 0x85:
			return Problem{pos, fmt.Sprintf("control character U+%04X is not allowed; write it as an escape in double quotes", c)}, true
		case c == '\n':
			pos.Line, pos.Column = pos.Line+1, 0
		}
		i += size
	}
	return Problem{}, false
}

var (
	bareTemplate = regexp.MustCompile(`(?:^|[:\-,\[]\s)\s*\{\{`)
	flowVariable = regexp.MustCompile(`[\[{,][^"']*\$\{`)
)

func syntaxProblem(file string, src []byte, err error) Problem {
	p := Problem{Position{File: file}, "not valid YAML"}
	var load *yaml.LoadError
	if !errors.As(err, &load) {
		return p
	}
	p.Line, p.Column = load.Mark.Line, load.Mark.Column
	p.Message += ": " + withoutQuoted(load.Message)
	if load.ContextMsg != "" {
		p.Message += " " + withoutQuoted(load.ContextMsg)
		if load.ContextMark.Line > 0 && load.ContextMark.Line != p.Line {
			p.Message += fmt.Sprintf(" that begins in line %d", load.ContextMark.Line)
		}
	}
	for _, line := range []string{sourceLine(src, p.Line), sourceLine(src, load.ContextMark.Line)} {
		switch {
		case bareTemplate.MatchString(line):
			p.Message += `; put text with {{ }} in quotes: "{{ … }}"`
			return p
		case flowVariable.MatchString(line):
			p.Message += `; inside [ ] and { } put ${…} in quotes: "${…}"`
			return p
		case strings.HasPrefix(line, "\t"):
			p.Message += "; indent with spaces, not tabs"
			return p
		}
	}
	return p
}

var quotedText = regexp.MustCompile(`'[^',\s]{2,}'|"[^",\s]{2,}"`)

// withoutQuoted leaves out what the YAML reader repeats of the file: a password
// that begins with an asterisk is an alias to it. Single characters stay.
func withoutQuoted(message string) string {
	if strings.Contains(message, "unknown anchor") {
		return `an alias (text that begins with *) that no anchor in the file names; put text that begins with * in quotes: "*…"`
	}
	return quotedText.ReplaceAllString(message, "this text")
}

func sourceLine(src []byte, number int) string {
	for line := range bytes.Lines(src) {
		if number--; number == 0 {
			return string(line)
		}
	}
	return ""
}
