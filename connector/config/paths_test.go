package config_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector/config"
)

func TestResolvePaths(t *testing.T) {
	type Inner struct {
		File  string `path:"file"`
		Other string
	}
	type outer struct {
		Inner
		Named Inner
		To    *Inner
		Nil   *Inner
		File  string `path:"file"`
	}
	made := func() *outer {
		return &outer{Inner: Inner{File: "a", Other: "b"}, Named: Inner{File: "/c", Other: "d"}, To: &Inner{File: "../e"}}
	}
	for dir, want := range map[string]*outer{
		"":     made(),
		".":    made(),
		"/etc": {Inner: Inner{File: "/etc/a", Other: "b"}, Named: Inner{File: "/c", Other: "d"}, To: &Inner{File: "/e"}},
		"proj": {Inner: Inner{File: "proj/a", Other: "b"}, Named: Inner{File: "/c", Other: "d"}, To: &Inner{File: "e"}},
	} {
		got := made()
		config.ResolvePaths(got, dir)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(outer{})); diff != "" {
			t.Errorf("%q: %s", dir, diff)
		}
	}
}
