package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/headrace/headrace/connector/formats"
)

// TestALineOf100MiB runs the command on a file with one and asks what it took.
func TestALineOf100MiB(t *testing.T) {
	const line, bound = 100 << 20, 95 << 20
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	headrace := filepath.Join(dir, "headrace")
	if err := os.Symlink(self, headrace); err != nil { // by its name it is the command
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "in.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteString("1\n\"")
	chunk := []byte(strings.Repeat("x", 1<<20))
	for n := 0; n < line && err == nil; n += len(chunk) {
		_, err = f.Write(chunk)
	}
	if err == nil {
		_, err = f.WriteString("\"\n3\n")
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	text := "blocks:\n  - {type: data_loader, connector_type: file, path: in.ndjson}\n  - {name: out, type: data_exporter, connector_type: file, path: out.ndjson}\n"
	if err := os.WriteFile(filepath.Join(dir, "p.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(headrace, "run", "--once", "p.yaml")
	cmd.Dir = dir
	out, err := cmd.Output()
	if cmd.ProcessState == nil || cmd.ProcessState.ExitCode() != exitDeadLettered || !strings.HasPrefix(string(out), "p: read 3 = acknowledged 2 + dead-lettered 1 ") {
		t.Fatalf("%v: %s", err, out)
	}
	letters, err := os.ReadFile(filepath.Join(dir, ".headrace", "dead_letters", "p.out.ndjson"))
	if err != nil || len(letters) > 100_000 || !strings.Contains(string(letters), fmt.Sprintf("in.ndjson:2: longer than max_record_bytes (%d)", formats.DefaultConfig().MaxRecordBytes)) {
		t.Errorf("%d bytes of letters, %v", len(letters), err)
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		if peak := usage.Maxrss << 10; peak > bound {
			t.Errorf("it took %d MiB", peak>>20)
		} else {
			t.Logf("it took %d MiB", peak>>20)
		}
	}
}
