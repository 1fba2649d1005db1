package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
)

type inner struct {
	File  string `path:"file"`
	hides string
}

type outer struct {
	Secret connector.Secret
	Ptr    *inner
	List   []string
	Map    map[string]any
	Do     func()
}

// TestFingerprint changes one thing at a time.
func TestFingerprint(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	made := func(change func(*outer)) string {
		o := outer{Secret: "s", Ptr: &inner{File: file, hides: "h"}, List: []string{"a", "b"}, Map: map[string]any{"x": 1, "y": []int{2}, "z": true}, Do: func() {}}
		change(&o)
		return config.Fingerprint(o, 7)
	}
	same := made(func(*outer) {})
	if again := made(func(o *outer) { o.Do, o.Ptr.hides = nil, "i" }); again != same {
		t.Error("settings that are the same have another fingerprint")
	}
	seen := map[string]string{same: "nothing"}
	for name, change := range map[string]func(*outer){
		"a secret":      func(o *outer) { o.Secret = "t" },
		"no pointer":    func(o *outer) { o.Ptr = nil },
		"another file":  func(o *outer) { o.Ptr.File = dir },
		"one text":      func(o *outer) { o.List = []string{"ab"} },
		"order":         func(o *outer) { o.List = []string{"b", "a"} },
		"a map's value": func(o *outer) { o.Map["y"] = []int{3} },
		"a map's type":  func(o *outer) { o.Map["x"] = "1" },
		"the file":      func(*outer) { write("two") },
		"no file": func(*outer) {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
	} {
		write("one")
		print := made(change)
		if other, ok := seen[print]; ok {
			t.Errorf("%s has the fingerprint of %s", name, other)
		}
		seen[print] = name
	}
}
