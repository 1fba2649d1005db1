//go:build integration

package registry_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/test/services"
)

func call(t *testing.T, method, url, kind, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", kind)
	} else {
		req.Header.Set("Accept", kind)
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
	return res.StatusCode, string(b)
}

// One daemon with the registry in its project file: a pipeline writes Avro,
// the REST API writes it too, and both are read as JSON.
func TestDaemon(t *testing.T) {
	topic := subject(t, "topic")
	dir := t.TempDir()
	for name, text := range map[string]string{
		"headrace.yaml": fmt.Sprintf("http: {listen: '127.0.0.1:0'}\nschema_registry: {url: %q}\nstate: {path: state}\n", services.Registry(t).URL),
		"in.ndjson":     `{"data":{"id":1},"metadata":{"partition":0}}` + "\n" + `{"id":"x"}` + "\n",
		"user.avsc":     user,
		"pipelines/users.yaml": "blocks:\n  - {type: data_loader, connector_type: file, path: in.ndjson}\n" +
			"  - {type: data_exporter, connector_type: kafka, topic: " + topic + ", value_format: avro, value_schema: {file: user.avsc}, dead_letter: {path: dead.ndjson}}\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	url := services.Serve(t, dir, "run", "--embedded", ".")
	const avro = "application/vnd.kafka.avro.v2+json"
	var answer string
	records := url + "/v3/clusters/headrace-embedded/topics/" + topic + "/partitions/0/records?timeout=500"
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(answer, `"data":{"id":1}`); {
		if time.Now().After(deadline) {
			t.Fatal("the pipeline's record does not come: " + answer)
		}
		_, answer = call(t, "GET", records, avro, "")
	}
	status, answer := call(t, "POST", url+"/topics/"+topic, avro, fmt.Sprintf(`{"value_schema":%q,"records":[{"value":{"id":2},"partition":0}]}`, user))
	if status != 200 || !strings.Contains(answer, `"offset":1,`) {
		t.Fatalf("%d %s", status, answer)
	}
	if status, answer = call(t, "GET", records+"&offset=1", avro, ""); status != 200 || !strings.Contains(answer, `"data":{"id":2}`) {
		t.Errorf("%d %s", status, answer)
	}
	if status, answer = call(t, "POST", url+"/topics/"+topic, avro, `{"value_schema_id":1073741824,"records":[{"value":{"id":2}}]}`); status != 422 || !strings.Contains(answer, `"error_code":42207`) {
		t.Errorf("%d %s", status, answer)
	}
	dead, err := os.ReadFile(filepath.Join(dir, "dead.ndjson"))
	if err != nil || !strings.Contains(string(dead), "$.id: expected an int, got a string") {
		t.Errorf("%s %v", dead, err)
	}
}
