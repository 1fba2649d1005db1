package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/embedded"
)

// copyExamples lays the examples into a folder of the test, so that running
// them leaves nothing behind.
func copyExamples(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../examples")); err != nil {
		t.Fatal(err)
	}
	return dir
}

func headrace(stdin string, args ...string) (code int, out, log string) {
	var stdout, stderr bytes.Buffer
	code = run(args, strings.NewReader(stdin), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// TestExamplesAreValid loads every example, and wants one of every connector.
func TestExamplesAreValid(t *testing.T) {
	for _, name := range []string{"KAFKA_CLIENT_SECRET", "KEYCLOAK_URL"} {
		t.Setenv(name, "https://127.0.0.1:1")
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KAFKA_CA", ca)
	t.Setenv("KAFKA_BOOTSTRAP", "127.0.0.1:1")
	dir := copyExamples(t)
	var files []string
	var text strings.Builder
	for _, pattern := range []string{"*.yaml", "secured/*.yaml"} { // dev's is run by its own test
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil || len(found) == 0 {
			t.Fatal("no examples", pattern, err)
		}
		files = append(files, found...)
	}
	for _, file := range files {
		if code, _, log := headrace("", "validate", file); code != exitOK {
			t.Errorf("%s: exit code %d\n%s", file, code, log)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text.Write(b)
	}
	_, schema, _ := headrace("", "schema")
	for _, name := range []string{"file", "stdin", "exec", "mock", "kafka", "expression", "stdout"} {
		if !strings.Contains(schema, `"`+name+`"`) {
			t.Errorf("the schema has no connector %s", name)
		}
		if !strings.Contains(text.String(), "connector_type: "+name+"\n") {
			t.Errorf("no example of %s", name)
		}
	}
}

// TestExamplesRun runs those that a broker without security can serve, in an
// order in which each finds what it reads.
func TestExamplesRun(t *testing.T) {
	broker, err := embedded.StartBroker(embedded.BrokerConfig{Topics: map[string]int32{
		"orders": 3, "orders-dead": 1, "extracted": 1, "heartbeat": 1, "topic_name": 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer broker.Close()
	t.Setenv("KAFKA_BOOTSTRAP", broker.Addr())
	dir := copyExamples(t)
	for _, tc := range []struct{ file, stdin, out string }{
		{"csv-to-stdout.yaml", "", `{"flight":"DL 2042","late_by":796}`},
		{"stdin-to-file.yaml", "one\ntwo\n", "stdin-to-file: read 2 = acknowledged 2 "},
		{"file-to-kafka.yaml", "", "orders: read 5 = acknowledged 3 + dead-lettered 0 + filtered 2 "},
		{"exec-to-kafka.yaml", "", "extract: read 3 = acknowledged 3 "},
		{"mock-to-kafka.yaml", "", "heartbeat: read 20 = acknowledged 20 "},
		{"scheduled-fan-out.yaml", "", "nightly-orders: read 5 = acknowledged 5 "},
		{"kafka-to-file.yaml", "", "orders-to-file: read 8 = acknowledged 8 "},
	} {
		code, out, log := headrace(tc.stdin, "run", "--once", filepath.Join(dir, tc.file))
		if code != exitOK || !strings.Contains(out, tc.out) {
			t.Errorf("%s: exit code %d, printed\n%s\n%s", tc.file, code, out, log)
		}
	}
	written, err := os.ReadFile(filepath.Join(dir, "out", "orders.ndjson"))
	if n := bytes.Count(written, []byte("\n")); err != nil || n != 8 {
		t.Errorf("%d lines in the file, %v:\n%s", n, err, written)
	}
	code, out, log := headrace(`{"data":{"a":1},"metadata":{"key":"k"}}`+"\n", "export",
		"--config", filepath.Join(dir, "mage", "block.yaml"), "--bootstrap-server", broker.Addr())
	if code != exitOK || !strings.Contains(out, "export: read 1 = acknowledged 1 ") {
		t.Errorf("Mage's block: exit code %d, printed\n%s\n%s", code, out, log)
	}
	if !strings.Contains(log, "api_version") {
		t.Errorf("no word about api_version:\n%s", log)
	}
}

// certificate is one that nobody has the key of: loading an example needs a CA.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBezCCASGgAwIBAgIUOrYw6N7z25DPuTy0GlQNBpesjBMwCgYIKoZIzj0EAwIw
EjEQMA4GA1UEAwwHZXhhbXBsZTAgFw0yNjExMjExMDM3NTBaGA8yMTI2MTAyODEw
Mzc1MFowEjEQMA4GA1UEAwwHZXhhbXBsZTBZMBMGByqGSM49AgEGCCqGSM49AwEH
A0IABJScRlIKWIE6KrNgtK0GS+D9RpBTaJuRE5bwT8XRqmxr+pGKgBkx5W22mkbC
aM2HtewU01U0PSDnu7RP/ovJOA+jUzBRMB0GA1UdDgQWBBSzosV12DB2fplufYqp
IU+mJUwB8DAfBgNVHSMEGDAWgBSzosV12DB2fplufYqpIU+mJUwB8DAPBgNVHRMB
Af8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCICN5hcwDdsU+2icUCsqjAnu9HcU6
Gy4Inryd2+39jJg1AiEA++7DxjX52BY0PIyT8j7Gs4/VPObsyN1XB+zu6/ZHwKI=
-----END CERTIFICATE-----
`
