//go:build integration

// Package restproxy tests the Kafka REST Proxy of the built binary on Apache
// Kafka, with clients that were written for the original.
package restproxy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// serve runs the binary with a project file until the test ends, and returns
// the URL that it serves.
func serve(t *testing.T, project string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "headrace.yaml"), []byte(project), 0o600); err != nil {
		t.Fatal(err)
	}
	return services.Serve(t, dir, "run", ".")
}

// onKafka is a project with one cluster; rest are lines of http.rest_proxy.
func onKafka(bootstrap, rest string) string {
	return fmt.Sprintf("clusters:\n  main: {bootstrap_server: %q}\nhttp:\n  listen: 127.0.0.1:0\n  rest_proxy: {%s}\n", bootstrap, rest)
}

// topic creates a topic of two partitions.
func topic(t *testing.T, bootstrap []string, name string) string {
	t.Helper()
	name = fmt.Sprintf("%s-%d", name, time.Now().UnixNano())
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 2, 1, nil, name); err != nil {
		t.Fatal(err)
	}
	return name
}

// call asks a URL; header holds names and values in turn.
func call(t *testing.T, method, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header
}

const (
	plain  = "application/json"
	typeV2 = "application/vnd.kafka.v2+json"
	jsonV2 = "application/vnd.kafka.json.v2+json"
)
