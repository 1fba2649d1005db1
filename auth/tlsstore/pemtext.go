package tlsstore

import (
	"bytes"
	"encoding/pem"
	"iter"
	"strings"
	"unicode/utf16"
)

var byteOrderMark = []byte("\uFEFF")

// plainText takes off what editors and shells put around text: byte order marks,
// at the beginning and where files were joined, and UTF-16.
func plainText(b []byte) []byte {
	little := bytes.HasPrefix(b, []byte{0xFF, 0xFE})
	if big := bytes.HasPrefix(b, []byte{0xFE, 0xFF}); little || big {
		units := make([]uint16, 0, len(b)/2)
		for b = b[2:]; len(b) >= 2; b = b[2:] {
			if little {
				units = append(units, uint16(b[1])<<8|uint16(b[0]))
			} else {
				units = append(units, uint16(b[0])<<8|uint16(b[1]))
			}
		}
		b = []byte(string(utf16.Decode(units)))
	}
	if bytes.Contains(b, []byte(beginPEM)) {
		return bytes.ReplaceAll(b, byteOrderMark, nil)
	}
	return b
}

// unescaped repairs PEM text that came through JSON or an environment variable
// with its newlines written as \n.
func unescaped(text string) string {
	if !strings.Contains(text, "\n") {
		text = strings.ReplaceAll(text, `\n`, "\n")
	}
	return string(plainText([]byte(text)))
}

const (
	beginPEM = "-----BEGIN "
	endPEM   = "-----END "
	dashes   = "-----"
)

// pemBlocks yields every block of PEM text, also where lines are indented, joined
// to others, or lost altogether. A block that cannot be read is yielded as damaged
// with its type: none is passed over without a word.
func pemBlocks(b []byte) iter.Seq2[*pem.Block, bool] {
	text := string(plainText(b))
	return func(yield func(*pem.Block, bool) bool) {
		for {
			_, after, found := strings.Cut(text, beginPEM)
			if !found {
				return
			}
			label, body, found := strings.Cut(after, dashes)
			if !found || strings.ContainsAny(label, "\r\n") {
				text = after
				continue
			}
			body, rest, ended := strings.Cut(body, endPEM+label+dashes)
			if inner := strings.Index(body, beginPEM); inner >= 0 { // the end of this one is missing
				body, rest, ended = body[:inner], after[strings.Index(after, beginPEM):], false
			}
			text = rest
			block := decodePEM(label, body)
			if block == nil || !ended {
				block = &pem.Block{Type: label}
				ended = false
			}
			if !yield(block, !ended) {
				return
			}
		}
	}
}

// decodePEM reads one block from its label and what stands between its lines; nil
// when it is none.
func decodePEM(label, body string) *pem.Block {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(body, "\r", "\n")), "\n")
	headers := strings.Contains(lines[0], ":")
	for i := range lines {
		lines[i] = strings.TrimSpace(lines[i])
	}
	if !headers { // a body on one line has blanks where its newlines were
		lines = strings.Fields(body)
	}
	block, _ := pem.Decode([]byte(beginPEM + label + dashes + "\n" + strings.Join(lines, "\n") + "\n" + endPEM + label + dashes + "\n"))
	return block
}
