package app

import (
	"os"
	"path/filepath"
	"testing"
)

// http.producer is what records that are posted are delivered with, and without
// it the defaults are.
func TestTheProducerOfHTTP(t *testing.T) {
	for text, want := range map[string]string{
		"http: {producer: {partitioner: round_robin, compression_type: zstd}}\n": "round_robin zstd all",
		"http: {listen: \"127.0.0.1:0\"}\n":                                      "default none all",
		"clusters: {main: {bootstrap_server: \"a:9092\"}}\n":                     "default none all",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "headrace.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, problems := Load(Options{Paths: []string{dir}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		p := s.HTTP.producer("main")
		if got := p.Partitioner + " " + p.CompressionType + " " + p.Acks; got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
