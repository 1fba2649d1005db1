package redact

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxForeign bounds what another server or library can put into a message.
const maxForeign = 400

var (
	// run is what stands between blanks, quotes and brackets.
	run = regexp.MustCompile("[^\\s\"'`()\\[\\]{}<>,;|=]+=*")
	// credential is what announces a secret, and the run behind it.
	credential = regexp.MustCompile(`(?i)\b((?:basic|bearer|negotiate|apikey|sso-key)\s+|` +
		`[\w.-]*(?:password|passwd|pwd|secret|token|assertion|apikey|api_key|access_key|accesskeyid|credential|authorization|private_key|jwt)[\w.-]*["']?\s*[:=]+\s*["']?)` +
		"([^\\s\"'`()\\[\\]{}<>,;|]+)")
)

// Foreign returns text of another server or library fit for a message: one
// line, bounded, and without any run of characters that could be a secret. What
// is known to be one is left out in any encoding, also in pieces of eight
// characters or more.
func Foreign(text string, known ...string) string {
	var set Set
	for _, secret := range known {
		set.Add(secret)
	}
	return set.Foreign(text)
}

// Foreign is the same for the secrets of the set.
func (s *Set) Foreign(text string) string {
	text = strings.ToValidUTF8(text, " ")
	if len(text) > 16*maxForeign { // what is behind it is not shown anyway
		text = strings.ToValidUTF8(text[:16*maxForeign], "")
	}
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = s.hide(text, true)
	text = credential.ReplaceAllStringFunc(text, hideCredential)
	text = run.ReplaceAllStringFunc(text, hideRun)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxForeign {
		text = strings.ToValidUTF8(text[:maxForeign], "") + "…"
	}
	return text
}

func hideCredential(found string) string {
	m := credential.FindStringSubmatch(found)
	word := strings.TrimRight(m[2], ".:!?")
	if ownWord(word) || strings.Contains(m[2], Mask) {
		return found
	}
	// Behind an equals sign stands a value; in a sentence ("secret: wrong for")
	// also a word may stand.
	if !strings.Contains(m[1], "=") && strings.TrimFunc(word, unicode.IsLetter) == "" && pronounceable(word) && len(word) < 2*minSuspicious && !strings.ContainsAny(m[1], `"'`) {
		return found
	}
	return m[1] + Mask
}

// hideRun replaces a run that could be a secret; a URL is
// kept up to the first part that could be one.
func hideRun(run string) string {
	word := strings.TrimRight(run, ".:!?")
	if strings.Contains(word, Mask) || !Suspicious(word) {
		return run
	}
	end := run[len(word):]
	if scheme, rest, ok := strings.Cut(word, "://"); ok {
		if at := strings.LastIndexByte(rest, '@'); at >= 0 {
			rest = Mask + rest[at:]
		}
		rest, query, asked := strings.Cut(rest, "?")
		parts := strings.Split(rest, "/")
		if i := slices.IndexFunc(parts, Suspicious); i >= 0 { // base64 has slashes too
			parts = append(parts[:i], Mask)
		}
		out := scheme + "://" + strings.Join(parts, "/")
		if asked && query != "" {
			out += "?" + Mask
		}
		return out + end
	}
	return Mask + end
}

// Error returns an error of another library or server whose text is that of
// Foreign. What it wraps stays within reach of errors.Is and errors.As.
func Error(err error, known ...string) error {
	if err == nil {
		return nil
	}
	return foreignError{error: err, text: Foreign(err.Error(), known...)}
}

type foreignError struct {
	error
	text string
}

func (e foreignError) Error() string { return e.text }

func (e foreignError) Unwrap() error { return e.error }
