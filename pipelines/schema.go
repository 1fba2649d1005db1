package pipelines

import (
	"sort"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/pipelines/schedule"
)

// PipelineSchema is the JSON Schema of a pipeline file, made from the same
// structs that decode it.
func PipelineSchema() map[string]any {
	var blocks []any
	table := builtin()
	for _, t := range []BlockType{DataLoader, Transformer, DataExporter} {
		names := make([]string, 0, len(table[t]))
		for name := range table[t] {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			blocks = append(blocks, blockSchema(t, name, table[t][name]()))
		}
	}
	schema := config.Schema(head{Retry: DefaultRetry()}, "Headrace pipeline")
	properties(schema)["schedule"] = map[string]any{"oneOf": []any{
		map[string]any{"type": "string", "description": "a cron expression"},
		config.Schema(schedule.DefaultConfig(), "schedule"),
	}}
	properties(schema)["blocks"] = map[string]any{"type": "array", "minItems": 2, "items": map[string]any{"oneOf": blocks}}
	schema["required"] = []string{"blocks"}
	return schema
}

// blockSchema is the schema of one connector's keys with those of every block.
func blockSchema(t BlockType, name string, p part) map[string]any {
	schema := config.Schema(p.settings(), string(t)+" "+name)
	for key, value := range properties(config.Schema(blockHead{}, "")) {
		properties(schema)[key] = value
	}
	properties(schema)["type"] = map[string]any{"const": string(t)}
	properties(schema)["connector_type"] = map[string]any{"const": name}
	required, _ := schema["required"].([]any)
	schema["required"] = append([]any{"type", "connector_type"}, required...)
	delete(schema, "$schema")
	return schema
}

// ProjectSchema is the JSON Schema of the project file; http is that of its
// http section.
func ProjectSchema(http map[string]any) map[string]any {
	schema := config.Schema(projectHead{State: DefaultStateConfig(), Registry: schema.DefaultSettings()}, "Headrace project")
	cluster := config.Schema(kafka.DefaultSettings(), "cluster")
	delete(cluster, "$schema")
	delete(http, "$schema")
	properties(schema)["clusters"] = map[string]any{"type": "object", "additionalProperties": cluster,
		"description": "Kafka clusters by name; the first is the default"}
	properties(schema)["http"] = http
	return schema
}

func properties(schema map[string]any) map[string]any {
	p, ok := schema["properties"].(map[string]any)
	if !ok {
		p = map[string]any{}
		schema["properties"] = p
	}
	return p
}
