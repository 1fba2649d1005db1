package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/headrace/headrace/connector/state"
)

// filled makes a state with something in every corner, of some pages, and
// returns its file and the positions in it.
func filled(t *testing.T, dir string) (path string, want map[string][]byte) {
	t.Helper()
	s, err := state.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want = map[string][]byte{}
	for i := range 300 {
		want[fmt.Sprintf("data/orders-%03d.ndjson", i)] = fmt.Appendf(nil, `{"offset":%d,"line":%d}`, i*1000, i)
	}
	for i := range 20 {
		err = errors.Join(err, s.PutRun(state.Run{Pipeline: "orders", Error: strings.Repeat("x", 100*i)}))
	}
	err = errors.Join(err, s.SavePositions("orders", "files", want), s.SavePositions("small", "b", map[string][]byte{"": []byte("7")}),
		s.SetLastTick("orders", time.Now()), s.PutValue("keys", "k", []byte("v"), time.Now().Add(time.Hour)),
		s.SavePositions("orders", "files", map[string][]byte{"data/orders-000.ndjson": want["data/orders-000.ndjson"]}), s.Close())
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, state.FileName), want
}

// readAll asks for everything that filled put in.
func readAll(s *state.File) (map[string][]byte, error) {
	got, err := s.Positions("orders", "files")
	_, err2 := s.Positions("small", "b")
	_, err3 := s.LastTick("orders")
	_, err4 := s.Runs("orders", 100)
	_, err5 := s.Value("keys", "k")
	return got, errors.Join(err, err2, err3, err4, err5, s.SavePositions("orders", "files", map[string][]byte{"new": []byte("1")}),
		s.PutRun(state.Run{Pipeline: "orders"}))
}

// TestDamage changes the file in every way that it was seen to be changed, and
// many more. Either all is there, or the error says that it is damaged, which
// file, and the two ways on.
func TestDamage(t *testing.T) {
	path, want := filled(t, t.TempDir())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	noise := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(noise.Uint32())
		}
		return b
	}
	const size = 4096
	kinds := map[string]func() []byte{
		"half":                  func() []byte { return good[:len(good)/2] },
		"the last byte missing": func() []byte { return good[:len(good)-1] },
		"one byte":              func() []byte { return good[:1] },
		"a text":                func() []byte { return []byte("this is no state\n") },
		"all zeros":             func() []byte { return make([]byte, len(good)) },
		"all noise":             func() []byte { return random(len(good)) },
		"header noise":          func() []byte { return append(random(2*size), good[2*size:]...) },
		"backwards":             func() []byte { b := bytes.Clone(good); reverse(b); return b },
	}
	// A branch that leads to itself, and a list of free pages with one in use.
	order := binary.NativeEndian
	kinds["a cycle"] = func() []byte {
		b := bytes.Clone(good)
		for p := range len(good) / size {
			if order.Uint16(b[p*size+8:]) == 1 {
				order.PutUint64(b[p*size+16+8:], uint64(p))
			}
		}
		return b
	}
	kinds["a used page is listed as free"] = func() []byte {
		b := bytes.Clone(good)
		for p := range len(good) / size {
			if order.Uint16(b[p*size+8:]) == 16 && order.Uint16(b[p*size+10:]) > 0 {
				order.PutUint64(b[p*size+16:], uint64(p))
			}
		}
		return b
	}
	for p := range len(good) / size {
		with := func(content []byte) func() []byte {
			return func() []byte { b := bytes.Clone(good); copy(b[p*size:(p+1)*size], content); return b }
		}
		kinds[fmt.Sprintf("cut to %d", p*size)] = func() []byte { return good[:p*size] }
		kinds[fmt.Sprintf("page %d zeroed", p)] = with(make([]byte, size))
		kinds[fmt.Sprintf("page %d noise", p)] = with(random(size))
		kinds[fmt.Sprintf("page %d another", p)] = with(good[(p+1)*size%len(good):][:size])
		kinds[fmt.Sprintf("page %d half of it noise", p)] = func() []byte {
			return append(append(bytes.Clone(good[:p*size+size/2]), random(size/2)...), good[(p+1)*size:]...)
		}
	}
	for i := range 500 {
		kinds[fmt.Sprintf("byte %d", i)] = func() []byte {
			b := bytes.Clone(good)
			b[noise.IntN(len(b))] = byte(noise.Uint32())
			return b
		}
	}
	dir, damaged := t.TempDir(), 0
	for kind, change := range kinds {
		changed := change()
		if len(changed) == 0 {
			continue // an empty file is another case
		}
		if err := os.WriteFile(filepath.Join(dir, state.FileName), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		s := state.New(dir, nil)
		got, err := readAll(s)
		switch {
		case err == nil && (kind == "a cycle" || kind == "a used page is listed as free"):
			t.Errorf("%s: not seen", kind)
		case err != nil:
			damaged++
			if text := err.Error(); !state.Damaged(err) || !strings.Contains(text, filepath.Join(dir, state.FileName)+": it is damaged: ") ||
				!strings.Contains(text, "; either put a copy of the file in its place, or run headrace state reset") || strings.Contains(text, "goroutine") {
				t.Errorf("%s: %v", kind, err)
			}
		case !maps.EqualFunc(got, want, bytes.Equal):
			t.Errorf("%s: other positions were read, and no error", kind)
		}
		_ = s.Close()
		if left, readErr := os.ReadFile(filepath.Join(dir, state.FileName)); readErr != nil || state.Damaged(err) && !bytes.Equal(left, changed) {
			t.Errorf("%s: the damaged file was changed, %v", kind, readErr)
		}
		_ = os.Remove(filepath.Join(dir, state.FileName+".copy"))
	}
	if damaged < 100 { // pages that are free may hold anything
		t.Errorf("%d of %d kinds were seen as damage", damaged, len(kinds))
	}
}

