package wire

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/route"
)

func TestOf(t *testing.T) {
	kind := func(k connector.Kind) error { return connector.Errorf(k, "deleting topic t: %w", io.EOF) }
	for _, tc := range []struct {
		name         string
		err          error
		status, code int
	}{
		{"own error", Errorf(42206, "x"), 422, 42206},
		{"own error, wrapped", fmt.Errorf("reading: %w", Errorf(40402, "x")), 404, 40402},
		{"consumer config out of range", Errorf(40001, "x"), 422, 40001},
		{"three digits", Errorf(404, "x"), 404, 404},
		{"invalid", kind(connector.Invalid), 400, 40002},
		{"too large", kind(connector.TooLarge), 413, 413},
		{"unauthenticated", kind(connector.Unauthenticated), 401, 40101},
		{"denied", kind(connector.Denied), 403, 40301},
		{"not found", kind(connector.NotFound), 404, 40403},
		{"throttled", kind(connector.Throttled), 429, 42901},
		{"unavailable", kind(connector.Unavailable), 503, 50302},
		{"unknown to Kafka's table", kind(connector.Unknown), 500, 50002},
		{"deadline", fmt.Errorf("asking: %w", context.DeadlineExceeded), 503, 50302},
		{"body over the limit", fmt.Errorf("reading: %w", &http.MaxBytesError{Limit: 5}), 413, 413},
		{"anything else", errors.New("secret"), 500, 500},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := Of(tc.err)
			if e.Status != tc.status || e.Code != tc.code {
				t.Errorf("got %d/%d, want %d/%d", e.Status, e.Code, tc.status, tc.code)
			}
			if strings.Contains(e.Message, "secret") {
				t.Errorf("the text of an unclassified error got out: %q", e.Message)
			}
		})
	}
}

func TestWriteError(t *testing.T) {
	for _, tc := range []struct {
		name, path, accept string
		err                error
		status             int
		mediaType, body    string
	}{
		{"v3", "/v3/clusters/x", "", NotFound(), 404, JSON, `{"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"v2", "/topics/x", "", UnknownTopic(), 404, V2, `{"error_code":40403,"message":"This server does not host this topic-partition."}`},
		{"v2, plain JSON only", "/topics/x", "application/json", UnknownTopic(), 404, JSON, `{"error_code":40403,"message":"This server does not host this topic-partition."}`},
		{"406 names what is produced", "/v3/clusters", "text/plain", NotAcceptable(V2, JSON), 406, JSON, `{"error_code":406,"message":"HTTP 406 Not Acceptable: the Accept header must allow application/vnd.kafka.v2+json or application/json"}`},
		{"html left alone", "/v3/clusters", "", Errorf(400, "<a> & b"), 400, JSON, `{"error_code":400,"message":"<a> & b"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", tc.path, nil)
			if tc.accept != "" {
				r.Header.Set("Accept", tc.accept)
			}
			w := httptest.NewRecorder()
			WriteError(w, r, tc.err)
			if w.Code != tc.status || w.Header().Get("Content-Type") != tc.mediaType || w.Body.String() != tc.body {
				t.Errorf("got %d %q %s", w.Code, w.Header().Get("Content-Type"), w.Body)
			}
		})
	}
}

func TestWriteErrorRetryAfter(t *testing.T) {
	w := httptest.NewRecorder()
	WriteError(w, httptest.NewRequest("GET", "/v3/", nil), &connector.Error{Kind: connector.Throttled, RetryAfter: 1200 * time.Millisecond, Err: io.EOF})
	if got := w.Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After %q, want 2", got)
	}
}

type recorder struct {
	http.ResponseWriter
	err error
}

func (r *recorder) RecordError(err error) { r.err = err }

type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestWriteErrorIsRecorded(t *testing.T) {
	rec := &recorder{ResponseWriter: httptest.NewRecorder()}
	WriteError(wrapper{rec}, httptest.NewRequest("GET", "/v3/", nil), io.ErrNoProgress)
	if !errors.Is(rec.err, io.ErrNoProgress) {
		t.Errorf("recorded %v", rec.err)
	}
}

