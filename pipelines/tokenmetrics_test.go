package pipelines_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/internal/embedded"
)

// TestTokenMetricsOfEveryBlock has a pipeline from Kafka to Kafka whose loader,
// exporter and registry each ask for tokens of their own.
func TestTokenMetricsOfEveryBlock(t *testing.T) {
	issuer, err := embedded.StartIssuer(embedded.IssuerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = issuer.Close() })
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Topics: map[string]int32{"in": 1, "out": 1}, OAuth: issuer.Check("kafka")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = broker.Close() })
	schemas := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ") {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		fmt.Fprintf(w, `{"id": 1, "version": 1, "subject": "out-value", "schemaType": "JSON", "schema": "{}"}`)
	}))
	t.Cleanup(schemas.Close)

	oauth := fmt.Sprintf("oauth_token_url: %q, oauth_client_id: exporter, oauth_client_secret: exporter-secret", issuer.TokenURL())
	cluster := fmt.Sprintf("bootstrap_server: %q, security_protocol: SASL_PLAINTEXT, sasl_config: {mechanism: OAUTHBEARER, %s}", broker.Addr(), oauth)
	files(t, map[string]string{
		"pipelines/fill.yaml": "schedule: '@every 1h'\nblocks:\n  - {type: data_loader, connector_type: mock, message_count: 1, message_content: '1'}\n" +
			"  - {name: fill, type: data_exporter, connector_type: kafka, topic: in, " + cluster + "}\n",
		"pipelines/copy.yaml": "blocks:\n  - {name: from, type: data_loader, connector_type: kafka, topic: in, consumer_group: g, auto_offset_reset: earliest, " + cluster + "}\n" +
			"  - {name: to, type: data_exporter, connector_type: kafka, topic: out, timeout_ms: 0, value_format: jsonschema, schema_registry: {url: \"" + schemas.URL + "\", " + oauth + "}, " + cluster + "}\n",
	})
	b, p := newBench(t, t.Context()), project(t)
	for _, d := range p.Pipelines {
		if d.Name == "fill" {
			if err := b.Once(t.Context(), d, time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	metrics := prometheus.NewRegistry()
	metrics.MustRegister(b.Supervisor)
	b.Apply(p)
	want := map[string]bool{}
	for _, source := range []string{"block=from,outcome=issued,pipeline=copy,source=from", "block=to,outcome=issued,pipeline=copy,source=to",
		"block=to,outcome=issued,pipeline=copy,source=schema_registry of to"} {
		want["headrace_oauth_token_requests_total{"+source+"}"] = true
	}
	for end := time.Now().Add(20 * time.Second); len(want) > 0; time.Sleep(10 * time.Millisecond) {
		for name, n := range scrape(t, metrics) {
			if want[name] && n == 1 {
				delete(want, name)
			}
		}
		if time.Now().After(end) {
			t.Fatalf("not within 20 s: %v; there are %v; log: %s", want, scrape(t, metrics), b.log)
		}
	}
	b.Stop()
	for name := range scrape(t, metrics) {
		if strings.HasPrefix(name, "headrace_oauth") {
			t.Errorf("left behind: %s", name)
		}
	}
}
