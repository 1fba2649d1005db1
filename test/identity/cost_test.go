//go:build integration

package identity

import (
	"bufio"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/headrace/headrace/test/services"
)

// BenchmarkAuthentication exports the million lines of W1 over each listener,
// one after the other and all of it again for each round, and reports the CPU
// seconds of the program: what TLS costs, and what logging in adds. One round:
//
//	go test -tags integration -run - -bench Authentication -benchtime 5x ./test/identity
func BenchmarkAuthentication(b *testing.B) {
	s := services.SecureKafka(b)
	dir := b.TempDir()
	data := million(b, dir)
	tls := "ssl_config: {cafile: " + s.Certs.CA + "}"
	ways := []struct{ name, addr, topic, keys string }{
		{"plaintext", s.Open, "open.cost", ""},
		{"ssl", s.Misnamed, "open.cost", "security_protocol: SSL, ssl_config: {cafile: " + s.Certs.CA + ", check_hostname: false}"},
		{"ssl+plain", s.SASLTLS, "exp.cost", "security_protocol: SASL_SSL, sasl_config: {mechanism: PLAIN, username: exporter, password: exporter-secret}, " + tls},
		{"ssl+scram", s.SASLTLS, "exp.cost", "security_protocol: SASL_SSL, sasl_config: {mechanism: SCRAM-SHA-512, username: exporter, password: exporter-secret}, " + tls},
		{"ssl+oauth", s.SASLTLS, "exp.cost", fmt.Sprintf("security_protocol: SASL_SSL, sasl_config: {mechanism: OAUTHBEARER, oauth_token_url: %q, oauth_client_id: exporter, oauth_client_secret: exporter-secret}, %s", s.Keycloak.TokenURL, tls)},
	}
	costTopics(b, s)
	cpu := map[string][]float64{}
	for b.Loop() {
		for _, w := range ways {
			file := filepath.Join(dir, "w1.yaml")
			text := fmt.Sprintf("blocks:\n  - {type: data_loader, connector_type: file, path: %s}\n  - {type: data_exporter, connector_type: kafka, bootstrap_server: %q, topic: %s, batch_size: 1000, timeout_ms: 5%s}\n",
				data, w.addr, w.topic, prefixed(w.keys))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				b.Fatal(err)
			}
			cmd := exec.Command(services.Headrace(b), "run", "--once", file)
			cmd.Dir = b.TempDir() // the state is kept there: each run starts anew
			out, err := cmd.CombinedOutput()
			if err != nil {
				b.Fatalf("%s: %v\n%s", w.name, err, out)
			}
			cpu[w.name] = append(cpu[w.name], (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds())
		}
	}
	for _, w := range ways {
		slices.Sort(cpu[w.name])
		b.ReportMetric(cpu[w.name][len(cpu[w.name])/2], w.name+"-cpu-s")
		b.Logf("%s: %.2f s of CPU in the median of %v", w.name, cpu[w.name][len(cpu[w.name])/2], cpu[w.name])
	}
}

func prefixed(keys string) string {
	if keys == "" {
		return ""
	}
	return ", " + keys
}

// million writes the lines of W1.
func million(b *testing.B, dir string) string {
	b.Helper()
	path := filepath.Join(dir, "lines.ndjson")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(f, 1<<20)
	r := rand.New(rand.NewSource(20260101))
	for i := range 1_000_000 {
		fmt.Fprintf(w, `{"id":"u-%07d","ts":%d,"event":"order.%d","amount":%.2f,"user":{"name":"user %d","city":"Nairobi","vip":%t},"tags":["a%d","b%d"],"note":"%08x%08x%08x"}`+"\n",
			r.Intn(5000000), 1700000000000+int64(i)*7, r.Intn(8), r.Float64()*1000, r.Intn(100000), r.Intn(2) == 0, r.Intn(100), r.Intn(100), r.Uint32(), r.Uint32(), r.Uint32())
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}
