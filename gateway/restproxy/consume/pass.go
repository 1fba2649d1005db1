package consume

import (
	"bytes"
	"context"
	"crypto/hmac"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// What travels: the headers that a consumer's calls read, and those that their
// answers have.
var (
	passed    = []string{"Accept", "Content-Type", "Authorization"}
	givenBack = []string{"Content-Type", "Content-Length", "Retry-After"}
)

// ask sends a signed request to the member at a URL. The answer is the
// member's; the caller closes its body.
func (f *forwarder) ask(ctx context.Context, at, method, uri string, header http.Header, body []byte) (*http.Response, error) {
	target, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	below, err := url.Parse(uri)
	if err != nil {
		return nil, err
	}
	to := target.JoinPath(below.EscapedPath())
	to.RawQuery = below.RawQuery
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, name := range passed {
		if v := header.Get(name); v != "" {
			req.Header.Set(name, v)
		}
	}
	proof := f.members.sign(req, at, body)
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode < 200 || res.StatusCode >= 300 && res.StatusCode < 400 || !hmac.Equal([]byte(res.Header.Get(HopHeader)), []byte(proof(res.StatusCode))) {
		_ = res.Body.Close()
		return nil, errors.New("the answer is not a member's")
	}
	return res, nil
}

// probe asks a member whether it has the consumer. Nothing of the caller's
// travels before the member has proven itself.
func (f *forwarder) probe(ctx context.Context, key instanceKey, at string) string {
	res, err := f.ask(ctx, at, http.MethodGet, "/consumers/"+url.PathEscape(key.group)+"/instances/"+url.PathEscape(key.name)+"/subscription", nil, nil)
	if err != nil {
		return ""
	}
	_ = res.Body.Close()
	if res.StatusCode == http.StatusNotFound {
		return ""
	}
	return at
}

// pass sends the call to the member that has the consumer, and gives its
// answer, made anew.
func (f *forwarder) pass(w http.ResponseWriter, r *http.Request, key instanceKey, at string) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, wire.MaxBody))
	if err != nil {
		wire.WriteError(w, r, err)
		return
	}
	uri := "/consumers/" + url.PathEscape(key.group) + "/instances/" + url.PathEscape(key.name) + callOf(r, key)
	if r.URL.RawQuery != "" {
		uri += "?" + r.URL.RawQuery
	}
	res, err := f.ask(r.Context(), at, r.Method, uri, r.Header, body)
	if err != nil {
		f.forget(key) // the server is gone, and its consumers with it
		wire.WriteError(w, r, errNoInstance())
		return
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode == http.StatusNotFound || r.Method == http.MethodDelete && res.StatusCode < 300 {
		f.forget(key)
	}
	if kind := res.Header.Get("Content-Type"); kind != "" && !slices.Contains(stateTypes, kind) {
		wire.WriteError(w, r, wire.Errorf(http.StatusBadGateway, "the server that has the consumer answered with %.80q, which no call of a consumer has", kind))
		return
	}
	for _, name := range givenBack {
		if v := res.Header.Get(name); v != "" {
			w.Header().Set(name, v)
		}
	}
	w.WriteHeader(res.StatusCode)
	if r.Method != http.MethodHead {
		_, _ = io.Copy(w, res.Body) // the client is gone, or the other server: the answer's length tells
	}
}

// callOf is what follows the consumer in the path of one of its calls.
func callOf(r *http.Request, key instanceKey) string {
	path := strings.TrimSuffix(r.URL.Path, "/")
	_, call, _ := strings.Cut(path, "/instances/"+key.name)
	return call
}
