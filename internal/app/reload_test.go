package app_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/headrace/headrace/auth/tlsstore/certtest"
)

// head is a project file whose default cluster is at broker.
func head(broker, more string) string {
	return fmt.Sprintf("clusters: {main: {bootstrap_server: %q}}\nhttp: {listen: \"127.0.0.1:0\"%s}\n", broker, more)
}

// endless is a stream of made-up records, into a file or where exporter says.
func endless(exporter string) string {
	return "blocks:\n  - {type: data_loader, connector_type: mock, message_interval: 20}\n  - {type: data_exporter, " + exporter + ", timeout_ms: 10}\n"
}

const v2JSON = "application/vnd.kafka.json.v2+json"

// TestReloadTakesResolvedSettings changes the project file: the cluster that
// HTTP serves and that a pipeline has by default, and the largest body. What
// does not depend on it goes on.
func TestReloadTakesResolvedSettings(t *testing.T) {
	a, b := startBroker(t, "a", "to"), startBroker(t, "b", "to")
	p := start(t, map[string]string{"headrace.yaml": head(a.Addr(), ""),
		"pipelines/kafka.yaml": endless("connector_type: kafka, topic: to"), "pipelines/file.yaml": endless("connector_type: file, path: out")})
	eventually(t, "records in the first cluster", func() bool { return p.Counts()["kafka"].Acknowledged > 0 })
	if _, topics := get(t, p.URL()+"/topics"); !strings.Contains(topics, `"a"`) {
		t.Fatalf("before: %s", topics)
	}
	c := p.mustReload(t, map[string]string{"headrace.yaml": head(b.Addr(), ", max_body_bytes: 100")})
	if c.Started != 1 || c.Kept != 1 || c.Stopped != 1 || !slices.Equal(c.Clusters, []string{"main"}) || !c.Door || c.URL != "" || len(c.Restart) > 0 {
		t.Errorf("%+v", c)
	}
	if _, topics := get(t, p.URL()+"/topics"); !strings.Contains(topics, `"b"`) || strings.Contains(topics, `"a"`) {
		t.Errorf("after: %s", topics)
	}
	if status, text := ask(t, http.MethodPost, p.URL()+"/topics/b", v2JSON, `{"records":[{"value":"`+strings.Repeat("x", 200)+`"}]}`); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large body: %d %s", status, text)
	}
	if status, text := ask(t, http.MethodPost, p.URL()+"/topics/b", v2JSON, `{"records":[{"value":1}]}`); status != http.StatusOK {
		t.Errorf("a small body: %d %s", status, text)
	}
	at := p.Counts()["kafka"].Acknowledged
	eventually(t, "records in the second cluster", func() bool { return p.Counts()["kafka"].Acknowledged > at })
	if _, text := get(t, p.URL()+"/-/metrics"); strings.Count(text, `headrace_kafka_bytes_before_compression_total{cluster="main"`) > 1 || !strings.Contains(text, `cluster="main"`) {
		t.Error("the metrics of the cluster are not there once")
	}
}

// TestReloadWithAMistakeChangesNothing has mistakes that are seen when the files
// are read, and one that is seen when everything else is open already.
func TestReloadWithAMistakeChangesNothing(t *testing.T) {
	a, b := startBroker(t, "a"), startBroker(t, "b")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	good := map[string]string{"headrace.yaml": head(a.Addr(), ""), "pipelines/p.yaml": endless("connector_type: file, path: out")}
	p := start(t, good)
	url := p.URL()
	for name, text := range map[string]string{
		"a key that is not known":         head(b.Addr(), ", max_bdy_bytes: 1"),
		"an address that is taken":        strings.Replace(head(b.Addr(), ""), "127.0.0.1:0", taken.Addr().String(), 1),
		"a certificate that is not there": head(b.Addr(), ", tls: {certfile: none.pem}"),
	} {
		t.Run(name, func(t *testing.T) {
			if c, err := p.reload(t, map[string]string{"headrace.yaml": text, "pipelines/p.yaml": endless("connector_type: file, path: other")}); err == nil {
				t.Errorf("no error: %+v", c)
			}
			if _, topics := get(t, url+"/topics"); !strings.Contains(topics, `"a"`) {
				t.Errorf("the cluster is another: %s", topics)
			}
			if _, err := os.Stat(filepath.Join(p.dir, "other")); err == nil {
				t.Error("the pipeline is another")
			}
		})
	}
	if c := p.mustReload(t, good); c.Kept != 1 || c.Started != 0 || len(c.Clusters) > 0 || c.Door {
		t.Errorf("as it was: %+v", c)
	}
}

