package jsonscan

import (
	"fmt"
	"unicode/utf8"
)

// AppendString appends s as a JSON string; false when it is not UTF-8, beside
// what AppendText makes of lone halves of surrogate pairs. Then dst comes back as it was.
func AppendString[T string | []byte](dst []byte, s T) ([]byte, bool) {
	out := append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := decodeRune(s[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			h := half(s[i:])
			if h == 0 {
				return dst, false
			}
			out = fmt.Appendf(append(out, s[start:i]...), `\u%04x`, h)
			i += 3
			start = i
			continue
		}
		out = append(out, s[start:i]...)
		switch c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\n':
			out = append(out, '\\', 'n')
		case '\t':
			out = append(out, '\\', 't')
		case '\r':
			out = append(out, '\\', 'r')
		default:
			out = fmt.Appendf(out, `\u%04x`, c)
		}
		i++
		start = i
	}
	return append(append(out, s[start:]...), '"'), true
}

func decodeRune[T string | []byte](s T) (rune, int) {
	return utf8.DecodeRuneInString(string(s[:min(len(s), utf8.UTFMax)]))
}

// IsNumber reports that s is a number as JSON writes it.
func IsNumber(s string) bool {
	return s != "" && (s[0] == '-' || '0' <= s[0] && s[0] <= '9') && numberEnd([]byte(s), 0) == len(s)
}

// IsInteger reports that s is a number of digits alone, with or without a sign.
func IsInteger(s string) bool {
	return IsNumber(s) && digits([]byte(s), 1) == len(s)
}
