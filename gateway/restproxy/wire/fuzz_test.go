package wire

import (
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzDecode: whatever the body, the answer is a value or an error of the
// client's, never one of ours.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"name":"t","count":"3","items":[{"a":null}]}`, `{"name":1e9}`, `[`, `{"x":1}`, "\xff", `{"name":{}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v struct {
			Name  *Text              `json:"name"`
			Count *Int               `json:"count"`
			Items []struct{ A *Int } `json:"items"`
		}
		err := Decode(data, &v)
		if err == nil {
			return
		}
		if e := Of(err); e.Status != 400 && e.Status != 422 || e.Message == "" {
			t.Errorf("%d %q", e.Status, e.Message)
		}
	})
}

// FuzzForwarded: no header of a proxy makes a link that is not an absolute URL
// of http or https with nothing but a host and a path.
func FuzzForwarded(f *testing.F) {
	f.Add("for=1;host=a;proto=https", "b:1", "http", "/p")
	f.Add(`host="a/b"`, "x y", "javascript", "//evil")
	f.Add("", "user@host", "HTTPS", "/a?b#c")
	f.Fuzz(func(t *testing.T, forwarded, host, proto, prefix string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Forwarded"], r.Header["X-Forwarded-Host"] = []string{forwarded}, []string{host}
		r.Header["X-Forwarded-Proto"], r.Header["X-Forwarded-Prefix"] = []string{proto}, []string{prefix}
		base := string(Root(r, LinkOptions{Trusted: func(string) bool { return true }}))
		u, err := url.Parse(base)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(base, "/") {
			t.Errorf("%q", base)
		}
	})
}