// TestAFailedReloadLetsGo of the address that it had opened already.
func TestAFailedReloadLetsGo(t *testing.T) {
	a := startBroker(t, "a")
	p := start(t, map[string]string{"headrace.yaml": head(a.Addr(), "")})
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	p.environ = []string{"KAFKA_REST_BOOTSTRAP_SERVERS=" + a.Addr()}
	text := strings.Replace(head(a.Addr(), ""), "127.0.0.1:0", address, 1)
	if c, err := p.reload(t, map[string]string{"headrace.yaml": strings.Replace(text, "{main:", "{kafka-rest:", 1)}); err == nil || !strings.Contains(err.Error(), "are both there") {
		t.Errorf("%+v, %v", c, err)
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	_ = again.Close()
}

// TestReloadRefusesNoConnection reloads while clients ask without a pause.
func TestReloadRefusesNoConnection(t *testing.T) {
	a, b := startBroker(t, "a"), startBroker(t, "b")
	p := start(t, map[string]string{"headrace.yaml": head(a.Addr(), "")})
	url, stop := p.URL(), make(chan struct{})
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, err := client.Get(url + "/topics")
				if err != nil {
					t.Errorf("refused: %v", err)
					return
				}
				text, err := io.ReadAll(res.Body)
				res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK {
					t.Errorf("%d %s, %v", res.StatusCode, text, err)
					return
				}
			}
		})
	}
	for i := range 6 {
		broker := a
		if i%2 == 0 {
			broker = b
		}
		if c := p.mustReload(t, map[string]string{"headrace.yaml": head(broker.Addr(), fmt.Sprintf(", max_connections: %d", 100+i))}); len(c.Clusters) != 1 {
			t.Errorf("%+v", c)
		}
	}
	close(stop)
	clients.Wait()
}

