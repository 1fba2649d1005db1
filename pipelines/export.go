package pipelines

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/headrace/headrace/connector/config"
)

// ExportName is the name of the pipeline of an ad-hoc export.
const ExportName = "export"

// CommandLine stands in place of a file's name for what flags said.
const CommandLine = "the command line"

// Export is the pipeline of the command export: standard input, expressions if
// there are any, and a Kafka exporter.
type Export struct {
	Reader    map[string]any    // keys of the source
	Transform map[string]any    // keys of the expression block; empty for none
	BlockFile string            // the exporter block; "" means that Keys are all
	Keys      map[string]string // of the exporter, over those of the file
}

// LoadExport makes the pipeline and reports every problem, those of the project
// file included.
func LoadExport(e Export, o Options) (*Project, config.Problems) {
	if o.Resolver == nil {
		o.Resolver = config.NewResolver()
	}
	p, problems := Load([]string{}, Options{ProjectFile: o.ProjectFile, Resolver: o.Resolver, Bootstrap: o.Bootstrap, NoPipelines: true})
	exporter, file, more := e.exporter(o.Resolver)
	problems = append(problems, more...)
	if exporter == nil {
		return p, problems
	}
	nodes := []*config.Node{}
	for _, block := range []map[string]any{e.Reader, e.Transform} {
		if len(block) == 0 {
			continue
		}
		block = maps.Clone(block)
		block["name"], block["type"], block["connector_type"] = "stdin", string(DataLoader), "stdin"
		if len(nodes) > 0 {
			block["name"], block["type"], block["connector_type"] = "expression", string(Transformer), "expression"
		}
		node, more := commandLine(block, o.Resolver)
		problems = append(problems, more...)
		nodes = append(nodes, node)
	}
	nodes = append(nodes, exporter)
	d := &Definition{Name: ExportName, File: file, Retry: DefaultRetry()}
	for _, node := range nodes {
		b, more := p.decodeBlock(d, node)
		problems = withoutEchoes(problems, more)
		if b != nil {
			d.Blocks = append(d.Blocks, b)
		}
	}
	if len(d.Blocks) == len(nodes) {
		problems = append(problems, d.checkGraph()...)
	}
	p.Pipelines = []*Definition{d}
	return p, problems.Sort()
}

// exporter is the exporter block, and where it stands; nil when it cannot be
// read.
func (e *Export) exporter(r *config.Resolver) (node *config.Node, file string, problems config.Problems) {
	block, file := []byte("{}"), CommandLine
	if e.BlockFile != "" {
		file = e.BlockFile
		text, err := r.ReadFile(file)
		if err != nil {
			return nil, file, config.Problems{{Position: config.Position{File: file}, Message: pathError(err)}}
		}
		block = text
	}
	node, problems = config.Parse(file, block, r)
	if node == nil {
		return nil, file, problems
	}
	for key, value := range map[string]string{"type": string(DataExporter), "connector_type": "kafka"} {
		if node.Get(key) == nil {
			node = node.With(key, value)
		}
	}
	for key, value := range e.Keys {
		node = node.With(key, value)
	}
	return node, file, problems
}

// commandLine is a block of flags. Flags are taken as they are: the shell has
// put in what comes from the environment.
func commandLine(block map[string]any, r *config.Resolver) (*config.Node, config.Problems) {
	text, err := json.Marshal(block)
	if err != nil {
		return nil, config.Problems{{Message: "the flags cannot be read"}}
	}
	return config.Parse(CommandLine, bytes.ReplaceAll(text, []byte("${"), []byte("$${")), r)
}