func TestDecodeBody(t *testing.T) {
	type item struct {
		Name  *string `json:"name"`
		Value *Text   `json:"value"`
	}
	type body struct {
		Name  Text   `json:"name"`
		Count *Int   `json:"count"`
		Items []item `json:"items"`
	}
	missing := Payload("Request body is empty. Data is required.")
	for _, tc := range []struct {
		name, body   string
		status, code int
		message      string
	}{
		{"good", `{"name":"t","count":3,"items":[{"name":"a","value":null}]}`, 0, 0, ""},
		{"number in a string", `{"count":"3"}`, 0, 0, ""},
		{"number as text", `{"name":3}`, 0, 0, ""},
		{"empty", ``, 422, 42206, missing.Message},
		{"blank", " \n", 422, 42206, missing.Message},
		{"null", `null`, 422, 42206, missing.Message},
		{"unknown field", `{"nmae":"t"}`, 422, 422, "Unrecognized field: nmae"},
		{"unknown field inside", `{"items":[{"x":1}]}`, 422, 422, "Unrecognized field: x"},
		{"unknown field with a quote", `{"a\"b":1}`, 422, 422, `Unrecognized field: a"b`},
		{"a field's name in capitals", `{"Name":"t"}`, 422, 422, "Unrecognized field: Name"},
		{"a name twice", `{"name":"t","name":"u"}`, 0, 0, ""},
		{"bytes that are not UTF-8", "{\"name\":\"\xff\"}", 400, 400, "Bad Request: the body is not JSON: invalid UTF-8 at byte 9"},
		{"a field of the wrong type", `{"items":[{"name":5}]}`, 400, 400, "Bad Request: /items/0/name cannot be this number"},
		{"broken", `{"name":`, 400, 400, "Bad Request: the body is not JSON: unexpected EOF at byte 8"},
		{"two values", `{} {}`, 400, 400, ""},
		{"wrong type", `{"count":"three"}`, 400, 400, ""},
		{"fraction", `{"count":1.5}`, 400, 400, ""},
		{"object for text", `{"name":{}}`, 400, 400, ""},
		{"array", `[]`, 400, 400, "Bad Request: the body cannot be an array"},
		{"deep", strings.Repeat("[", 100000), 400, 400, ""},
		{"over the limit", `{"name":"` + strings.Repeat("x", MaxBody) + `"}`, 413, 413, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var v body
			err := DecodeBody(httptest.NewRequest("POST", "/v3/", strings.NewReader(tc.body)), &v, missing)
			if tc.status == 0 {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil {
				t.Fatal("no error")
			}
			e := Of(err)
			if e.Status != tc.status || e.Code != tc.code || tc.message != "" && e.Message != tc.message {
				t.Errorf("got %d/%d %q", e.Status, e.Code, e.Message)
			}
		})
	}
}

func TestRoot(t *testing.T) {
	listener := func(s string) *url.URL {
		u, err := url.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	all := func(string) bool { return true }
	for _, tc := range []struct {
		name   string
		opts   LinkOptions
		host   string
		https  bool
		header http.Header
		prefix string
		want   string
	}{
		{name: "host header", host: "proxy:8082", want: "http://proxy:8082"},
		{name: "tls", host: "proxy", https: true, want: "https://proxy"},
		{name: "prefix", host: "proxy", prefix: "/kafka", want: "http://proxy/kafka"},
		{name: "advertised", host: "x", opts: LinkOptions{Advertised: []*url.URL{listener("https://a:1"), listener("http://b:2")}}, want: "http://b:2"},
		{name: "advertised for the other scheme only", host: "x:3", opts: LinkOptions{Advertised: []*url.URL{listener("https://a:1")}}, want: "http://x:3"},
		{name: "host name without port", host: "x", opts: LinkOptions{HostName: "h", Ports: map[string]string{"http": "8082"}}, want: "http://h"},
		{name: "host name with the listener's port", host: "x:1", opts: LinkOptions{HostName: "h", Ports: map[string]string{"http": "8082"}}, want: "http://h:8082"},
		{name: "nobody trusted", host: "x", header: http.Header{"Forwarded": {"host=evil;proto=https"}}, want: "http://x"},
		{name: "forwarded", host: "x", opts: LinkOptions{Trusted: all}, header: http.Header{"Forwarded": {`for=1.2.3.4;host="api.example.com:444";proto=https, for=2`}}, want: "https://api.example.com:444"},
		{name: "x-forwarded", host: "x", opts: LinkOptions{Trusted: all}, header: http.Header{"X-Forwarded-Host": {"api.example.com"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Port": {"8443"}, "X-Forwarded-Prefix": {"/rest/"}}, want: "https://api.example.com:8443/rest"},
		{name: "forwarded nonsense", host: "x", opts: LinkOptions{Trusted: all}, header: http.Header{"Forwarded": {`host="a/b?c";proto=javascript`}, "X-Forwarded-Prefix": {"//evil"}}, want: "http://x"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Host, r.Header = tc.host, tc.header
			if tc.https {
				r.TLS = &tls.ConnectionState{}
			}
			if got := string(Root(route.WithPrefix(r, tc.prefix), tc.opts)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestIsV3(t *testing.T) {
	for path, want := range map[string]bool{"/v3": true, "/v3/clusters": true, "/v3x": false, "/topics/v3": false, "/kafka/v3/x": true} {
		r := httptest.NewRequest("GET", path, nil)
		if strings.HasPrefix(path, "/kafka") {
			r = route.WithPrefix(r, "/kafka")
		}
		if got := IsV3(r); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}
