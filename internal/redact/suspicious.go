package redact

import (
	"regexp"
	"strings"
	"unicode"
)

// minSuspicious is the shortest run of letters and digits that is taken for a
// secret by its looks alone.
const minSuspicious = 8

var (
	wordNumber = regexp.MustCompile(`^([A-Za-z]+)[0-9]{1,8}$`)
	compact    = regexp.MustCompile(`^[0-9]{8}T[0-9]{2,9}Z?$`)
	hostLike   = regexp.MustCompile(`^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,24}\.?(?::[0-9]{1,5})?$`)
)

// maxDigits is how long a plain number can be: that of an int64.
const maxDigits = 19

// Suspicious reports whether a text without blanks could be a secret by its
// looks: letters and digits mixed, no word of a language, nor a host name, a
// number, a date or a version.
func Suspicious(run string) bool {
	if hostLike.MatchString(run) {
		return false
	}
	mixed := 0
	for _, part := range strings.FieldsFunc(run, notAlnum) {
		if suspiciousPart(part) {
			return true
		}
		if len(part) >= 4 && isMixed(part) && !wordNumber.MatchString(part) {
			mixed++
		}
	}
	return mixed >= 3 // a secret that is written in groups
}

func notAlnum(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }

func isMixed(part string) bool {
	return strings.ContainsFunc(part, unicode.IsLetter) && strings.ContainsFunc(part, unicode.IsDigit)
}

// suspiciousPart looks at a run of letters and digits.
func suspiciousPart(part string) bool {
	switch {
	case len(part) < minSuspicious:
		return false
	case !isMixed(part) && strings.ContainsFunc(part, unicode.IsDigit):
		return len(part) > maxDigits
	case isMixed(part):
		if m := wordNumber.FindStringSubmatch(part); m != nil {
			return suspiciousLetters(m[1])
		}
		return !compact.MatchString(part)
	}
	return suspiciousLetters(part)
}

// suspiciousLetters reports letters that are no words, also not several written
// together with capitals between.
func suspiciousLetters(letters string) bool {
	humps := humpsOf(letters)
	if len(letters) >= minSuspicious && len(letters) < 3*len(humps) {
		return true
	}
	for _, hump := range humps {
		if !pronounceable(hump) {
			return true
		}
	}
	return len(humps) > 1 && len(letters) >= 16 && !pronounceable(letters)
}

// humpsOf splits camelCase; a run of capitals is one hump.
func humpsOf(letters string) []string {
	var humps []string
	begin := 0
	runes := []rune(letters)
	for i := 1; i < len(runes); i++ {
		rises := unicode.IsUpper(runes[i]) && !unicode.IsUpper(runes[i-1])
		ends := i+1 < len(runes) && unicode.IsUpper(runes[i]) && unicode.IsUpper(runes[i-1]) && unicode.IsLower(runes[i+1])
		if rises || ends {
			humps = append(humps, string(runes[begin:i]))
			begin = i
		}
	}
	return append(humps, string(runes[begin:]))
}
