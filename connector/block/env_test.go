package block_test

import (
	"path/filepath"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector/block"
)

func TestPathStartsInTheFolderOfThePipeline(t *testing.T) {
	abs, err := filepath.Abs("a.csv")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ dir, path, want string }{
		{"", "a.csv", "a.csv"}, {"d", "a.csv", filepath.Join("d", "a.csv")}, {"d", abs, abs}, {"d", "", ""}, {"d", "../a", "a"},
	} {
		env := block.Env{Dir: tc.dir}
		if got := env.Path(tc.path); got != tc.want {
			t.Errorf("%q in %q: %q, want %q", tc.path, tc.dir, got, tc.want)
		}
	}
}

func TestRegisterer(t *testing.T) {
	var env block.Env
	if r := env.Registerer("a"); r != nil {
		t.Errorf("%v although nobody looks", r)
	}
	registry := prometheus.NewRegistry()
	env.Metrics = func(block string) prometheus.Registerer {
		return prometheus.WrapRegistererWith(prometheus.Labels{"block": block}, registry)
	}
	for _, block := range []string{"a", "b"} { // the same metric of two blocks
		if err := env.Registerer(block).Register(prometheus.NewCounter(prometheus.CounterOpts{Name: "n", Help: "h"})); err != nil {
			t.Error(err)
		}
	}
	if got, err := registry.Gather(); err != nil || len(got) != 1 || len(got[0].Metric) != 2 {
		t.Errorf("%v, %v", got, err)
	}
}
