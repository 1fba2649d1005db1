package state_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/connector/connectortest"
	"github.com/headrace/headrace/connector/state"
)

func TestConformance(t *testing.T) {
	dirs := map[*testing.T]string{}
	connectortest.TestStore(t, func(t *testing.T) state.Store {
		if dirs[t] == "" {
			dirs[t] = t.TempDir()
		}
		return state.New(dirs[t], nil)
	})
}

func TestASecondProcessIsTold(t *testing.T) {
	dir := t.TempDir()
	s, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	_, err = state.Open(dir)
	if !errors.Is(err, state.ErrHeld) || !strings.Contains(err.Error(), filepath.Join(dir, state.FileName)) || !strings.Contains(err.Error(), "another headrace process holds it; stop that one") {
		t.Errorf("second open: %v", err)
	}
}

// TestNothingIsMadeBeforeItIsNeeded: what keeps no position needs no lock.
func TestNothingIsMadeBeforeItIsNeeded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	s := state.New(dir, nil)
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder was made: %v", err)
	}
}

// BenchmarkSave moves three of 10,000 parts.
func BenchmarkSave(b *testing.B) {
	s, err := state.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	const parts = 10_000
	all := map[string][]byte{}
	for i := range parts {
		all[fmt.Sprintf("66306:%d", 1000+i)] = fmt.Appendf(nil, `{"file":"data/part-%05d.ndjson","id":"66306:%d","offset":123456,"line":1234,"tail":123456789,"tail_bytes":256,"tail_end":123456}`, i, i)
	}
	if err := s.SavePositions("p", "b", all); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		changed := map[string][]byte{}
		for n := range 3 {
			part := fmt.Sprintf("66306:%d", 1000+(i*3+n)%parts)
			changed[part] = all[part]
		}
		if err := s.SavePositions("p", "b", changed); err != nil {
			b.Fatal(err)
		}
	}
}
