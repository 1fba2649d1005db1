package state_test

import (
	"errors"
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
