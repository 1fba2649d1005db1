package route

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// refuseShort is a door's way to say no.
func refuseShort(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, "no: %d%s", status, reason)
}

func write(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", JSON)
	_, _ = fmt.Fprintf(w, "%q", text)
}

func answer(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		write(w, text+r.PathValue("t"))
	})
}

func testRoutes() []Route {
	ok := []Response{{Status: 200, Value: ""}}
	return []Route{
		{Method: "GET", Path: "/v3/topics/{t}", Handler: answer("get "), Responses: ok},
		{Method: "PUT", Path: "/v3/topics/{topic}", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			write(w, "put "+r.PathValue("topic"))
		}), Responses: ok},
		{Method: "POST", Path: "/v3/topics/{t}", Handler: answer("post "), Responses: ok, Request: &Body{Types: []string{JSON}}},
		{Method: "GET", Path: "/v3/topics/-/configs", Handler: answer("all"), Responses: ok},
		{Method: "GET", Path: "/v3/topics/{t}/configs", Handler: answer("one "), Responses: ok},
		{Method: "POST", Path: "/v3/topics/{t}/configs:alter", Handler: answer("alter "), Responses: ok},
		{Method: "GET", Path: "/", Handler: answer("root"), Responses: []Response{{Status: 200, Value: "", Types: []string{"x/own"}}}},
	}
}

func TestMount(t *testing.T) {
	other := Table{Refuse: refuseShort, Routes: []Route{
		{Method: "GET", Path: "/files/{path...}", OwnTypes: true, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { write(w, r.PathValue("path")) })},
	}}
	mux, err := Handler([]Table{{Routes: testRoutes(), Prefixes: []string{"", "/kafka"}, Refuse: refuseShort}, other}, Options{NotFound: refuseShort})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, method, path string
		header             http.Header
		status             int
		body               string
	}{
		{"plain", "GET", "/v3/topics/a", nil, 200, `"get a"`},
		{"slash at the end", "GET", "/v3/topics/a/", nil, 200, `"get a"`},
		{"other method", "POST", "/v3/topics/a", nil, 200, `"post a"`},
		{"a parameter of another name", "PUT", "/v3/topics/a", nil, 200, `"put a"`},
		{"prefix", "GET", "/kafka/v3/topics/a", nil, 200, `"get a"`},
		{"wildcard segment", "GET", "/v3/topics/-/configs", nil, 200, `"all"`},
		{"named segment", "GET", "/v3/topics/b/configs", nil, 200, `"one b"`},
		{"verb", "POST", "/v3/topics/b/configs:alter", nil, 200, `"alter b"`},
		{"escaped name", "GET", "/v3/topics/a%20b", nil, 200, `"get a b"`},
		{"the rest of a path", "GET", "/files/a/b.js", nil, 200, `"a/b.js"`},
		{"root", "GET", "/", nil, 200, `"root"`},
		{"head", "HEAD", "/v3/topics/a", nil, 200, `"get a"`},
		{"options", "OPTIONS", "/v3/topics/a", nil, 200, ""},
		{"wrong method", "DELETE", "/v3/topics/a", nil, 405, "no: 405"},
		{"unknown path", "GET", "/v3/nothing", nil, 404, "no: 404"},
		{"unknown verb", "POST", "/v3/topics/b/configs:burn", nil, 404, "no: 404"},
		{"wrong content type", "POST", "/v3/topics/a", http.Header{"Content-Type": {"text/plain"}}, 415, "no: 415HTTP 415 Unsupported Media Type: the Content-Type must be application/json"},
		{"content type with charset", "POST", "/v3/topics/a", http.Header{"Content-Type": {"application/json; charset=utf-8"}}, 200, `"post a"`},
		{"not acceptable", "GET", "/v3/topics/a", http.Header{"Accept": {"text/plain"}}, 406, "no: 406HTTP 406 Not Acceptable: the Accept header must allow application/json"},
		{"content type is checked before accept", "POST", "/v3/topics/a", http.Header{"Content-Type": {"x/y"}, "Accept": {"text/plain"}}, 415, "no: 415HTTP 415 Unsupported Media Type: the Content-Type must be application/json"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(tc.method, tc.path, nil)
			if tc.header != nil {
				r.Header = tc.header
			}
			w := httptest.NewRecorder()
			mux.ServeHTTP(w, r)
			if w.Code != tc.status || w.Body.String() != tc.body {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			if tc.method == "OPTIONS" && w.Header().Get("Allow") != "GET,HEAD,OPTIONS,POST,PUT" {
				t.Errorf("Allow %q", w.Header().Get("Allow"))
			}
		})
	}
}

