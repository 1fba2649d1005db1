package schema

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/sr/srfake"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a registry in this process that counts its calls and can be away.
type fake struct {
	*srfake.Registry
	calls  atomic.Int64
	mu     sync.Mutex
	paths  []string
	answer http.HandlerFunc // instead of the registry's own
}

func newFake(t testing.TB) *fake {
	t.Helper()
	f := &fake{Registry: srfake.New()}
	t.Cleanup(f.Close)
	f.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		f.calls.Add(1)
		if r.Method == http.MethodPost && r.Header.Get("Content-Type") != "application/vnd.schemaregistry.v1+json" {
			w.WriteHeader(http.StatusUnsupportedMediaType) // as real registries do
			return true
		}
		f.mu.Lock()
		f.paths = append(f.paths, r.Method+" "+r.URL.RequestURI())
		answer := f.answer
		f.mu.Unlock()
		if answer != nil {
			answer(w, r)
		}
		return answer != nil
	})
	return f
}

// instead answers all calls by h, nil by the registry again.
func (f *fake) instead(h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = h
}

func (f *fake) away() {
	f.instead(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
}

func (f *fake) client(t testing.TB, urls ...string) *Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := New(Config{URLs: append(urls, f.URL()+"/"), HTTP: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
