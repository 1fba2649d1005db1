package route

import (
	"net/http/httptest"
	"testing"
)

func TestAccepts(t *testing.T) {
	const own = "application/vnd.own.v2+json"
	for _, tc := range []struct {
		name, accept string
		offered      []string
		want         string
	}{
		{"nothing said", "", []string{own, JSON}, own},
		{"any", "*/*", []string{own}, own},
		{"application any", "application/*", []string{own}, own},
		{"exact", own, []string{own}, own},
		{"parameter", JSON + "; charset=utf-8", []string{JSON}, JSON},
		{"other", "text/plain", []string{own}, ""},
		{"refused by q=0", JSON + ";q=0, */*", []string{JSON}, ""},
		{"weights", "application/vnd.own.v2+json; q=0.1, application/json; q=0.9", []string{own, JSON}, JSON},
		{"specific beats general", "*/*;q=1, application/json;q=0.2", []string{JSON, own}, own},
		{"java's default", "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", []string{JSON}, JSON},
		{"garbage", "{{{", []string{JSON}, ""},
		{"case", "APPLICATION/JSON", []string{JSON}, JSON},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			if tc.accept != "" {
				r.Header.Set("Accept", tc.accept)
			}
			if got, ok := Accepts(r, tc.offered...); got != tc.want || ok != (tc.want != "") {
				t.Errorf("got %q %v, want %q", got, ok, tc.want)
			}
		})
	}
}
