package redact

import (
	"html"
	"strconv"
	"strings"
)

// view is a text as it looks when one layer of escapes is taken off: percent
// signs, HTML entities, backslashes. at[i] is where byte i begins in the text
// below, and at[len(text)] where that ends.
type view struct {
	text string
	at   []int
}

// maxLayers is how many layers of escapes are taken off.
const maxLayers = 3

// views returns the text itself and each layer below it, all with places in
// the text itself.
func views(text string) []view {
	at := make([]int, len(text)+1)
	for i := range at {
		at[i] = i
	}
	all := []view{{text, at}}
	for range maxLayers {
		top := all[len(all)-1]
		inner, changed := unescape(top)
		if !changed {
			break
		}
		all = append(all, inner)
	}
	return all
}

func unescape(v view) (view, bool) {
	if !strings.ContainsAny(v.text, `%&\`) {
		return v, false
	}
	var out strings.Builder
	at := make([]int, 0, len(v.text)+1)
	for i := 0; i < len(v.text); {
		decoded, size := escaped(v.text[i:])
		if size == 0 {
			decoded, size = v.text[i:i+1], 1
		}
		for range len(decoded) {
			at = append(at, v.at[i])
		}
		out.WriteString(decoded)
		i += size
	}
	at = append(at, v.at[len(v.text)])
	return view{out.String(), at}, out.Len() != len(v.text)
}

// escaped decodes the escape that text begins with; size 0 means that there is
// none.
func escaped(text string) (decoded string, size int) {
	switch text[0] {
	case '%':
		if len(text) >= 3 {
			if b, err := strconv.ParseUint(text[1:3], 16, 8); err == nil {
				return string([]byte{byte(b)}), 3
			}
		}
	case '&':
		if end := strings.IndexByte(text, ';'); end > 1 && end <= 10 {
			if plain := html.UnescapeString(text[:end+1]); plain != text[:end+1] {
				return plain, end + 1
			}
		}
	case '\\':
		return backslash(text)
	}
	return "", 0
}

func backslash(text string) (string, int) {
	if len(text) < 2 {
		return "", 0
	}
	digits := map[byte]int{'u': 4, 'x': 2, 'U': 8}[text[1]]
	if digits > 0 && len(text) >= 2+digits {
		if r, err := strconv.ParseUint(text[2:2+digits], 16, 32); err == nil {
			if text[1] == 'x' {
				return string([]byte{byte(r)}), 4
			}
			return string(rune(r)), 2 + digits
		}
	}
	switch text[1] {
	case '"', '\\', '/', '\'':
		return text[1:2], 2
	case 'n':
		return "\n", 2
	case 't':
		return "\t", 2
	case 'r':
		return "\r", 2
	}
	return "", 0
}
