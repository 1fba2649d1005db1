package formats

import (
	"bytes"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats/jsonscan"
)

// lookBytes of the beginning of a stream are looked at.
const lookBytes = 512

// begins are contents that are no text, and how they begin.
var begins = []struct{ begin, what string }{
	{"\xff\xfe", "UTF-16 text; write encoding: utf-16"},
	{"\xfe\xff", "UTF-16 text; write encoding: utf-16"},
	{"\x00\x00\xfe\xff", "UTF-32 text; convert it to UTF-8"},
	{"PK\x03\x04", "a ZIP archive or a spreadsheet; unpack it, or save it as CSV"},
	{"PAR1", "a Parquet file, which is not read here"},
	{"Obj\x01", "an Avro file, which is not read here"},
	{"ORC", "an ORC file, which is not read here"},
	{"\xfd7zXZ\x00", "compressed with xz; use gzip, zstd or bzip2"},
	{"\x04\x22\x4d\x18", "compressed with lz4; use gzip, zstd or bzip2"},
	{"%PDF-", "a PDF document"},
	{"\x1f\x8b\x08", "compressed twice"},
}

// look tells by the beginning of a stream what it is instead of what it should
// be: one error is better than one for each line. Text may hold anything that
// is no other kind of text.
func (s *splitter) look() error {
	b := s.buf[:min(len(s.buf), lookBytes)]
	for i, k := range begins {
		if bytes.HasPrefix(b, []byte(k.begin)) && (s.cfg.Format != Text || i < 2) {
			return s.notWhat(k.what)
		}
	}
	if s.cfg.Format == Text {
		return nil
	}
	if i := bytes.IndexByte(b, 0); i >= 0 && noText(b) {
		if i <= 1 && len(b) > 3 && (b[0] == 0) == (b[2] == 0) {
			return s.notWhat("UTF-16 text without a byte order mark; write encoding: utf-16le or utf-16be")
		}
		return s.notWhat("binary data, not text")
	}
	if s.cfg.Format == NDJSON {
		return s.lookAtJSON()
	}
	return nil
}

// noText reports that zeros stand where no text has them: one alone may be a
// fault of its line.
func noText(b []byte) bool { return bytes.Count(b, []byte{0}) > 1 || b[0] == 0 }

// lookAtJSON finds JSON that goes over several lines.
func (s *splitter) lookAtJSON() error {
	b := bytes.TrimPrefix(s.buf, byteOrderMark)
	b = b[jsonscan.Space(b, 0):]
	line, _, ended := bytes.Cut(b, []byte("\n"))
	line = jsonscan.Trim(line)
	switch {
	case !ended || len(line) == 0 || jsonscan.Valid(line):
		return nil
	case line[0] == '[' && jsonscan.Unfinished(line):
		return s.notWhat("a JSON array, not JSON lines: each record must be one line; jq -c '.[]' makes lines of it")
	case string(line) == "{":
		return s.notWhat("JSON over several lines, not JSON lines: each record must be one line; jq -c . makes lines of it")
	}
	return nil
}

func (s *splitter) notWhat(what string) error {
	return connector.Errorf(connector.Invalid, "%s: this is %s", s.stream.Name, what)
}
