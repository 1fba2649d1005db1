package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippet is one fenced block of a document, and what the comment before it says
// about it:
//
//	<!-- snippet: dev -->            starts what is shown and keeps it running
//	<!-- snippet: file NAME -->      is written into a file; commands that follow read it
//	<!-- snippet: append NAME -->    is put at the end of that file
//	<!-- snippet: not run, REASON --> is not run
//	<!-- snippet: not checked, REASON --> is not looked at further than its form
type snippet struct {
	document string
	line     int
	language string
	says     string
	text     string
}

func (s snippet) at() string { return fmt.Sprintf("%s:%d", s.document, s.line) }

var (
	fence    = regexp.MustCompile("^\\s*```(\\S*)\\s*$")
	comment  = regexp.MustCompile(`^\s*<!-- snippet: (.*) -->\s*$`)
	excluded = regexp.MustCompile(`^not (?:run|checked), \S+ \S+`)
)

// snippetsOf reads the blocks of a document.
func snippetsOf(t *testing.T, path string) (all []snippet) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var open *snippet
	says, n := "", 0
	for scan := bufio.NewScanner(f); scan.Scan(); {
		line := scan.Text()
		n++
		m := fence.FindStringSubmatch(line)
		switch {
		case open == nil && m != nil:
			open = &snippet{document: filepath.Base(path), line: n, language: m[1], says: says}
			says = ""
		case open != nil && m != nil && m[1] == "":
			all = append(all, *open)
			open = nil
		case open != nil:
			open.text += line + "\n"
		case comment.MatchString(line):
			says = comment.FindStringSubmatch(line)[1]
		case strings.TrimSpace(line) != "" && says != "":
			t.Errorf("%s:%d: a comment about a snippet, and no snippet behind it", path, n-1)
			says = ""
		}
	}
	if open != nil {
		t.Errorf("%s: a block that is never closed", open.at())
	}
	return all
}

// TestSnippets holds README.md and docs/*.md against the program: commands are
// run and print what is shown, files are valid, JSON is JSON.
func TestSnippets(t *testing.T) {
	docs, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(docs) < 5 {
		t.Fatal(docs, err)
	}
	ran := 0
	for _, path := range append([]string{"../../README.md"}, docs...) {
		all := snippetsOf(t, path)
		t.Run(filepath.Base(path), func(t *testing.T) {
			d := &document{dir: t.TempDir()}
			defer d.close(t)
			for _, s := range all {
				switch {
				case strings.HasPrefix(s.says, "not "):
					if !excluded.MatchString(s.says) {
						t.Errorf("%s: %q gives no reason", s.at(), s.says)
					}
					if s.language == "yaml" {
						parseYAML(t, s)
					}
				case s.language == "json":
					checkJSON(t, s)
					d.write(t, s)
				case s.language == "yaml":
					d.yaml(t, s)
				case s.language == "console":
					ran++
					d.console(t, s)
				}
			}
		})
	}
	if ran < 5 {
		t.Errorf("only %d blocks of commands were run", ran)
	}
}
