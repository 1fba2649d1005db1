package kafkarest

import (
	"fmt"
	"iter"
	"strings"

	"github.com/magiconair/properties"
)

// readProperties reads a file of Java's Properties: the values as they are,
// ${…} is no expression, and the line that each key begins in. Of a key that
// is there twice the last one counts.
func readProperties(text string) (props map[string]string, lines map[string]int, err error) {
	loader := properties.Loader{Encoding: properties.UTF8, DisableExpansion: true}
	props, lines = map[string]string{}, map[string]int{}
	for at, logical := range logicalLines(text) {
		p, err := loader.LoadBytes([]byte(logical))
		if err != nil {
			return nil, nil, fmt.Errorf("line %d: %s", at, "it cannot be read: an escape of \\u takes four hexadecimal digits, and a line needs a key")
		}
		for _, key := range p.Keys() {
			props[key], lines[key] = p.GetString(key, ""), at
		}
	}
	return props, lines, nil
}

// logicalLines are the lines of a file by their numbers, each joined with those
// that continue it: a line that ends in an odd number of backslashes goes on
// behind the blanks of the next one. A comment does not.
func logicalLines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		n, began, logical := 0, 0, ""
		for line := range strings.Lines(text) {
			n++
			line = strings.TrimLeft(strings.TrimRight(line, "\r\n"), " \t\f")
			if began == 0 {
				began = n
			}
			slashes := len(line) - len(strings.TrimRight(line, `\`))
			comment := began == n && strings.IndexAny(line, "#!") == 0
			if !comment && slashes%2 == 1 {
				logical += line[:len(line)-1]
				continue
			}
			if !yield(began, logical+line) {
				return
			}
			began, logical = 0, ""
		}
		if began > 0 {
			yield(began, logical)
		}
	}
}
