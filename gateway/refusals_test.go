package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
)

func zipped(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInflate(t *testing.T) {
	const limit = 1000
	for _, tc := range []struct {
		name, encoding string
		body           []byte
		known          bool
		want           string // what is read; with an error it is "error", over the limit "too large"
	}{
		{"as it is", "", []byte("plain"), true, "plain"},
		{"identity", "identity", []byte("plain"), true, "plain"},
		{"gzip", "gzip", zipped(t, "packed"), true, "packed"},
		{"gzip in capitals", " GZIP ", zipped(t, "packed"), true, "packed"},
		{"at the limit", "gzip", zipped(t, strings.Repeat("x", limit)), true, strings.Repeat("x", limit)},
		{"over the limit", "gzip", zipped(t, strings.Repeat("x", limit+1)), true, "too large"},
		{"a bomb", "gzip", zipped(t, strings.Repeat("x", 50<<20)), true, "too large"},
		{"cut off", "gzip", zipped(t, "packed")[:15], true, "error"},
		{"no gzip", "gzip", []byte("plain"), true, "error"},
		{"nothing", "gzip", nil, true, ""},
		{"another", "br", []byte("x"), false, ""},
		{"two", "gzip, gzip", []byte("x"), false, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(tc.body))
			r.Header.Set("Content-Encoding", tc.encoding)
			if known := inflate(r, limit); known != tc.known || !known {
				if known != tc.known {
					t.Errorf("known: %t", known)
				}
				return
			}
			got, err := io.ReadAll(r.Body)
			var tooLarge *http.MaxBytesError
			text := string(got)
			switch {
			case errors.As(err, &tooLarge):
				text = "too large"
			case err != nil:
				text = "error"
			}
			if text != tc.want {
				t.Errorf("%.40q, want %.40q", text, tc.want)
			}
		})
	}
}

func TestCleanPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/topics/t": true, "/topics/t/": true, "//topics": false, "/topics//t": false, "/a/../b": false, "/./a": false, "/..": false,
		"/a..b/.c": true, "/topics/%2E%2E": true, "/consumers/a%2Fb": true,
	} {
		if got := cleanPath(path); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}

func TestForeignPages(t *testing.T) {
	for _, tc := range []struct {
		name, method, origin, media string
		allowed                     []string
		want                        bool
	}{
		{"no page", "POST", "", "text/plain", nil, false},
		{"a page of this server", "POST", "http://api.example.com:8082", "text/plain", nil, false},
		{"a simple type", "POST", "http://evil.example", "text/plain; charset=utf-8", nil, true},
		{"a form", "POST", "http://evil.example", "application/x-www-form-urlencoded", nil, true},
		{"no type", "POST", "http://evil.example", "", nil, true},
		{"a page without an origin", "POST", "null", "text/plain", nil, true},
		{"a type that browsers ask for", "POST", "http://evil.example", "application/json", nil, false},
		{"the same where origins are named", "POST", "http://evil.example", "application/json", []string{"http://good.example"}, true},
		{"a named one", "POST", "http://good.example", "text/plain", []string{"http://good.example"}, false},
		{"any", "POST", "http://evil.example", "text/plain", []string{"*"}, false},
		{"reading", "GET", "http://evil.example", "", []string{"http://good.example"}, false},
		{"deleting", "DELETE", "http://evil.example", "", []string{"http://good.example"}, true},
	} {
		c := CORS{AllowedOrigins: tc.allowed}
		r := httptest.NewRequest(tc.method, "http://api.example.com:8082/topics/t", nil)
		if tc.origin != "" {
			r.Header.Set("Origin", tc.origin)
		}
		r.Header.Set("Content-Type", tc.media)
		w := httptest.NewRecorder()
		if len(c.AllowedOrigins) > 0 {
			c.answer(w, r)
		}
		if got := c.foreign(w, r); got != tc.want {
			t.Errorf("%s: %t", tc.name, got)
		}
	}
}
