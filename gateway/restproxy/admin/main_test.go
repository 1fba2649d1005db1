package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"
	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

var update = flag.Bool("update", false, "write the golden files anew")

const clusterID = "lkc-1"

// connection is a cluster on addresses, without the settings of a real one.
type connection struct {
	id     string
	client sarama.Client
}

func (c connection) ID(context.Context) (string, error)            { return c.id, nil }
func (c connection) KnownID() string                               { return c.id }
func (c connection) Client(context.Context) (sarama.Client, error) { return c.client, nil }

// proxy is the endpoints on a broker in this process.
type proxy struct {
	t       *testing.T
	handler http.Handler
	kafka   *kfake.Cluster
	admin   *admin.Admin
}

func newProxy(t *testing.T, opts ...kfake.Opt) *proxy {
	t.Helper()
	p := &proxy{t: t}
	p.kafka, p.admin = newCluster(t, clusterID, opts...)
	p.handler = serve(t, Deps{Clusters: Fixed{p.admin}})
	return p
}

// serve is the endpoints at their paths and below /kafka.
func serve(t *testing.T, deps Deps) http.Handler {
	t.Helper()
	h, err := route.Handler([]route.Table{{Routes: Routes(deps), Prefixes: []string{"", "/kafka"}, Refuse: wire.Refuse}}, route.Options{NotFound: wire.Refuse})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func newCluster(t *testing.T, id string, opts ...kfake.Opt) (*kfake.Cluster, *admin.Admin) {
	t.Helper()
	k, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3), kfake.ClusterID(id)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion
	client, err := sarama.NewClient(k.ListenAddrs(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return k, admin.New(connection{id, client})
}

// call asks an endpoint; paths that begin with a dot are below the cluster.
func (p *proxy) call(method, path, body string, header ...string) *httptest.ResponseRecorder {
	p.t.Helper()
	if below, ok := strings.CutPrefix(path, "."); ok {
		path = "/v3/clusters/" + clusterID + below
	}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Host = "proxy:8082"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	p.handler.ServeHTTP(w, r)
	return w
}

// must is call where the answer is known.
func (p *proxy) must(status int, method, path, body string) *httptest.ResponseRecorder {
	p.t.Helper()
	w := p.call(method, path, body)
	if w.Code != status {
		p.t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	return w
}

// normal takes out of an answer what differs from run to run.
var normal = []struct {
	from *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`"port": \d+`), `"port": 9092`},
	{regexp.MustCompile(`i-1-[0-9a-f]{32}`), `i-1-MEMBER`},
}

// golden compares an answer with the file of the name, made readable.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	got := []byte(w.Result().Status + "\n")
	for _, h := range []string{"Content-Type", "Location"} {
		if v := w.Header().Get(h); v != "" {
			got = append(got, h+": "+v+"\n"...)
		}
	}
	if w.Body.Len() > 0 {
		var pretty bytes.Buffer
		if err := json.Indent(&pretty, w.Body.Bytes(), "", "  "); err != nil {
			t.Fatalf("%s: %v in %s", name, err, w.Body)
		}
		got = append(append(append(got, '\n'), pretty.Bytes()...), '\n')
	}
	for _, n := range normal {
		got = n.from.ReplaceAll(got, []byte(n.to))
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: %s", name, diff)
	}
}
