package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/connector/config"
)

// breaks turns all that YAML takes for the end of a line into "\n".
var breaks = strings.NewReplacer("\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

// FuzzLoad gives any bytes to Parse and Decode. Neither may panic or take
// long, and each problem has a place in the file.
func FuzzLoad(f *testing.F) {
	paths, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Add([]byte("bootstrap_server: [a, b]\ntopic: \"{{ env_var('A', 'b') }}\"\nbatch_size: ${N:-5}\nany: {a: [1, 2.5, yes, ~]}\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		if len(src) > 64<<10 {
			return
		}
		start := time.Now()
		r := environment(map[string]string{"A": "a", "N": "5"}, map[string]string{"/f": "x\n"})
		node, problems := config.Parse("f.yaml", src, r)
		if node == nil && len(problems) == 0 {
			t.Error("neither a node nor a problem")
		}
		node.Value()
		problems = append(problems, node.Decode(new(block), "name")...)
		lines := 1 + strings.Count(breaks.Replace(string(src)), "\n")
		for _, p := range problems {
			if p.File != "f.yaml" || p.Line < 1 || p.Line > lines+1 || p.Column < 1 || !utf8.ValidString(p.Message) {
				t.Errorf("no such place: %s", p)
			}
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
	})
}

// TestHostileFilesEndSoon loads files made to cost much more than their size.
func TestHostileFilesEndSoon(t *testing.T) {
	for name, src := range map[string]string{
		"open brackets":    strings.Repeat("[", 1<<18),
		"open maps":        strings.Repeat("{a: ", 1<<16),
		"nested lists":     strings.Repeat("- ", 1<<17),
		"many items":       "[" + strings.Repeat("a,", 1<<16) + "]",
		"many keys":        strings.Repeat("a: 1\n", 1<<14),
		"many wrong keys":  "x" + strings.ReplaceAll(strings.Repeat("k: 1\nx", 1<<12), "k", strings.Repeat("k", 100)),
		"many expressions": "a: " + strings.Repeat("${A}{{ x }}", 1<<15),
		"open expressions": "a: " + strings.Repeat("${", 1<<19),
		"aliases in lists": "a: &a [" + strings.Repeat("x,", 1000) + "]\nb: [" + strings.Repeat("*a,", 10000) + "]\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			node, problems := config.Parse("f.yaml", []byte(src), environment(map[string]string{"A": "aaa"}, nil))
			problems = append(problems, node.Decode(new(block))...)
			if problems.Err() == nil {
				t.Error("no problem found")
			}
			if d := time.Since(start); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
			t.Log(time.Since(start), len(problems))
		})
	}
}
