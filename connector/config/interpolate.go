package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// expansion is the text of one scalar after interpolation.
type expansion struct {
	text   string
	filled bool     // something was put in
	whole  bool     // the scalar is one ${…} or {{ }} and nothing else
	source string   // the file that one ${file:…} and nothing else names
	faults []string // what could not be resolved
}

// expand resolves every ${…} and {{ … }} of a scalar. What was put in is not
// looked at again.
func (r *Resolver) expand(text string) expansion {
	var out strings.Builder
	var e expansion
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "${")
		if i < 0 {
			out.WriteString(rest)
			break
		}
		out.WriteString(rest[:i])
		rest = rest[i:]
		switch {
		case strings.HasPrefix(rest, "$${"):
			out.WriteString("${")
			rest = rest[3:]
		case strings.HasPrefix(rest, "${"):
			e.whole = len(rest) == len(text)
			rest = e.put(&out, rest, 2, "}", r.variable)
			e.whole = e.whole && rest == ""
		case strings.HasPrefix(rest, "{{"):
			e.whole = len(rest) == len(text)
			rest = e.put(&out, rest, 2, "}}", r.template)
			e.whole = e.whole && rest == ""
		case statement.MatchString(rest):
			e.faults = append(e.faults, "Jinja statements {% … %} are not supported; write the values out")
			rest = ""
		default:
			out.WriteByte(rest[0])
			rest = rest[1:]
		}
	}
	e.text = out.String()
	if path, ok := strings.CutPrefix(text, "${file:"); ok && e.whole {
		e.source = strings.TrimSuffix(path, "}")
	}
	return e
}

// put resolves the expression between the opening of n bytes and end, writes
// its value and returns what follows.
func (e *expansion) put(out *strings.Builder, rest string, n int, end string, resolve func(string) (value, error)) string {
	inner, after, closed := strings.Cut(rest[n:], end)
	if !closed {
		e.faults = append(e.faults, fmt.Sprintf("%s is never closed by %s; %s", rest[:n], end, map[string]string{
			"}":  "write $${ for a plain ${",
			"}}": "write {{ '{{' }} for plain braces",
		}[end]))
		return ""
	}
	v, err := resolve(inner)
	switch {
	case err != nil:
		e.faults = append(e.faults, err.Error())
	case v.keep:
		out.WriteString(rest[:n] + inner + end)
	default:
		out.WriteString(v.text)
		e.filled = true
	}
	return after
}

// value is what an expression stands for; keep leaves it in the text.
type value struct {
	text string
	keep bool
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// variable resolves the inside of ${…}. As in a shell, the default of
// ${NAME:-default} also stands for an empty variable.
func (r *Resolver) variable(inner string) (value, error) {
	if path, ok := strings.CutPrefix(inner, "file:"); ok {
		return r.file(path)
	}
	name, fallback, hasDefault := strings.Cut(inner, ":-")
	if !envName.MatchString(name) {
		return value{}, fmt.Errorf("cannot read this ${…}; write ${NAME}, ${NAME:-default} or ${file:/path}, and $${ for a plain ${")
	}
	if strings.Contains(fallback, "${") {
		return value{}, fmt.Errorf("the default of ${%s:-…} holds another ${…}; they cannot be nested", variableName(name))
	}
	if text, _ := r.LookupEnv(name); hasDefault && text == "" {
		return value{text: fallback}, nil
	}
	return r.environment(name, fallback, hasDefault)
}

// variableName is a name as messages show it. What is no name of a variable by
// its looks may be a secret that stands within ${ } by mistake.
func variableName(name string) string {
	if upper.MatchString(name) && redact.Shape(name) == "" || !redact.Suspicious(name) {
		return name
	}
	return "…"
}

var upper = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

func notSet(name string) error {
	if shown := variableName(name); shown == name {
		return fmt.Errorf("environment variable %s is not set; set it, or give a default with ${%s:-default}", name, name)
	}
	return errors.New("the environment variable that this ${…} names is not set (the name is not shown: it may be a secret); write ${NAME}, or $${ for a plain ${")
}

func (r *Resolver) environment(name, fallback string, hasDefault bool) (value, error) {
	text, ok := r.LookupEnv(name)
	switch {
	case hasDefault && !ok:
		return value{text: fallback}, nil
	case !ok:
		return value{}, notSet(name)
	}
	return value{text: text}, nil
}

func (r *Resolver) file(path string) (value, error) {
	content, err := r.ReadFile(path)
	if err != nil {
		return value{}, fmt.Errorf("cannot read the file %s of a ${file:…}: %s", redact.Path(path), readError(err))
	}
	if len(content) > maxInsert {
		return value{}, fmt.Errorf("the file %s of a ${file:…} is larger than %d bytes", redact.Path(path), maxInsert)
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	return value{text: text}, nil
}