func reverse(b []byte) {
	for i, j := 0, len(b)-1; i < j; i, j = i+1, j-1 {
		b[i], b[j] = b[j], b[i]
	}
}

// TestDamageWhileInUse is done to a file that is open. What needs it fails from
// then on, and so does Close; the process lives.
func TestDamageWhileInUse(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(path string) error
		want   string
		damage bool
	}{
		"cut to two pages": {func(p string) error { return os.Truncate(p, 8192) }, "it was cut to 8192 bytes while it was in use", true},
		"cut to nothing":   {func(p string) error { return os.Truncate(p, 0) }, "it was cut to 0 bytes while it was in use", true},
		"removed":          {os.Remove, "it was removed while it was in use", false},
		"its folder removed": {func(p string) error { return os.RemoveAll(filepath.Dir(p)) },
			"it was removed while it was in use", false},
		"replaced": {func(p string) error {
			return errors.Join(os.WriteFile(p+".new", nil, 0o600), os.Rename(p+".new", p))
		}, "it was replaced by another file while it was in use", false},
		"zeroed": {func(p string) error {
			f, err := os.OpenFile(p, os.O_RDWR, 0)
			if err != nil {
				return err
			}
			info, err := f.Stat()
			if err == nil {
				_, err = f.WriteAt(make([]byte, info.Size()), 0)
			}
			return errors.Join(err, f.Close())
		}, "a page of it cannot be read", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "state")
			path, _ := filled(t, dir)
			s, err := state.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := tc.change(path); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 4)
			for range cap(done) { // none of them waits for ever
				go func() { _, err := readAll(s); done <- err }()
			}
			for range cap(done) {
				if err := <-done; err == nil || !strings.Contains(err.Error(), tc.want) || state.Damaged(err) != tc.damage {
					t.Errorf("%v; want %q", err, tc.want)
				}
			}
			if err := s.Close(); err == nil {
				t.Error("Close says nothing")
			}
		})
	}
}

