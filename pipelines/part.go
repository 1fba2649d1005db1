package pipelines

import (
	"context"
	"sort"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/exporter"
	"github.com/headrace/headrace/connector/plugin"
)

// part is the inside of a block. settings is decoded into; prepare then fills
// in what the project gives and reports what decoding alone cannot see.
type part interface {
	settings() any
	prepare(p *Project) []connector.Fault
	warnings() []string
}

// loader, changer and writer are the parts of the three block types.
type (
	loader interface {
		part
		openSource(env plugin.Env) (connector.Source, error)
		// keepsPositions reports that the state keeps where the source is.
		keepsPositions() bool
	}
	changer interface {
		part
		transform(next connector.Publisher) connector.Publisher
	}
	writer interface {
		part
		openExporter(ctx context.Context, env plugin.Env) (*exporter.Exporter, error)
	}
)

// newPart returns an empty part for a connector of the block type.
func newPart(t BlockType, name string, node *config.Node) (part, *config.Problem) {
	table := builtin()[t]
	if build := table[name]; build != nil {
		return build(), nil
	}
	known := make([]string, 0, len(table))
	for k := range table {
		known = append(known, k)
	}
	sort.Strings(known)
	problem := node.Get("connector_type").Problem("unknown connector_type for a %s%s; there are %s",
		t, config.DidYouMean(name, known), strings.Join(known, ", "))
	return nil, &problem
}
