package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

// deep says whether b opens more than MaxDepth levels at once, which
// encoding/json allows. Brackets in strings count too: it errs towards true.
func deep(b []byte) bool {
	depth, most := 0, 0
	for _, c := range b {
		switch c {
		case '{', '[':
			depth++
			most = max(most, depth)
		case '}', ']':
			depth--
		}
	}
	return most > MaxDepth
}

func TestValidAtTheDepthLimit(t *testing.T) {
	nest := func(open, end string, n int) []byte {
		return []byte(strings.Repeat(open, n) + "1" + strings.Repeat(end, n))
	}
	for _, b := range [][2]string{{"[", "]"}, {`{"a":`, "}"}, {"[ ", " ]"}} {
		if !Valid(nest(b[0], b[1], MaxDepth)) {
			t.Errorf("%d levels of %s are refused", MaxDepth, b[0])
		}
		if Valid(nest(b[0], b[1], MaxDepth+1)) {
			t.Errorf("%d levels of %s are taken", MaxDepth+1, b[0])
		}
	}
}

// FuzzValid holds valid, and the places that it returns, to encoding/json.
// Check asks the slow scanner when valid says no, so a wrong no shows only here.
func FuzzValid(f *testing.F) {
	for _, s := range []string{
		``, ` `, `{}`, `[]`, `[[],{}]`, `{"a":[1,-2.5e+3,true,null,"x\u00e4\n"]}`, `{"a" : 1 , "b":[ ]}`, `{"a":1,}`, `[1,]`, `[,1]`, `{,}`,
		`"12345678"`, `"1234567\"890"`, `"\u12`, `"\u12g4"`, "\"1234567\x01\"", "\"\xff\x80\x7f\"", `"abc\`, `"abc`, `1e`, `1e+`, `-`, `-0`, `00`, `0.`, `.5`,
		`tru`, `nul`, `falsee`, `{} {}`, `[1 2]`, `{"a" 1}`, `{1:2}`, `]`, `[}`, "\v1", `NaN`, "\xef\xbb\xbf1",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if want := json.Valid(b); Valid(b) != want && !deep(b) {
			t.Fatalf("valid says %t, encoding/json %t, for %q", !want, want, b)
		}
		b = Trim(b)
		object := Valid(b) && b[0] == '{'
		if ok := Members(b, func(name, value []byte) {
			if object && (!json.Valid(name) || !json.Valid(value)) {
				t.Fatalf("member %q: %q of %q is not JSON", name, value, b)
			}
		}); ok != object {
			t.Fatalf("Members says %t for %q", ok, b)
		}
		if Valid(b) && b[0] == '[' {
			count := 0
			Items(b, func(value []byte) {
				if count++; !json.Valid(value) {
					t.Fatalf("item %q of %q is not JSON", value, b)
				}
			})
			var want []json.RawMessage
			if json.Unmarshal(b, &want) != nil || len(want) != count {
				t.Fatalf("%d items of %q, want %d", count, b, len(want))
			}
		}
	})
}

// Strings are checked eight bytes at a time: every byte at every place of them.
func TestValidStrings(t *testing.T) {
	for c := range 256 {
		for before := range 10 {
			for _, after := range []string{"", "\"", "n", "u00e4", "12345678", "\x7f\xff1234567"} {
				b := []byte(`"` + strings.Repeat("x", before) + string([]byte{byte(c)}) + after + `"`)
				if want := json.Valid(b); Valid(b) != want {
					t.Errorf("valid says %t, encoding/json %t, for %q", !want, want, b)
				}
			}
		}
	}
}

func BenchmarkEncodingJSON(b *testing.B) {
	line := []byte(`{"id":"c-0000123456","ts":1700000000123,"user":"someone@example.com","amount":123.45,"status":"paid","tags":["a","b"],"country":"DE","text":"the quick brown fox jumps over it","n":12}`)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if !json.Valid(line) {
			b.Fatal("not valid")
		}
	}
}
