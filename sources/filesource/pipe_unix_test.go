//go:build unix

package filesource_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/sources/filesource"
)

// TestPipesAreNotOpened has a named pipe that nobody writes to: opening it
// would never return.
func TestPipesAreNotOpened(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config("pipe", nil)
	if got := cfg.CheckFiles(dir); len(got) != 1 || !strings.Contains(got[0].Message, "not pipes and devices; use stdin or exec") {
		t.Errorf("validate: %+v", got)
	}
	if err := run(t.Context(), filesource.New(cfg, block.Env{Dir: dir}), &collect{}, nil); connector.KindOf(err) != connector.Invalid {
		t.Errorf("run: %v", err)
	}
}
