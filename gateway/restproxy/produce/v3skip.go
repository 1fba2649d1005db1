package produce

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
)

// nextRecord is decodeRecord for records that lie in a body one after another: a
// text that is none (a lone surrogate, bytes that are no UTF-8) costs its record,
// and not those behind it.
func (b *batch) nextRecord(rec *recordV3) error {
	headers := len(b.headers)
	err := b.decodeRecord(rec, false)
	if err == nil || !badText(err) {
		return err
	}
	// Where the decoder stopped nothing was changed in place yet.
	at, depth := int(b.dec.InputOffset()), b.dec.StackDepth()
	end := closing(b.input[at:], depth)
	if end < 0 {
		return err
	}
	b.headers = b.headers[:headers]
	*rec = recordV3{partition: connector.AnyPartition, firstHeader: headers, failure: broken(err)}
	rec.failure.fatal = false
	b.decodeFrom(b.input[at+end:])
	_ = b.dec.PeekKind() // lets it look at what is left, as whoever asks for more does
	return nil
}

// badText reports JSON whose structure is whole and whose text is not.
func badText(err error) bool {
	var s *jsontext.SyntacticError
	if !errors.As(err, &s) || s.Err == nil {
		return false
	}
	why := s.Err.Error()
	return strings.Contains(why, "surrogate") || strings.Contains(why, "UTF-8")
}

// closing returns the place behind the bracket that closes the outermost of so
// many open ones; below 0: there is none.
func closing(p []byte, depth int) int {
	inString := false
	for i := 0; i < len(p); i++ {
		switch c := p[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
