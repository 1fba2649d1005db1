package kerberos

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// Limits of what is read.
const (
	maxProfile = 1 << 20 // of one file
	maxFiles   = 200     // of one configuration
	maxDepth   = 10      // of files that include files
)

// relation is one line of a profile, key = value or key = { … }.
type relation struct {
	key, value string
	inner      []relation
	at         string // file:line, for messages
}

// profile is a krb5.conf with all that it includes, by section.
type profile struct {
	sections map[string][]relation
	files    int
}

// readProfile reads the files of a configuration as MIT's library does: several
// with colons between them, each with include and includedir. Those that are not
// there are left out as long as one is.
func readProfile(paths string) (*profile, error) {
	p := &profile{sections: map[string][]relation{}}
	var missing error
	for path := range strings.SplitSeq(paths, ":") {
		if path == "" {
			continue
		}
		switch err := p.include(path, 0); {
		case os.IsNotExist(err):
			missing = err
		case err != nil:
			return nil, err
		}
	}
	if p.files == 0 {
		return nil, fmt.Errorf("%w; check the path and the rights", redact.File(missing))
	}
	return p, nil
}

func (p *profile) include(path string, depth int) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	b, err := io.ReadAll(io.LimitReader(file, maxProfile+1))
	if err != nil {
		return err
	}
	if p.files++; p.files > maxFiles || depth > maxDepth {
		return fmt.Errorf("%s: includes go too deep, or round in a circle", redact.Path(path))
	}
	if len(b) > maxProfile {
		return fmt.Errorf("%s is larger than 1 MiB and cannot be a krb5.conf", redact.Path(path))
	}
	return p.parse(path, strings.TrimPrefix(string(b), "\uFEFF"), depth)
}

// parse reads the lines of one file.
func (p *profile) parse(path, text string, depth int) error {
	section := ""
	var open []*relation // the groups in braces that the line is in
	fault := func(n int, format string, args ...any) error {
		return fmt.Errorf("%s:%d: %s", redact.Path(path), n+1, fmt.Sprintf(format, args...))
	}
	lines := strings.Split(strings.ReplaceAll(text, "\r", "\n"), "\n")
	if strings.Contains(text, "\r\n") {
		lines = strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	}
	for n, line := range lines {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		word, rest, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		switch {
		case len(open) == 0 && (word == "include" || word == "includedir") && !strings.HasPrefix(strings.TrimSpace(rest), "="):
			if err := p.includeLine(word, strings.TrimSpace(rest), path, depth); err != nil {
				return fault(n, "%s: %s", word, redact.File(err))
			}
		case len(open) == 0 && word == "module":
			return fault(n, "a module of MIT's library gives the configuration, which is not supported; write it as text")
		case line[0] == '[':
			name, _, closed := strings.Cut(line[1:], "]")
			if !closed || len(open) > 0 {
				return fault(n, "a section begins where none can; look for a missing ] or }")
			}
			section = strings.ToLower(strings.TrimSpace(name))
		case strings.HasPrefix(line, "}"):
			if len(open) == 0 {
				return fault(n, "a } without its {")
			}
			open = open[:len(open)-1]
		default:
			key, value, given := strings.Cut(line, "=")
			if !given {
				return fault(n, "a line that is no section, key = value or include")
			}
			r := relation{key: strings.TrimSuffix(strings.TrimSpace(key), "*"), value: plain(value), at: fmt.Sprintf("%s:%d", redact.Path(path), n+1)}
			begins := strings.HasPrefix(r.value, "{")
			whole := begins && strings.HasSuffix(r.value, "}") // a group on one line holds nothing that is of use
			into := p.sections[section]
			if len(open) > 0 {
				into = open[len(open)-1].inner
			}
			into = append(into, r)
			if len(open) > 0 {
				open[len(open)-1].inner = into
			} else {
				p.sections[section] = into
			}
			if begins && !whole {
				open = append(open, &into[len(into)-1])
			}
		}
	}
	if len(open) > 0 {
		return fault(len(lines)-1, "the { of %s has no }", redact.Key(open[0].key))
	}
	return nil
}

// plain is a value without quotes, and without the comment that some write behind
// it.
func plain(value string) string {
	value = strings.TrimSpace(value)
	if strings.HasPrefix(value, `"`) {
		if text, _, ended := strings.Cut(value[1:], `"`); ended {
			return text
		}
	}
	if i := comment.FindStringIndex(value); i != nil {
		value = value[:i[0]]
	}
	return strings.TrimSpace(value)
}

var (
	comment = regexp.MustCompile(`\s[#;]`)
	// included are the names in a folder that MIT's library takes.
	included = regexp.MustCompile(`^([A-Za-z0-9_-]+|[^.].*\.conf)$`)
)

// includeLine follows one line. A folder that is not there holds nothing, as on
// machines where nobody has put a piece into /etc/krb5.conf.d.
func (p *profile) includeLine(word, target, from string, depth int) error {
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(from), target)
	}
	if word == "include" {
		return p.include(target, depth+1)
	}
	entries, err := os.ReadDir(target)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if e.IsDir() || !included.MatchString(e.Name()) {
			continue
		}
		if err := p.include(filepath.Join(target, e.Name()), depth+1); err != nil {
			return err
		}
	}
	return nil
}
