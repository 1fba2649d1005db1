package app_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rcrowley/go-metrics"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/internal/embedded"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true
	goleak.VerifyTestMain(m)
}

func startBroker(t *testing.T, topics ...string) *embedded.Broker {
	t.Helper()
	cfg := embedded.BrokerConfig{Topics: map[string]int32{}}
	for _, topic := range topics {
		cfg.Topics[topic] = 1
	}
	b, err := embedded.StartBroker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// journal is a log that tests read.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// project is a daemon on the files of a folder.
type project struct {
	*app.Daemon
	dir     string
	log     *journal
	stopped bool
	environ []string
}

func (p *project) write(t *testing.T, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(p.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *project) load() (*app.Settings, error) {
	return app.LoadToRun(app.Options{Paths: []string{p.dir}, Resolver: config.NewResolver(), Environ: p.environ}, false, p.logger())
}

func (p *project) logger() *slog.Logger { return slog.New(slog.NewTextHandler(p.log, nil)) }

// reload does what a signal does.
func (p *project) reload(t *testing.T, files map[string]string) (app.Changes, error) {
	t.Helper()
	p.write(t, files)
	s, err := p.load()
	if err != nil {
		return app.Changes{}, err
	}
	return p.Reload(s)
}

// mustReload is reload where nothing is wrong.
func (p *project) mustReload(t *testing.T, files map[string]string) app.Changes {
	t.Helper()
	c, err := p.reload(t, files)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// start runs a daemon on files, which must be right, until the test ends.
func start(t *testing.T, files map[string]string) *project {
	t.Helper()
	p := &project{dir: t.TempDir(), log: &journal{}}
	p.write(t, files)
	s, err := p.load()
	if err != nil {
		t.Fatal(err)
	}
	p.Daemon, err = app.Start(t.Context(), s, app.Env{Log: p.logger(), Hard: context.Background(), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		if p.stopped {
			return
		}
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	p.StartPipelines()
	return p
}

// ask sends a request and returns the status and the answer.
func ask(t *testing.T, method, url, contentType, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func get(t *testing.T, url string) (int, string) { return ask(t, http.MethodGet, url, "", "") }

// eventually waits until done, which is asked often.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(20 * time.Second)
	for !done() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s: not within 20s", what)
		}
	}
}