// TestReloadChangesTheAddress opens the new one and closes the old one.
func TestReloadChangesTheAddress(t *testing.T) {
	a := startBroker(t, "a")
	p := start(t, map[string]string{"headrace.yaml": head(a.Addr(), "")})
	before := p.URL()
	get(t, before+"/topics")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	c := p.mustReload(t, map[string]string{"headrace.yaml": strings.Replace(head(a.Addr(), ""), "127.0.0.1:0", address, 1)})
	if c.URL != "http://"+address || p.URL() != c.URL || len(c.Clusters) > 0 {
		t.Errorf("%+v", c)
	}
	if _, topics := get(t, p.URL()+"/topics"); !strings.Contains(topics, `"a"`) {
		t.Errorf("at the new address: %s", topics)
	}
	eventually(t, "the old address is closed", func() bool {
		conn, err := net.Dial("tcp", strings.TrimPrefix(before, "http://"))
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

// TestReloadSeesFiles changes what stands in files that the settings name, and
// nothing of the settings themselves.
func TestReloadSeesFiles(t *testing.T) {
	ca := certtest.New(t, "one").File
	secured := fmt.Sprintf("clusters: {main: {bootstrap_server: \"127.0.0.1:1\", security_protocol: SSL, ssl_config: {cafile: %q}}}\nhttp: {listen: \"127.0.0.1:0\"}\n", ca)
	name := filepath.Join(t.TempDir(), "name.txt")
	if err := os.WriteFile(name, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, map[string]string{"headrace.yaml": secured, "pipelines/by_file.yaml": endless("connector_type: file, path: \"${file:" + name + "}\"")})
	if c := p.mustReload(t, nil); c.Kept != 1 || c.Started != 0 || len(c.Clusters) > 0 || c.Door {
		t.Errorf("nothing changed: %+v", c)
	}
	other, err := os.ReadFile(certtest.New(t, "two").File)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(ca, other, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := p.mustReload(t, nil); c.Kept != 1 || len(c.Clusters) != 1 {
		t.Errorf("another certificate: %+v", c)
	}
	if err := os.WriteFile(name, []byte("two"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := p.mustReload(t, nil); c.Started != 1 || c.Stopped != 1 || len(c.Clusters) > 0 {
		t.Errorf("another text: %+v", c)
	}
	eventually(t, "the new file is written", func() bool {
		_, err := os.Stat(filepath.Join(p.dir, "two"))
		return err == nil
	})
}

// TestReloadKeepsConsumers: a consumer of the REST proxy lives on when only
// pipelines change.
func TestReloadKeepsConsumers(t *testing.T) {
	a := startBroker(t, "a")
	p := start(t, map[string]string{"headrace.yaml": head(a.Addr(), "")})
	status, text := ask(t, http.MethodPost, p.URL()+"/consumers/g", "application/vnd.kafka.v2+json", `{"name":"me","format":"json"}`)
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	c := p.mustReload(t, map[string]string{"pipelines/p.yaml": endless("connector_type: file, path: out")})
	if c.Started != 1 || c.Door {
		t.Errorf("%+v", c)
	}
	if status, text := ask(t, http.MethodDelete, p.URL()+"/consumers/g/instances/me", "", ""); status != http.StatusNoContent {
		t.Errorf("the consumer: %d %s", status, text)
	}
}

// TestReloadNamesWhatWaits for a restart.
func TestReloadNamesWhatWaits(t *testing.T) {
	a := startBroker(t, "a")
	p := start(t, map[string]string{"headrace.yaml": head(a.Addr(), "")})
	if c := p.mustReload(t, map[string]string{"headrace.yaml": head(a.Addr(), "") + "state: {path: elsewhere}\n"}); !slices.Equal(c.Restart, []string{"state.path"}) {
		t.Errorf("%+v", c)
	}
}

// TestTheStateIsTakenAway while everything runs: what needs it fails and says
// so, everything else goes on, and the end is an error.
func TestTheStateIsTakenAway(t *testing.T) {
	for said, take := range map[string]func(file string) error{
		"it was removed while it was in use": func(file string) error { return os.RemoveAll(filepath.Dir(file)) },
		"it is damaged":                      func(file string) error { return os.Truncate(file, 8192) },
	} {
		t.Run(said, func(t *testing.T) {
			a := startBroker(t, "a")
			p := start(t, map[string]string{"headrace.yaml": head(a.Addr(), ""), "in.txt": "1\n",
				"pipelines/stream.yaml": endless("connector_type: file, path: out"),
				"pipelines/tick.yaml":   "schedule: \"* * * * * *\"\nblocks:\n  - {type: data_loader, connector_type: file, path: in.txt}\n  - {type: data_exporter, connector_type: file, path: tick.out}\n"})
			eventually(t, "a run", func() bool { return strings.Contains(p.log.String(), "msg=\"run finished\" pipeline=tick") })
			if err := take(filepath.Join(p.dir, ".headrace", "state.db")); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a run that fails", func() bool {
				return strings.Contains(p.log.String(), "msg=\"run failed\" pipeline=tick") && strings.Contains(p.log.String(), said)
			})
			at := p.Counts()["stream"].Acknowledged
			eventually(t, "the stream goes on", func() bool { return p.Counts()["stream"].Acknowledged > at })
			if status, _ := get(t, p.URL()+"/topics"); status != http.StatusOK {
				t.Errorf("HTTP: %d", status)
			}
			p.stopped = true
			if err := p.Stop(); err == nil || !strings.Contains(err.Error(), said) {
				t.Errorf("the end: %v", err)
			}
		})
	}
}
