package openapi

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

func answer(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wire.WriteJSON(w, r, http.StatusOK, wire.JSON, text+r.PathValue("t"))
	})
}

func testRoutes() []Route {
	ok := []Response{{Status: 200, Value: ""}}
	return []Route{
		{Method: "GET", Path: "/v3/topics/{t}", Handler: answer("get "), Responses: ok},
		{Method: "PUT", Path: "/v3/topics/{topic}", Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			wire.WriteJSON(w, r, http.StatusOK, wire.JSON, "put "+r.PathValue("topic"))
		}), Responses: ok},
		{Method: "POST", Path: "/v3/topics/{t}", Handler: answer("post "), Responses: ok, Request: &Body{Types: []string{wire.JSON}}},
		{Method: "GET", Path: "/v3/topics/-/configs", Handler: answer("all"), Responses: ok},
		{Method: "GET", Path: "/v3/topics/{t}/configs", Handler: answer("one "), Responses: ok},
		{Method: "POST", Path: "/v3/topics/{t}/configs:alter", Handler: answer("alter "), Responses: ok},
		{Method: "GET", Path: "/", Handler: answer("root"), Responses: []Response{{Status: 200, Value: "", Types: []string{wire.V2}}}},
	}
}

func TestMount(t *testing.T) {
	mux := http.NewServeMux()
	Mount(mux, "", testRoutes()...)
	Mount(mux, "/kafka", testRoutes()...)
	mux.Handle("/", NotFoundHandler())
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
		{"root", "GET", "/", nil, 200, `"root"`},
		{"head", "HEAD", "/v3/topics/a", nil, 200, ""},
		{"options", "OPTIONS", "/v3/topics/a", nil, 200, ""},
		{"wrong method", "DELETE", "/v3/topics/a", nil, 405, `{"error_code":405,"message":"HTTP 405 Method Not Allowed"}`},
		{"unknown path", "GET", "/v3/nothing", nil, 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"unknown verb", "POST", "/v3/topics/b/configs:burn", nil, 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"wrong content type", "POST", "/v3/topics/a", http.Header{"Content-Type": {"text/plain"}}, 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type"}`},
		{"content type with charset", "POST", "/v3/topics/a", http.Header{"Content-Type": {"application/json; charset=utf-8"}}, 200, `"post a"`},
		{"not acceptable", "GET", "/v3/topics/a", http.Header{"Accept": {"text/plain"}}, 406, ""},
		{"content type is checked before accept", "POST", "/v3/topics/a", http.Header{"Content-Type": {"x/y"}, "Accept": {"text/plain"}}, 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type"}`},
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

func TestMountRefusesTwice(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the same route twice was accepted")
		}
	}()
	r := testRoutes()[0]
	Mount(http.NewServeMux(), "", r, r)
}
