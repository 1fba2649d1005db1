//go:build integration

package restproxy

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/test/services"
)

// venv returns a Python environment with the packages, kept for later runs.
func venv(t *testing.T, packages ...string) (python string) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(cache, "headrace-test", "venv-"+strings.Map(func(r rune) rune {
		if r == '=' || r == '/' {
			return '-'
		}
		return r
	}, strings.Join(packages, "_")))
	python = filepath.Join(dir, "bin", "python")
	if _, err := os.Stat(filepath.Join(dir, "done")); err == nil {
		return python
	}
	for _, args := range [][]string{{"python3", "-m", "venv", "--clear", dir}, append([]string{python, "-m", "pip", "install", "--quiet"}, packages...)} {
		if out, err := exec.CommandContext(t.Context(), args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "done"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return python
}

// The usage example of pymapr-kafkarest's own page, with its producer before
// it, and polls until there is something, as its users do.
const usage = `
import sys, time
from pymapr_kafkarest.kafkarest import MaprKlient, MaprKProducer
base_url, topic = sys.argv[1] + '/', sys.argv[2]
user_group = 'foo'
topics = [topic]
headers = {}

MaprKProducer(base_url, headers=headers).produce([{'value': {'n': 1}}, {'key': 'k', 'value': 'two'}], topic=topic)

mk = MaprKlient(base_url, user_group, headers=headers, topics=topics)
mk.connect(clear=True)
mk.subscribe()
messages = []
until = time.time() + 30
while len(messages) < 2 and time.time() < until:
    messages += mk.consume()
print(sorted(str(m['value']) for m in messages)[0])
print({tuple(sorted(m)) for m in messages})

mk.connect(clear=True)      # the instance exists: it is deleted and made anew
mk.subscribe()
print(mk._subscription_topics() == {'topics': topics})
while True:                 # positions need the assignment
    mk.consume()
    try:
        again = mk.consume(seek=True)
        break
    except AssertionError:
        if time.time() > until: raise
print(len(again) > 0)
mk._instance_delete()
`

// TestPythonClient runs a client library from PyPI, unchanged.
func TestPythonClient(t *testing.T) {
	kafka := services.Kafka(t)
	url := serve(t, onKafka(kafka.Address(), ""))
	python := venv(t, "pymapr-kafkarest==0.1.1", "python-slugify", "requests")
	cmd := exec.CommandContext(t.Context(), python, "-c", usage, url, topic(t, kafka.Bootstrap, "pymapr"))
	cmd.Env = append(os.Environ(), "KAFKAREST_LOG_LEVEL=ERROR")
	out, err := cmd.CombinedOutput()
	const want = "two\n{('key', 'offset', 'partition', 'topic', 'value')}\nTrue\nTrue\n"
	if err != nil || !strings.HasSuffix(string(out), want) {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestCurl runs the command lines of the original's quick start.
func TestCurl(t *testing.T) {
	kafka := services.Kafka(t)
	url := serve(t, onKafka(kafka.Address(), "consumer_request_timeout: 10s"))
	name := topic(t, kafka.Bootstrap, "curl")
	script := strings.NewReplacer("http://localhost:8082", url, "jsontest", name).Replace(`
set -e
curl -sf -X POST -H "Content-Type: application/vnd.kafka.json.v2+json" --data '{"records":[{"value":{"foo":"bar"}}]}' "http://localhost:8082/topics/jsontest"; echo
curl -sf -X POST -H "Content-Type: application/vnd.kafka.v2+json" --data '{"name": "my_consumer_instance", "format": "json", "auto.offset.reset": "earliest"}' http://localhost:8082/consumers/my_json_consumer; echo
curl -sf -X POST -H "Content-Type: application/vnd.kafka.v2+json" --data '{"topics":["jsontest"]}' http://localhost:8082/consumers/my_json_consumer/instances/my_consumer_instance/subscription
curl -sf -X GET -H "Accept: application/vnd.kafka.json.v2+json" http://localhost:8082/consumers/my_json_consumer/instances/my_consumer_instance/records; echo
curl -sf -X DELETE -H "Content-Type: application/vnd.kafka.v2+json" http://localhost:8082/consumers/my_json_consumer/instances/my_consumer_instance
curl -sf "http://localhost:8082/topics/jsontest" | head -c 80; echo
CLUSTER=$(curl -sf http://localhost:8082/v3/clusters | sed 's/.*"cluster_id":"\([^"]*\)".*/\1/')
printf '{"value":{"type":"JSON","data":1}}{"value":{"type":"JSON","data":2}}' | curl -sf -N -X POST -H "Transfer-Encoding: chunked" -H "Content-Type: application/json" http://localhost:8082/v3/clusters/$CLUSTER/topics/jsontest/records -T -
`)
	out, err := exec.CommandContext(t.Context(), "bash", "-c", script).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text := strings.ReplaceAll(string(out), name, "jsontest")
	for _, want := range []string{
		`"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`,
		`"base_uri":"` + url + `/consumers/my_json_consumer/instances/my_consumer_instance"}`,
		`[{"topic":"jsontest","key":null,"value":{"foo":"bar"},"partition":`,
		`{"name":"jsontest","configs":{`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if n := strings.Count(text, `{"error_code":200,"cluster_id":`); n != 2 {
		t.Errorf("%d of 2 records were streamed:\n%s", n, text)
	}
}

// TestSchemathesis asks what the API's own description allows, and what it
// does not: nothing of it may be answered as an error of the server.
func TestSchemathesis(t *testing.T) {
	kafka := services.Kafka(t)
	url := serve(t, onKafka(kafka.Address(), "consumer_request_timeout: 100ms"))
	python := venv(t, "schemathesis==4.32.5")
	start := time.Now()
	dir := t.TempDir()
	_, list, _ := call(t, "GET", url+"/v3/clusters", "")
	id := regexp.MustCompile(`"cluster_id":"([^"]+)"`).FindStringSubmatch(list)
	if id == nil {
		t.Fatal(list)
	}
	known := fmt.Sprintf("[parameters]\n\"path.cluster_id\" = %q\n\"path.topic\" = %q\n\"path.group\" = \"g\"\n\"path.instance\" = \"i\"\n", id[1], topic(t, kafka.Bootstrap, "schemathesis"))
	if err := os.WriteFile(filepath.Join(dir, "schemathesis.toml"), []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	call(t, "POST", url+"/consumers/g", `{"id":"i"}`, "Content-Type", typeV2)
	cmd := exec.CommandContext(t.Context(), python, "-m", "schemathesis.cli", "run", url+"/-/openapi.json",
		"--checks", "not_a_server_error", "--phases", "coverage,fuzzing", "--max-examples", "3", "--workers", "4",
		"--request-timeout", "15", "--generation-database", "none", "--no-color", "--seed", "1")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	text := string(out)
	_, summary, _ := strings.Cut(text, "= SUMMARY =")
	t.Logf("%s%s", time.Since(start).Round(time.Second), summary)
	if err != nil {
		for _, part := range []string{"= ERRORS =", "= FAILURES ="} {
			if _, details, ok := strings.Cut(text, part); ok {
				details, _, _ = strings.Cut(details, "= WARNINGS =")
				t.Errorf("%v: %.6000s", err, details)
				return
			}
		}
		t.Errorf("%v: %s", err, text)
	}
}