// TestNoFile has something else where the file would be.
func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, state.FileName), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := state.Open(dir); err == nil || !strings.Contains(err.Error(), "it is not a file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := state.Open(filepath.Join(dir, state.FileName, "none", "\x00")); err == nil {
		t.Error("a folder that cannot be was made")
	}
}

// TestMissing has a state that was there once.
func TestMissing(t *testing.T) {
	for name, take := range map[string]func(string) error{
		"missing": os.Remove,
		"empty":   func(path string) error { return os.Truncate(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path, want := filled(t, dir)
			if err := take(path); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			s := state.New(dir, slog.New(slog.NewTextHandler(&log, nil)))
			got, err := s.Positions("orders", "files")
			if err != nil || len(got) != 0 {
				t.Errorf("%d positions, %v", len(got), err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if text := log.String(); !strings.Contains(text, "the state is "+name+", although there was one") || !strings.Contains(text, path) || !strings.Contains(text, "positions=301") {
				t.Errorf("the log: %s", text)
			}
			aside, err := filepath.Glob(path + ".copy.lost-*")
			if err != nil || len(aside) != 1 {
				t.Fatalf("the copy of before: %v, %v", aside, err)
			}
			if err := os.Rename(aside[0], path); err != nil { // as the log said
				t.Fatal(err)
			}
			if got, err = readAll(state.New(dir, nil)); err != nil || !maps.EqualFunc(got, want, bytes.Equal) {
				t.Errorf("with the copy in its place: %d positions, %v", len(got), err)
			}
		})
	}
}

// old makes a file as it was before it had a version.
func old(t *testing.T, path string) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		positions, err1 := tx.CreateBucket([]byte("positions"))
		ticks, err2 := tx.CreateBucket([]byte("ticks"))
		runs, err3 := tx.CreateBucket([]byte("runs"))
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		of, err := runs.CreateBucket([]byte("orders"))
		for i := range 3 {
			n, err4 := of.NextSequence()
			err = errors.Join(err, err4, of.Put([]byte{0, 0, 0, 0, 0, 0, 0, byte(n)}, fmt.Appendf(nil, `{"id":"r%d","pipeline":"orders"}`, i)))
		}
		return errors.Join(err, positions.Put([]byte("orders\x00file"), []byte(`{"offset":12}`)), positions.Put([]byte("b\x00file"), []byte("7")),
			ticks.Put([]byte("orders"), []byte("2026-01-02T03:04:05Z")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestAnOldFileIsTaken(t *testing.T) {
	dir := t.TempDir()
	old(t, filepath.Join(dir, state.FileName))
	for range 2 {
		s, err := state.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.ListPositions("")
		if err != nil || len(list) != 2 || list[1].Pipeline != "orders" || list[1].Block != "file" || list[1].Part != "" || string(list[1].At) != `{"offset":12}` {
			t.Errorf("positions %+v, %v", list, err)
		}
		if tick, err := s.LastTick("orders"); err != nil || tick.Year() != 2026 {
			t.Errorf("tick %v, %v", tick, err)
		}
		if runs, err := s.Runs("orders", 10); err != nil || len(runs) != 3 || runs[0].ID != "r2" {
			t.Errorf("runs %+v, %v", runs, err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestANewerFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	path, _ := filled(t, dir)
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte("format")).Put([]byte("version"), []byte("3")) }), db.Close())
	if err != nil {
		t.Fatal(err)
	}
	s := state.New(dir, nil)
	_, err = s.Positions("orders", "files")
	if err == nil || state.Damaged(err) || !strings.Contains(err.Error(), "it is of version 3, which a newer headrace made; this one knows versions up to 2") {
		t.Errorf("%v", err)
	}
	if err := s.SavePositions("orders", "files", map[string][]byte{"a": []byte("1")}); err == nil {
		t.Error("it was written to")
	}
	_ = s.Close()
	if s, err := state.Open(dir); err == nil {
		_ = s.Close()
		t.Error("it opens the second time")
	}
}
