package avro

import (
	"math"
	"strconv"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

// appendControl escapes one of the characters that JSON wants escaped.
func appendControl(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	default:
		return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

// appendString writes s as a JSON string. Bytes that are not UTF-8 become the
// replacement character, as in Java.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			var r rune
			tail := s[i:min(i+utf8.UTFMax, len(s))]
			if r, size = utf8.DecodeRuneInString(string(tail)); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
		} else {
			dst = appendControl(append(dst, s[start:i]...), c)
		}
		i += size
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendLatin writes bytes as the JSON string of the code points 0 to 255.
func appendLatin(dst, b []byte) []byte {
	dst = append(dst, '"')
	for _, c := range b {
		switch {
		case c >= utf8.RuneSelf:
			dst = utf8.AppendRune(dst, rune(c))
		case c < ' ' || c == '"' || c == '\\':
			dst = appendControl(dst, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendFloat writes a number as Java's Double.toString does, 1.0 and 1.0E10,
// and what is no number as a string.
func appendFloat(dst []byte, v float64, bits int) []byte {
	switch {
	case math.IsNaN(v):
		return append(dst, `"NaN"`...)
	case math.IsInf(v, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(v, -1):
		return append(dst, `"-Infinity"`...)
	}
	start := len(dst)
	if a := math.Abs(v); a == 0 || a >= 1e-3 && a < 1e7 {
		dst = strconv.AppendFloat(dst, v, 'f', -1, bits)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, '.', '0')
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, bits)
	for i := start; i < len(dst); i++ {
		if dst[i] == 'e' {
			return javaExponent(dst, start, i)
		}
	}
	return dst
}

// javaExponent rewrites 1e+07 as 1.0E7; the e is at i.
func javaExponent(dst []byte, start, i int) []byte {
	var tail [8]byte
	n := copy(tail[:], dst[i+1:])
	mantissa := dst[start:i]
	dst = dst[:i]
	if len(mantissa) <= 2 { // a digit, perhaps a sign: no point
		dst = append(dst, '.', '0')
	}
	dst = append(dst, 'E')
	exponent := tail[:n]
	if exponent[0] == '-' {
		dst = append(dst, '-')
	}
	exponent = exponent[1:]
	if len(exponent) > 1 && exponent[0] == '0' {
		exponent = exponent[1:]
	}
	return append(dst, exponent...)
}
