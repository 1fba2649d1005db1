// Package redact keeps secrets out of the texts that leave the process. There
// are three ways in which one can get into a message, and one answer to each:
//
//   - A configured value that is not what it should be: Quote and Path show it
//     only when it cannot be a secret.
//   - Text of another server or library: Foreign leaves out every run of
//     characters that could be one.
//   - A secret that the program knows: Set finds it in any encoding, whole or
//     in pieces.
//
// It stands on the standard library alone, so that every package can use it.
package redact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PEM is the Shape of keys and certificates in text form.
const PEM = "PEM text"

// Mask is what stands in place of a secret.
const Mask = "******"

const (
	// maxQuoted is the longest value that a message repeats.
	maxQuoted = 120
	// maxPath is the longest text that is taken for a file name.
	maxPath = 200
	// minBlob is how long a run of base64 is when it can be nothing else.
	minBlob = 40
)

var (
	armour = regexp.MustCompile(`-----\s*BEGIN`)
	token  = regexp.MustCompile(`^[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*(\.[A-Za-z0-9_-]*){0,2}$`)
	blob   = regexp.MustCompile(`^[A-Za-z0-9+/_-]+={0,2}$`)
	issued = regexp.MustCompile(`^(gh[pousr]_|github_pat_|glpat-|xox[abprs]-|sk-|sk_live_|AKIA|ASIA|AIza|hvs\.|npm_|dp\.pt\.|ya29\.)`)
	jaas   = regexp.MustCompile(`LoginModule\s+(?:required|requisite|sufficient|optional)\b|^\s*required\s+\w+\s*=`)
)

// Shape names the kind of secret that a whole value looks like, such as "PEM
// text"; it is "" for what looks like none.
func Shape(value string) string {
	value = strings.TrimSpace(value)
	switch {
	case armour.MatchString(value):
		return PEM
	case len(value) > 30 && strings.HasPrefix(value, "eyJ") && token.MatchString(value):
		return "a token (JWT)"
	case issued.MatchString(value) && len(value) >= 16:
		return "a token"
	case jaas.MatchString(value):
		return "a JAAS line"
	case isBlob(value):
		return "base64 text"
	case strings.ContainsAny(value, "\n\r"):
		return "text of several lines"
	case len(value) > maxPath:
		return fmt.Sprintf("text of %d bytes", len(value))
	}
	return ""
}

// isBlob reports whether a value is base64 (or hex) and not a file name: long,
// of its characters alone, and not made of words.
func isBlob(value string) bool {
	joined := strings.NewReplacer("\n", "", "\r", "").Replace(value)
	if len(joined) < minBlob || !blob.MatchString(joined) {
		return false
	}
	words := 0
	for _, part := range strings.FieldsFunc(joined, func(r rune) bool { return strings.ContainsRune("/_-+=", r) }) {
		if !suspiciousPart(part) {
			words += len(part)
		}
	}
	return words*2 < len(joined)
}

// Quote returns a configured value in quotes for a message about it, or, when
// it may be a secret, how long it is.
func Quote(value string) string {
	if Shape(value) == "" && len(value) <= maxQuoted && !strings.Contains(value, "@") && printable(value) && !Suspicious(value) {
		return strconv.Quote(value)
	}
	if shape := Shape(value); shape != "" {
		return "a value that looks like " + shape
	}
	return fmt.Sprintf("a value of %d characters (not shown: it may be a secret)", utf8.RuneCountInString(value))
}

// Path returns a file name in quotes for a message about it. What stands in its
// place, a key or a token, is not shown, also where the name of a folder was put
// before it.
func Path(name string) string {
	if armour.MatchString(name) || strings.ContainsAny(name, "\r\n") {
		return "the given name (" + Shape(name) + ")"
	}
	dir, base := "", name
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		dir, base = name[:i+1], name[i+1:]
	}
	switch shape := Shape(base); {
	case Shape(name) != "" && !exists(name):
		return "the given name (" + Shape(name) + ")"
	case shape != "" && !exists(name):
		return "the given name in " + strconv.Quote(dir) + " (" + shape + ")"
	case !strings.Contains(base, ".") && Suspicious(base) && !exists(name):
		return fmt.Sprintf("the given name (%d characters)", utf8.RuneCountInString(base))
	}
	return strconv.Quote(name)
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

// File returns an error of the file system whose text repeats the name only as
// Path does.
func File(err error) error {
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return fileError{failed}
	}
	return err
}

type fileError struct{ *fs.PathError }

func (e fileError) Error() string { return e.Op + " " + Path(e.Path) + ": " + e.Err.Error() }

func (e fileError) Unwrap() error { return e.PathError }

// Key returns a key of a file in quotes for a message about it. What follows a
// colon or an equals sign, where a blank was forgotten, is left out.
func Key(key string) string {
	if i := strings.IndexAny(key, ":= \t"); i >= 0 && i < len(key)-1 {
		return strconv.Quote(shown(key[:i])) + " and more (is a blank missing behind the colon?)"
	}
	if Shape(key) != "" || len(key) > maxQuoted || !printable(key) || Suspicious(key) {
		return fmt.Sprintf("of %d characters (not shown: it may be a secret)", utf8.RuneCountInString(key))
	}
	return strconv.Quote(key)
}

// Name returns a key as it is for the middle of a message, without what may be a
// secret.
func Name(key string) string {
	if i := strings.IndexAny(key, ":= \t"); i >= 0 {
		return shown(key[:i]) + "…"
	}
	return shown(key)
}

func shown(key string) string {
	if Suspicious(key) || Shape(key) != "" || len(key) > maxQuoted {
		return Mask
	}
	return key
}

func printable(text string) bool {
	return utf8.ValidString(text) && strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) < 0
}
