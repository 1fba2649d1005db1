// Package jsonpath writes where in a JSON text something is, as $.items[2].sku,
// for the errors of the schema formats.
package jsonpath

import (
	"encoding/json"
	"strconv"
	"strings"
)

// maxName is how much of a name is shown: names may come from the data.
const maxName = 64

// Member is the step to a member of an object.
func Member(name string) string {
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	plain := name != ""
	for _, c := range []byte(name) {
		plain = plain && (c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z')
	}
	if plain {
		return "." + name
	}
	return "[" + strconv.Quote(name) + "]"
}

// Item is the step to an element of an array.
func Item(i int) string { return "[" + strconv.Itoa(i) + "]" }

// level is an object or array that the walk of At is in.
type level struct {
	array bool
	index int
	name  string
	key   bool // a name comes next
}

// At is the path of the value, or of the member whose name is, at the offset
// in text, which may break off behind it.
func At(text []byte, offset int) string {
	var stack []level
	for i := 0; i < len(text) && i <= offset; i++ {
		top := len(stack) - 1
		switch c := text[i]; c {
		case '{', '[':
			if i < offset {
				stack = append(stack, level{array: c == '[', key: c == '{'})
			}
		case '}', ']':
			if i < offset && top >= 0 {
				stack = stack[:top]
			}
		case ',':
			if top >= 0 && i < offset {
				stack[top].index++
				stack[top].key, stack[top].name = true, ""
			}
		case '"':
			end := i + 1
			for end < len(text) && text[end] != '"' {
				if text[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(text))
			if top >= 0 && !stack[top].array && stack[top].key {
				stack[top].key = false
				if json.Unmarshal(text[i:end], &stack[top].name) != nil {
					stack[top].name = ""
				}
			}
			i = end - 1
		}
	}
	var b strings.Builder
	b.WriteByte('$')
	for _, l := range stack {
		switch {
		case l.array:
			b.WriteString(Item(l.index))
		case !l.key:
			b.WriteString(Member(l.name))
		}
	}
	return b.String()
}