func TestWhatIsClaimedTwiceIsAnError(t *testing.T) {
	ok := answer("")
	for name, tables := range map[string][]Table{
		"one table":           {{Routes: []Route{{Method: "GET", Path: "/a/{b}", Handler: ok}, {Method: "GET", Path: "/a/{c}", Handler: ok}}}},
		"two tables":          {{Routes: []Route{{Method: "GET", Path: "/a/{b}", Handler: ok}}}, {Routes: []Route{{Method: "POST", Path: "/a/{c}", Handler: ok}}}},
		"neither is narrower": {{Routes: []Route{{Method: "GET", Path: "/a/{b}", Handler: ok}}}, {Routes: []Route{{Method: "GET", Path: "/{b}/a", Handler: ok}}}},
		"not a pattern":       {{Routes: []Route{{Method: "GET", Path: "/a/{b", Handler: ok}}}},
	} {
		if _, err := Handler(tables, Options{}); err == nil || !strings.HasPrefix(err.Error(), "serve ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A middleware sees every path, in front of the method's check, and refuses in
// the shape of the path's door.
func TestAround(t *testing.T) {
	shape := func(name string) Refuse {
		return func(w http.ResponseWriter, _ *http.Request, status int, reason string) {
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, name+": "+reason)
		}
	}
	around := func(next http.Handler, refuse Refuse) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Authorization") == "" {
				refuse(w, r, http.StatusUnauthorized, "who are you")
				return
			}
			next.ServeHTTP(w, r)
		})
	}
	h, err := Handler([]Table{
		{Routes: []Route{{Method: "GET", Path: "/one", OwnTypes: true, Handler: answer("one")}}, Refuse: shape("first")},
		{Routes: []Route{{Method: "GET", Path: "/two", OwnTypes: true, Handler: answer("two")}}, Refuse: shape("second")},
	}, Options{NotFound: shape("nobody"), Around: around})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ method, path, name, want, pattern string }{
		{"GET", "/one", "", "first: who are you", "/one"}, {"DELETE", "/one", "", "first: who are you", "/one"}, {"GET", "/two/", "", "second: who are you", "/two/{$}"},
		{"GET", "/x", "", "nobody: who are you", "/"}, {"GET", "/one", "me", `"one"`, "GET /one"}, {"DELETE", "/one", "me", "first: ", "/one"}, {"GET", "/x", "me", "nobody: ", ""},
	} {
		r := httptest.NewRequest(tc.method, tc.path, nil)
		if tc.name != "" {
			r.Header.Set("Authorization", tc.name)
		}
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Body.String() != tc.want || r.Pattern != tc.pattern {
			t.Errorf("%s %s %q: %q of %q", tc.method, tc.path, tc.name, w.Body, r.Pattern)
		}
	}
}

// A table that serves every path leaves nothing to the server.
func TestATableMayServeEverything(t *testing.T) {
	h, err := Handler([]Table{{Routes: []Route{{Method: "GET", Path: "/{path...}", OwnTypes: true, Handler: answer("all")}}, Refuse: refuseShort}}, Options{NotFound: refuseShort})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, httptest.NewRequest("GET", "/a/b", nil)); w.Body.String() != `"all"` {
		t.Error(w.Code, w.Body)
	}
}
