package pipelines_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/pipelines"
)

// FuzzLoad loads any bytes as a pipeline and as a project file. Neither panics
// or takes long, and a problem has a place in the file.
func FuzzLoad(f *testing.F) {
	for _, text := range []string{
		good, mageBlock, "schedule: {cron: \"@every 10m\", timezone: Europe/Berlin}\nretry: {attempts: 2}\n" + good,
		"clusters: {a: {bootstrap_server: \"b:9092\", sasl_config: {username: u, password: \"${A:-x}\"}}}\nstate: {path: a}\n",
		"blocks:\n" + reads + "  - {type: transformer, connector_type: expression, filter: \"data.a > 1\", upstream_blocks: [stdin]}\n" + prints,
		"blocks: [{type: data_loader, connector_type: kafka, topic: t, consumer_group: g, bootstrap_server: [\"b:1\"]}, {type: data_exporter, connector_type: kafka, topic: u}]",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 16<<10 {
			return
		}
		dir := t.TempDir()
		for _, name := range []string{pipelines.ProjectFile, "p.yaml"} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		r := config.NewResolver()
		r.LookupEnv = func(string) (string, bool) { return "", false } // nothing of this machine
		r.ReadFile = func(name string) ([]byte, error) {
			if filepath.Dir(name) != dir {
				return nil, os.ErrNotExist
			}
			return os.ReadFile(name)
		}
		p, problems := pipelines.Load([]string{filepath.Join(dir, "p.yaml")}, pipelines.Options{Resolver: r})
		if p == nil || len(problems) == 0 && len(p.Pipelines) != 1 {
			t.Errorf("%+v without a problem", p)
		}
		for _, problem := range problems {
			if problem.File == "" || !utf8.ValidString(problem.Message) || problem.Message == "" {
				t.Errorf("no place or no message: %s", problem)
			}
		}
		if d := time.Since(start); d > 10*time.Second {
			t.Errorf("took %v", d)
		}
	})
}
