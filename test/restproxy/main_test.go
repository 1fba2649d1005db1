//go:build integration

// Package restproxy tests the Kafka REST Proxy of the built binary on Apache
// Kafka, with clients that were written for the original.
package restproxy

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/test/services"
)

// binary is the program under test.
var binary string

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "headrace-rest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "headrace")
	build := exec.Command("go", "build", "-o", binary, "github.com/headrace/headrace/cmd/headrace")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build the binary:", err)
		return 1
	}
	return services.Main(m)
}

// output is what a program has written so far; safe to read while it runs.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var running = regexp.MustCompile(`http=(http://\S+)`)

// serve runs the binary with a project file until the test ends, and returns
// the URL that it serves.
func serve(t *testing.T, project string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "headrace.yaml"), []byte(project), 0o600); err != nil {
		t.Fatal(err)
	}
	var log output
	cmd := exec.Command(binary, "run", ".")
	cmd.Dir, cmd.Stderr = dir, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its end is what counts
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			t.Errorf("it does not stop:\n%s", log.String())
			_ = cmd.Process.Kill()
			<-ended
		}
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if m := running.FindStringSubmatch(log.String()); m != nil {
			return m[1]
		}
		select {
		case <-ended:
			t.Fatalf("it ended:\n%s", log.String())
		default:
		}
	}
	t.Fatalf("it does not serve:\n%s", log.String())
	return ""
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
