package filesink_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/sinks/filesink"
)

// TestADiskThatIsFull writes over the largest file that the process may make,
// which the system answers as it answers a full disk: with a part of the text.
func TestADiskThatIsFull(t *testing.T) {
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := open(t, filesink.Config{Path: "out.txt", Format: "value"}, dir)
	write(t, s, "1", "2")
	limit := before
	limit.Cur = 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	errs := write(t, s, "3333", "4444")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	for _, err := range errs {
		if connector.KindOf(err) != connector.Unavailable {
			t.Errorf("%v", err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "out.txt.partial")); err != nil || string(text) != "1\n2\n" {
		t.Errorf("%q, %v; the part of the batch is taken back", text, err)
	}
	if errs := write(t, s, "5"); errs[0] != nil {
		t.Errorf("with room again: %v", errs[0])
	}
	if err := s.Close(t.Context()); err == nil || !strings.Contains(err.Error(), "is not complete and stays out.txt.partial") {
		t.Errorf("close: %v", err)
	}
}
