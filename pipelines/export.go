package pipelines

import (
	"encoding/json"

	"github.com/headrace/headrace/connector/config"
)

// ExportName is the name of the pipeline of an ad-hoc export.
const ExportName = "export"

// LoadExport makes a project of one pipeline: a data_loader with the given
// keys, and the Kafka exporter block in the file, with overrides for some of
// its keys. Problems name the block's file.
func LoadExport(loader map[string]any, blockFile string, overrides map[string]string, o Options) (*Project, config.Problems) {
	if o.Resolver == nil {
		o.Resolver = config.NewResolver()
	}
	p, problems := Load([]string{}, Options{ProjectFile: o.ProjectFile, Resolver: o.Resolver, Bootstrap: o.Bootstrap, NoPipelines: true})
	block := []byte("{}")
	file := "the command line"
	if blockFile != "" {
		file = blockFile
		text, err := o.Resolver.ReadFile(blockFile)
		if err != nil {
			return p, append(problems, config.Problem{Position: config.Position{File: blockFile}, Message: pathError(err)})
		}
		block = text
	}
	exporter, more := config.Parse(file, block, o.Resolver)
	problems = append(problems, more...)
	if exporter == nil {
		return p, problems
	}
	for key, value := range map[string]string{"type": string(DataExporter), "connector_type": "kafka"} {
		if exporter.Get(key) == nil {
			exporter = exporter.With(key, value)
		}
	}
	for key, value := range overrides {
		exporter = exporter.With(key, value)
	}
	text, err := json.Marshal(loader)
	if err != nil {
		return p, append(problems, config.Problem{Message: err.Error()})
	}
	source, more := config.Parse("the command line", text, o.Resolver)
	problems = append(problems, more...)
	d := &Definition{Name: ExportName, File: file, Retry: DefaultRetry()}
	for _, node := range []*config.Node{source, exporter} {
		b, more := p.decodeBlock(d, node)
		problems = withoutEchoes(problems, more)
		if b != nil {
			d.Blocks = append(d.Blocks, b)
		}
	}
	if len(d.Blocks) == 2 {
		problems = append(problems, d.checkGraph()...)
	}
	p.Pipelines = []*Definition{d}
	return p, problems.Sort()
}
