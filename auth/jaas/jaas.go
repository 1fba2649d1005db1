// Package jaas reads the JAAS lines of Java's Kafka clients
// (sasl.jaas.config): one login module, a flag, options and a semicolon.
//
//	org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";
//
// Errors name options and positions, never values: they are mostly secrets.
package jaas

import (
	"errors"
	"fmt"
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// Entry is one parsed line.
type Entry struct {
	Module  string // class name as written; "" in the short form that starts with the flag
	Flag    string // lower case
	Options map[string]string
}

// Name is the last segment of the module's class name: Java's packages differ
// between vendors (shaded jars), the class names do not.
func (e Entry) Name() string {
	return e.Module[strings.LastIndexByte(e.Module, '.')+1:]
}

// maxLine bounds what is parsed; tokens are the longest values.
const maxLine = 256 << 10

// Parse reads a line. The module name may be missing, as in the documents of
// Gravitee ("required username=… password=…;").
func Parse(line string) (Entry, error) {
	if len(line) > maxLine {
		return Entry{}, errors.New("the JAAS line is longer than 256 KiB")
	}
	tokens, err := scan(line)
	if err != nil {
		return Entry{}, err
	}
	if len(tokens) == 0 {
		return Entry{}, errors.New("the JAAS line is empty")
	}
	var e Entry
	if !isFlag(tokens[0]) {
		if tokens[0].kind != word && tokens[0].kind != quoted {
			return Entry{}, errors.New("the JAAS line does not start with a login module or a flag")
		}
		e.Module = tokens[0].text
		tokens = tokens[1:]
	}
	if len(tokens) > 0 && tokens[0].kind == word && strings.HasPrefix(tokens[0].text, "{") {
		return Entry{}, errors.New("the JAAS line is a whole section of a JAAS file; give the part within the braces, from the login module to the semicolon")
	}
	if len(tokens) == 0 || !isFlag(tokens[0]) {
		return Entry{}, errors.New("the JAAS line has no flag after the login module; write required there")
	}
	e.Flag = strings.ToLower(tokens[0].text)
	e.Options, err = options(tokens[1:])
	return e, err
}

func isFlag(t token) bool {
	if t.kind != word {
		return false
	}
	switch strings.ToLower(t.text) {
	case "required", "requisite", "sufficient", "optional":
		return true
	}
	return false
}

func options(tokens []token) (map[string]string, error) {
	out := map[string]string{}
	for len(tokens) > 0 {
		if tokens[0].kind == semicolon {
			if len(tokens) > 1 {
				return nil, errors.New("the JAAS line holds more than one login module; a client has exactly one")
			}
			return out, nil
		}
		if tokens[0].kind != word && tokens[0].kind != quoted {
			return nil, fmt.Errorf("the JAAS line has an option without a name at character %d", tokens[0].at)
		}
		name := tokens[0].text
		if len(tokens) < 3 || tokens[1].kind != equals || tokens[2].kind != word && tokens[2].kind != quoted {
			if tokens[0].kind == word && len(tokens) > 1 && tokens[1].kind == equals {
				return nil, fmt.Errorf("the JAAS option %s has no value", redact.Key(name))
			}
			if strings.Trim(name, `\`) == "" {
				return nil, fmt.Errorf("the JAAS line has a backslash at character %d, as .properties files end lines with; remove the backslashes", tokens[0].at)
			}
			// A password without quotes that holds a blank ends up here, so the
			// word itself is not shown.
			return nil, fmt.Errorf("the JAAS line has a word without a value at character %d; put values into double quotes", tokens[0].at)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("the JAAS option %s is given twice", redact.Key(name))
		}
		out[name] = tokens[2].text
		tokens = tokens[3:]
	}
	return nil, errors.New("the JAAS line does not end with a semicolon")
}
