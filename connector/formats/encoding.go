package formats

import (
	"io"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// encodingOf returns what decodes a named encoding, nil for UTF-8; false when
// the name is not known. Names are those of the web's Encoding standard, with
// latin1 as ISO 8859-1 itself and UTF-16 by its byte order mark.
func encodingOf(name string) (encoding.Encoding, bool) {
	switch name = strings.ToLower(strings.TrimSpace(name)); name {
	case "", "utf-8", "utf8":
		return nil, true
	case "utf-16", "utf16":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
	case "utf-16le", "utf16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), true
	case "utf-16be", "utf16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), true
	case "latin1", "latin-1", "iso-8859-1":
		return charmap.ISO8859_1, true
	}
	e, err := htmlindex.Get(name)
	if err != nil || e == unicode.UTF8 || e == encoding.Replacement {
		return nil, false
	}
	return e, true
}

// Recoded reports that what is read is not what is stored.
func (c *Config) Recoded() bool {
	e, _ := encodingOf(c.Encoding)
	return e != nil
}

// Decoded returns a reader of src in UTF-8.
func (c *Config) Decoded(src io.Reader) io.Reader {
	e, _ := encodingOf(c.Encoding)
	if e == nil {
		return src
	}
	return transform.NewReader(src, e.NewDecoder())
}
