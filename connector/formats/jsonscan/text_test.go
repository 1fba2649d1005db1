package jsonscan

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzText holds the reading and the writing of strings to encoding/json, which
// loses lone halves of surrogate pairs, and to each other.
func FuzzText(f *testing.F) {
	for _, s := range []string{`""`, `"a\"b\\c\/d\b\f\n\r\t"`, `"\u00e4\u0000\ud83d\ude00"`, `"\ud800"`, `"\udc00\ud800x"`, `"\ud800\ud83d\ude00"`, `"\uD83D\uDE0"`, "\"\u00e4\U0001F600\"", `"\ud800\u0041"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if b = Trim(b); len(b) == 0 || b[0] != '"' || !Valid(b) || !utf8.Valid(b) {
			return
		}
		text := AppendText(nil, b)
		if utf8.Valid(text) {
			var want string
			if json.Unmarshal(b, &want) != nil || want != string(text) {
				t.Fatalf("%q reads as %q, encoding/json %q", b, text, want)
			}
		}
		quoted, ok := AppendString(nil, text)
		if !ok || !Valid(quoted) || !utf8.Valid(quoted) {
			t.Fatalf("%q is written as %q, %v", text, quoted, ok)
		}
		if back := AppendText(nil, quoted); string(back) != string(text) {
			t.Fatalf("%q was %q, written %q", back, text, quoted)
		}
	})
}

func TestTextThatIsNoUTF8IsNotWritten(t *testing.T) {
	for _, s := range []string{"\xff", "a\xc3", "\xed\x9f", "\xed\xa0", "\xf8\x80\x80\x80"} {
		if got, ok := AppendString([]byte("x"), s); ok || string(got) != "x" {
			t.Errorf("%q: %q, %v", s, got, ok)
		}
	}
}

func TestNumbers(t *testing.T) {
	for s, want := range map[string][2]bool{"0": {true, true}, "-0": {true, true}, "12": {true, true}, "1.0": {true, false}, "2e2": {true, false},
		"": {}, "-": {}, "01": {}, "1.": {}, "+1": {}, "0x1": {}, "1 ": {}, "NaN": {}} {
		if got := [2]bool{IsNumber(s), IsInteger(s)}; got != want {
			t.Errorf("%q: number and integer %v, want %v", s, got, want)
		}
	}
}
