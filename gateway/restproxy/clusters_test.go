package restproxy

import (
	"context"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/kafka"
	kafkaadmin "github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// TestTwoClusters writes, reads and asks under each cluster's own id; v2 is on
// the first.
func TestTwoClusters(t *testing.T) {
	first := broker(t)
	second := broker(t, kfake.ClusterID("D"), kfake.SeedTopics(1, "only-d"))
	cluster, err := kafka.NewCluster("second", kafka.Settings{BootstrapServer: second.ListenAddrs(), SecurityProtocol: "PLAINTEXT"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	r := reader.New(cluster, nil)
	t.Cleanup(func() {
		_ = r.Close()
		_ = cluster.Close()
	})
	sink, err := cluster.NewProducer(kafka.DefaultProducerSettings(), "")
	if err != nil {
		t.Fatal(err)
	}
	e := exporter.New(sink, exporter.Config{BatchSize: 100, Concurrent: true})
	t.Cleanup(func() { _ = e.Close(context.WithoutCancel(t.Context())) })
	p := serve(t, first.ListenAddrs(), func(c *Config) {
		publish, read := c.Publish, c.Read
		c.Clusters = append(c.Clusters.(admin.Fixed), kafkaadmin.New(cluster))
		c.Publish = func(ctx context.Context, id string) (connector.Publisher, error) {
			switch id {
			case "", "C":
				return publish(ctx, id)
			case "D":
				return e, nil
			}
			return nil, wire.UnknownCluster(id)
		}
		c.Read = func(ctx context.Context, id string) (*reader.Reader, error) {
			if id == "D" {
				return r, nil
			}
			return read(ctx, id)
		}
	})
	for id, topic := range map[string]string{"C": "t", "D": "only-d"} {
		under := "/v3/clusters/" + id + "/topics/" + topic
		status, body, _ := p.call("POST", under+"/records", `{"partition_id":0,"value":{"type":"STRING","data":"in `+id+`"}}`, "Content-Type", plain)
		if status != 200 || !strings.Contains(body, `"error_code":200,"cluster_id":"`+id+`"`) {
			t.Errorf("%d %s", status, body)
		}
		if status, body, _ = p.call("GET", under+"/partitions/0/records?format=string&timeout=5000", ""); status != 200 || !strings.Contains(body, `"data":"in `+id+`"`) {
			t.Errorf("%d %s", status, body)
		}
		if status, body, _ = p.call("GET", under, ""); status != 200 || !strings.Contains(body, `"cluster_id":"`+id+`"`) {
			t.Errorf("%d %s", status, body)
		}
	}
	if status, body, _ := p.call("POST", "/v3/clusters/E/topics/t/records", `{}`, "Content-Type", plain); status != 404 {
		t.Errorf("%d %s", status, body)
	}
	if _, body, _ := p.call("GET", "/v3/clusters", ""); !strings.Contains(body, `"cluster_id":"C"`) || !strings.Contains(body, `"cluster_id":"D"`) {
		t.Error(body)
	}
	if _, body, _ := p.call("GET", "/topics", ""); body != `["t"]` {
		t.Error(body)
	}
}
