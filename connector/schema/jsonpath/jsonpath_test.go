package jsonpath_test

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/connector/schema/jsonpath"
)

func TestAt(t *testing.T) {
	const text = `{"a": [1, {"b c": "x,]", "d": @}], "e": "}"}`
	for mark, want := range map[string]string{
		`{"a"`: "$", `"a"`: "$.a", `[1`: "$.a", `1,`: "$.a[0]", `{"b`: "$.a[1]", `"b c"`: `$.a[1]["b c"]`,
		`"x,`: `$.a[1]["b c"]`, `@`: "$.a[1].d", `"e"`: "$.e", `"}"}`: "$.e",
	} {
		if got := jsonpath.At([]byte(text), strings.Index(text, mark)); got != want {
			t.Errorf("at %s: %s, want %s", mark, got, want)
		}
	}
	for _, broken := range []string{``, `{`, `]`, `{"`, `{"a\`, `,`, `}}}]`} {
		if got := jsonpath.At([]byte(broken), 100); !strings.HasPrefix(got, "$") {
			t.Errorf("%s: %s", broken, got)
		}
	}
}

func TestMember(t *testing.T) {
	for name, want := range map[string]string{"a_1": ".a_1", "": `[""]`, "a.b": `["a.b"]`, strings.Repeat("é", 40): `["` + strings.Repeat("é", 32) + `…"]`} {
		if got := jsonpath.Member(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}
