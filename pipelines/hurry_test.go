package pipelines_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/pipelines"
)

// When the input has ended, the last records do not wait for timeout_ms.
func TestTheLastBatchDoesNotWait(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "p.yaml")
	text := "blocks:\n" +
		"  - {type: data_loader, connector_type: mock, message_count: 3, message_interval: 0}\n" +
		"  - {type: data_exporter, connector_type: file, path: out.ndjson, batch_size: 1000, timeout_ms: 600000}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, problems := pipelines.Load([]string{file}, pipelines.Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var ledger connector.Ledger
	err := p.Pipelines[0].Run(ctx, pipelines.Env{Plugin: block.Env{Dir: dir}, Ledger: &ledger, Hard: ctx})
	if c := ledger.Counts(); err != nil || ctx.Err() != nil || c.Acknowledged != 3 {
		t.Errorf("%+v, %v, %v", c, err, ctx.Err())
	}
}
