package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// Valid reports whether b is one JSON text nested at most MaxDepth deep; it
// does not look at UTF-8. It is the fast half of Check, which asks the slow
// scanner what is wrong when Valid says no: every record of a pipeline passes
// here, and places alone are cheaper to return than places and errors.
func Valid(b []byte) bool {
	i := valueEnd(b, blanks(b, 0), 0)
	return i >= 0 && blanks(b, i) == len(b)
}

// blanks is Space, small enough to be inlined where nothing is to be skipped.
func blanks(b []byte, i int) int {
	if i < len(b) && b[i] <= ' ' {
		return Space(b, i)
	}
	return i
}

// valueEnd returns the place behind the value that begins at i, -1 when there
// is none. The other functions here return places in the same way.
func valueEnd(b []byte, i, depth int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return closing(b, i+1)
	case '{':
		return objectEnd(b, i+1, depth+1)
	case '[':
		return arrayEnd(b, i+1, depth+1)
	case 't':
		return wordEnd(b, i, "true")
	case 'f':
		return wordEnd(b, i, "false")
	case 'n':
		return wordEnd(b, i, "null")
	default:
		return numberEnd(b, i)
	}
}

func wordEnd(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func objectEnd(b []byte, i, depth int) int {
	if depth > MaxDepth {
		return -1
	}
	if i = blanks(b, i); i < len(b) && b[i] == '}' {
		return i + 1
	}
	for {
		if i >= len(b) || b[i] != '"' {
			return -1
		}
		if i = closing(b, i+1); i < 0 {
			return -1
		}
		if i = blanks(b, i); i >= len(b) || b[i] != ':' {
			return -1
		}
		if i = blanks(b, i+1); i < len(b) && b[i] == '"' {
			i = closing(b, i+1)
		} else {
			i = valueEnd(b, i, depth)
		}
		if i < 0 {
			return -1
		}
		if i = blanks(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case '}':
			return i + 1
		case ',':
			i = blanks(b, i+1)
		default:
			return -1
		}
	}
}

func arrayEnd(b []byte, i, depth int) int {
	if depth > MaxDepth {
		return -1
	}
	if i = blanks(b, i); i < len(b) && b[i] == ']' {
		return i + 1
	}
	for {
		if i = valueEnd(b, i, depth); i < 0 {
			return -1
		}
		if i = blanks(b, i); i >= len(b) {
			return -1
		}
		switch b[i] {
		case ']':
			return i + 1
		case ',':
			i = blanks(b, i+1)
		default:
			return -1
		}
	}
}

// class tells what a byte of a number, or between two tokens, may be.
var class = [256]uint8{
	' ': blank, '\t': blank, '\n': blank, '\r': blank,
	'0': digit, '1': digit, '2': digit, '3': digit, '4': digit,
	'5': digit, '6': digit, '7': digit, '8': digit, '9': digit,
}

const (
	blank = 1 << iota
	digit
)

// closing returns the place behind the string whose text begins at i. It looks
// at eight bytes at a time.
func closing(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for i <= len(b)-8 {
		v := binary.LittleEndian.Uint64(b[i : i+8])
		// The top bit of a byte is set where it is a quote, a backslash or below
		// 0x20, and perhaps above the first such byte; bytes above 0x7f are left
		// out by &^v.
		quote, slash := v^(ones*'"'), v^(ones*'\\')
		hit := ((quote - ones) | (slash - ones) | (v - ones*0x20)) &^ v & tops
		if hit == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(hit) >> 3
		if b[i] == '"' {
			return i + 1
		}
		if i = escapeEnd(b, i); i < 0 {
			return -1
		}
	}
	for i < len(b) {
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\' || c < 0x20:
			if i = escapeEnd(b, i); i < 0 {
				return -1
			}
		default:
			i++
		}
	}
	return -1
}

// escapeEnd returns the place behind the escape that begins at i.
func escapeEnd(b []byte, i int) int {
	if n := escapeLen(b[i:]); b[i] == '\\' && n > 0 {
		return i + n
	}
	return -1
}

// numberEnd returns the place behind the number that begins at i.
func numberEnd(b []byte, i int) int {
	if b[i] == '-' {
		i++
	}
	start := i
	for i < len(b) && class[b[i]] == digit {
		i++
	}
	if i == start || b[start] == '0' && i > start+1 {
		return -1
	}
	if i < len(b) && b[i] == '.' {
		i++
		for start = i; i < len(b) && class[b[i]] == digit; i++ {
		}
		if i == start {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		for start = i; i < len(b) && class[b[i]] == digit; i++ {
		}
		if i == start {
			return -1
		}
	}
	return i
}
