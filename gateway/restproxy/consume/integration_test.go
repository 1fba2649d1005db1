//go:build integration

package consume

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy/produce"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
	"github.com/headrace/headrace/test/services"
)

func TestMain(m *testing.M) { os.Exit(services.Main(m)) }

// onKafka serves both halves of the proxy on Apache Kafka with a fresh topic.
func onKafka(t *testing.T) (p *proxy, topic string) {
	t.Helper()
	bootstrap := services.Kafka(t).Bootstrap
	topic = fmt.Sprintf("rest-%d", time.Now().UnixNano())
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 2, 1, nil, topic); err != nil {
		t.Fatal(err)
	}
	p = serveOn(t, Config{}, bootstrap)
	sink, err := p.cluster.NewProducer(kafka.DefaultProducerSettings(), "")
	if err != nil {
		t.Fatal(err)
	}
	e := exporter.New(sink, exporter.Config{BatchSize: 5000, Concurrent: true})
	t.Cleanup(func() { _ = e.Close(context.Background()) })
	h := produce.New(produce.Config{Route: produce.OneCluster(e)})
	s := gateway.New(gateway.DefaultConfig(), nil)
	if _, err := s.Mount([]route.Table{{Routes: append(h.Routes(), p.handler.Routes()...), Refuse: wire.Refuse}}); err != nil {
		t.Fatal(err)
	}
	p.url = serveHandler(t, s.Handler())
	return p, topic
}

func (p *proxy) post(path, contentType, body string) (int, string) {
	p.t.Helper()
	res, err := http.Post(p.url+path, contentType, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func TestRoundTripOnApacheKafka(t *testing.T) {
	p, topic := onKafka(t)
	code, body := p.post("/topics/"+topic+"/partitions/1", "application/vnd.kafka.json.v2+json", `{"records":[{"key":"k","value":{"n":1}},{"value":{"n":2}}]}`)
	if want := `{"offsets":[{"partition":1,"offset":0,"error_code":null,"error":null},{"partition":1,"offset":1,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`; code != 200 || body != want {
		t.Fatalf("v2: %d %s", code, body)
	}
	code, body = p.post("/v3/clusters/C/topics/"+topic+"/records", "application/json",
		`{"partition_id":1,"timestamp":"2022-04-22T14:48:47.650Z","headers":[{"name":"h","value":"YQ=="}],"value":{"type":"STRING","data":"three"}}`)
	if code != 200 || !strings.Contains(body, `"offset":2,"timestamp":"2022-04-22T14:48:47.650Z","value":{"type":"STRING","size":5}}`) {
		t.Fatalf("v3: %d %s", code, body)
	}
	start := time.Now()
	code, body = p.post("/v3/clusters/C/topics/nosuch-"+topic+"/records", "application/json", `{}`)
	if d := time.Since(start); code != 200 || !strings.HasPrefix(body, `{"error_code":40401,`) || d > 6*time.Second {
		t.Errorf("unknown topic: %d %s after %v", code, body, d)
	}
	code, body, _ = p.call("GET", "/v3/clusters/C/topics/"+topic+"/partitions/1/records?format=string&offset=2", "", "")
	if code != 200 || !strings.Contains(body, `"timestamp":"2022-04-22T14:48:47.650Z","headers":[{"name":"h","value":"YQ=="}],"key":{"type":"STRING","data":null},"value":{"type":"STRING","data":"three"}}`) {
		t.Errorf("stateless read: %d %s", code, body)
	}
}

func TestConsumersOnApacheKafka(t *testing.T) {
	p, topic := onKafka(t)
	group := "/consumers/" + topic
	for _, name := range []string{"a", "b"} {
		p.want("POST", group, `{"id":"`+name+`","format":"json","auto.offset.reset":"earliest","fetch.min.bytes":1}`,
			200, `{"instance_id":"`+name+`","base_uri":"URL`+group+`/instances/`+name+`"}`)
		p.want("POST", group+"/instances/"+name+"/subscription", `{"topics":["`+topic+`"]}`, 204, "")
	}
	for partition := range 2 {
		p.post(fmt.Sprintf("/topics/%s/partitions/%d", topic, partition), "application/vnd.kafka.json.v2+json", `{"records":[{"value":1}]}`)
	}
	// Whoever is assigned a partition first reads it: both together see all.
	seen := map[string]bool{}
	for deadline := time.Now().Add(30 * time.Second); len(seen) < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("both together saw %v", seen)
		}
		for _, name := range []string{"a", "b"} {
			in := group + "/instances/" + name
			code, body, _ := p.call("GET", in+"/records?timeout=1000", "application/vnd.kafka.json.v2+json", "")
			var records []struct{ Partition, Offset int }
			if err := json.Unmarshal([]byte(body), &records); code != 200 || err != nil {
				t.Fatalf("%d %s", code, body)
			}
			for _, r := range records {
				seen[fmt.Sprint(r.Partition, r.Offset)] = true
			}
			p.want("POST", in+"/offsets", "", 200, "[]")
		}
	}
	p.want("DELETE", group+"/instances/a", "", 204, "")
	for partition := range 2 {
		p.post(fmt.Sprintf("/topics/%s/partitions/%d", topic, partition), "application/vnd.kafka.json.v2+json", `{"records":[{"value":2}]}`)
	}
	// b takes over what a read, from a's commit on.
	for _, r := range p.poll(group+"/instances/b", "application/vnd.kafka.json.v2+json", 2) {
		if !strings.Contains(r, `"value":2`) {
			t.Errorf("came again: %s", r)
		}
	}
}
