package kafkarest

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every key that names a setting finds it, with a type that can be read.
func TestKeysHaveSettings(t *testing.T) {
	r := &reading{Config: base()}
	for key := range restPaths {
		if s, ok := r.setting(key); !ok || !s.CanSet() {
			t.Errorf("%s has no setting", key)
		}
	}
	for key, path := range httpPaths {
		if s, _ := r.setting(key); !s.CanSet() {
			t.Errorf("%s: http has no %s", key, path)
		}
	}
	for key, path := range producerPaths {
		if !at(reflect.ValueOf(&r.Producer).Elem(), path).CanSet() {
			t.Errorf("%s: the producer has no %s", key, path)
		}
	}
	for path := range limitsWhenOn {
		if key := keyOf(restPaths, path); key == path {
			t.Errorf("no key is for %s", path)
		}
	}
	if len(restPaths) < 25 {
		t.Errorf("only %d keys are named by tags", len(restPaths))
	}
}

// Each key is put where its tag says, by its type.
func TestPut(t *testing.T) {
	for key, value := range map[string]string{
		"id": "x", "api.v2.enable": "false", "api.endpoints.allowlist": "a, b", "consumer.instance.timeout.ms": "7", "consumer.request.max.bytes": "9",
		"fetch.min.bytes": "5", "idle.timeout.ms": "8", "access.control.allow.origin": "http://a,http://b", "server.connection.limit": "3",
	} {
		r := &reading{Config: base()}
		s, _ := r.setting(key)
		before := s.Interface()
		if err := put(s, key, value); err != nil || cmp.Equal(before, s.Interface()) {
			t.Errorf("%s=%s: %v %v", key, value, s.Interface(), err)
		}
	}
}

func TestPropertiesHaveLines(t *testing.T) {
	text := "# a comment that ends in \\\nid = a\\\n   b\n\n! another\nx\\:y : z\n\nid\\\n 2=${id}\nbackslash=c:\\\\\nlast=1\nid=again"
	props, lines, err := readProperties(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"id": "again", "x:y": "z", "id2": "${id}", "backslash": `c:\`, "last": "1"}, props); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]int{"id": 12, "x:y": 6, "id2": 8, "backslash": 10, "last": 11}, lines); diff != "" {
		t.Error(diff)
	}
	if _, _, err := readProperties("a=1\nb=\\u12"); err == nil {
		t.Error("half an escape was read")
	}
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("api.v2.enable=\\\n  maybe\nfetch.min.bytes=x\nrate.limit.enable=true\nrate.limit.permits.per.sec=\\\n-1"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, faults, err := Load(file, []string{"KAFKA_REST_FETCH_MIN_BYTES=y"}, base())
	if err != nil {
		t.Fatal(err)
	}
	at := map[string]int{}
	for _, f := range faults {
		at[f.Path] = cfg.Line(f.Path)
	}
	if diff := cmp.Diff(map[string]int{"api.v2.enable": 1, "fetch.min.bytes": 0, "rate.limit.permits.per.sec": 5}, at); diff != "" {
		t.Error(diff)
	}
}
