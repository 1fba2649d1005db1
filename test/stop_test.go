//go:build integration

package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/headrace/headrace/test/services"
)

// listenAddr is a free address for the HTTP API.
func listenAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// mockPipeline makes count messages (0 is without end), one each interval ms.
func mockPipeline(name, content string, interval, count int, bootstrap, topic, keys string) string {
	return fmt.Sprintf(`name: %s
blocks:
  - name: made
    type: data_loader
    connector_type: mock
    message_interval: %d
    message_content: %q
    message_count: %d
  - name: to_kafka
    type: data_exporter
    connector_type: kafka
    bootstrap_server: %q
    topic: %q
%s`, name, interval, content, count, bootstrap, topic, keys)
}

// served is a daemon with the HTTP API on the cluster, ready.
func served(t *testing.T, bootstrap string, files map[string]string, args ...string) (*project, *running, string) {
	t.Helper()
	addr := listenAddr(t)
	p := newProject(t, files)
	p.write("headrace.yaml", fmt.Sprintf("clusters:\n  main: {bootstrap_server: %q}\nhttp: {listen: %q}\n", bootstrap, addr))
	r := p.start(append([]string{"run"}, append(args, ".")...)...)
	eventually(t, 30*time.Second, func() error {
		select {
		case <-r.ended:
			t.Fatalf("ended:\n%s", tail(r.err.String()))
		default:
		}
		resp, err := http.Get("http://" + addr + "/-/ready")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/-/ready: %s", resp.Status)
		}
		return nil
	})
	return p, r, addr
}

// Every request that was answered 200 while the daemon was told to stop is in
// Kafka, and the daemon ends with 0.
func TestTermDrains(t *testing.T) {
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 3)
	_, r, addr := served(t, kafka.Address(), nil)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}, Timeout: 30 * time.Second}
	defer client.CloseIdleConnections()
	var mu sync.Mutex
	acked := map[string]bool{}
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := 0; ; i++ {
				id := fmt.Sprintf("%d-%d", w, i)
				resp, err := client.Post("http://"+addr+"/topics/"+k.name, "application/vnd.kafka.json.v2+json",
					strings.NewReader(`{"records":[{"value":"`+id+`"}]}`))
				if err != nil {
					return // it has stopped
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err == nil && resp.StatusCode == http.StatusOK && bytes.Contains(body, []byte(`"offset":`)) {
					mu.Lock()
					acked[`"`+id+`"`] = true
					if len(acked) == 500 {
						close(enough)
					}
					mu.Unlock()
				}
			}
		}()
	}
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Fatalf("not 500 answers in a minute:\n%s", tail(r.err.String()))
	}
	r.signal(syscall.SIGTERM)
	if code := r.exit(30 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, tail(r.err.String()))
	}
	wg.Wait()
	for _, v := range k.values() {
		delete(acked, v)
	}
	if len(acked) > 0 {
		t.Errorf("%d records were acknowledged and are not in Kafka", len(acked))
	}
}

// A pipeline that is stopped by SIGTERM delivers what it has read.
func TestTermDrainsPipeline(t *testing.T) {
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 3)
	p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 1, 0, kafka.Address(), k.name, "    batch_size: 50\n")})
	r := p.start("run", "mock.yaml")
	eventually(t, time.Minute, func() error {
		if n := k.count(); n < 200 {
			return fmt.Errorf("%d records:\n%s", n, tail(r.err.String()))
		}
		return nil
	})
	r.signal(syscall.SIGTERM)
	if code := r.exit(20 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0", code)
	}
	if !strings.Contains(r.err.String(), "drained") {
		t.Errorf("it does not say that it drained:\n%s", tail(r.err.String()))
	}
}

// With Kafka frozen nothing can be delivered: the first signal waits, the
// second stops at once and says what was not delivered.
func TestSecondSignalStopsAtOnce(t *testing.T) {
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 1)
	p := newProject(t, map[string]string{"mock.yaml": mockPipeline("mock", "m", 1, 0, kafka.Address(), k.name, "")})
	r := p.start("run", "mock.yaml")
	eventually(t, time.Minute, func() error {
		if k.count() == 0 {
			return fmt.Errorf("nothing arrives:\n%s", tail(r.err.String()))
		}
		return nil
	})
	if err := kafka.Pause(0); err != nil {
		t.Fatal(err)
	}
	resumed := false
	resume := func() {
		if !resumed {
			resumed = true
			if err := kafka.Resume(0); err != nil {
				t.Error(err)
			}
		}
	}
	defer resume()
	wait(t, time.Second, r) // so that records are on their way
	r.signal(syscall.SIGTERM)
	wait(t, 2*time.Second, r)
	r.signal(syscall.SIGTERM)
	code := r.exit(5 * time.Second)
	resume()
	if code != 1 {
		t.Errorf("exit code %d, want 1", code)
	}
	if !strings.Contains(r.err.String(), "not delivered") {
		t.Errorf("it does not say what was not delivered:\n%s", tail(r.err.String()))
	}
}

// wait lets time pass and wants the program to live through it.
func wait(t *testing.T, d time.Duration, r *running) {
	t.Helper()
	select {
	case <-r.ended:
		t.Fatalf("ended:\n%s", tail(r.err.String()))
	case <-time.After(d):
	}
}

// SIGHUP starts what changed and leaves the rest running: its command is not
// run again.
func TestHangupReloads(t *testing.T) {
	kafka := services.Kafka(t)
	k := newTopic(t, kafka.Bootstrap, "", 1)
	// Each prints its name and process once, then goes on without an end.
	pipeline := func(name, word string) string {
		return fmt.Sprintf(`name: %s
blocks:
  - name: command
    type: data_loader
    connector_type: exec
    command: [sh, -c, 'echo "\"%s $$\""; exec tail -f /dev/null']
  - name: to_kafka
    type: data_exporter
    connector_type: kafka
    bootstrap_server: %q
    topic: %q
    timeout_ms: 10
`, name, word, kafka.Address(), k.name)
	}
	starts := func(word string) (n int) {
		for _, v := range k.values() {
			if strings.HasPrefix(v, `"`+word+" ") {
				n++
			}
		}
		return n
	}
	started := func(r *running, word string, want int) {
		t.Helper()
		eventually(t, 30*time.Second, func() error {
			if got := starts(word); got != want {
				return fmt.Errorf("%s started %d times, want %d:\n%s", word, got, want, tail(r.err.String()))
			}
			return nil
		})
	}
	p := newProject(t, map[string]string{"pipelines/kept.yaml": pipeline("kept", "kept"), "pipelines/changed.yaml": pipeline("changed", "before")})
	r := p.start("run", ".")
	started(r, "kept", 1)
	started(r, "before", 1)

	p.write("pipelines/changed.yaml", pipeline("changed", "after"))
	r.signal(syscall.SIGHUP)
	started(r, "after", 1)

	p.write("pipelines/changed.yaml", "blocks: [nonsense")
	r.signal(syscall.SIGHUP)
	r.says(10*time.Second, "everything goes on as before")

	r.signal(syscall.SIGTERM)
	if code := r.exit(30 * time.Second); code != 0 {
		t.Errorf("exit code %d, want 0:\n%s", code, tail(r.err.String()))
	}
	for word, want := range map[string]int{"kept": 1, "before": 1, "after": 1} {
		if got := starts(word); got != want {
			t.Errorf("%s started %d times, want %d", word, got, want)
		}
	}
}
