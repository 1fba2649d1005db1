package main

import (
	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy"
	"github.com/headrace/headrace/pipelines"
)

// httpSchema is that of the http section.
func httpSchema() map[string]any {
	schema := config.Schema(gateway.DefaultConfig(), "http")
	rest := config.Schema(restproxy.DefaultSettings(), "rest_proxy")
	delete(rest, "$schema")
	if properties, ok := schema["properties"].(map[string]any); ok {
		properties["rest_proxy"] = rest
	}
	return schema
}

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema [pipeline|project]", Short: "Print the JSON Schema of the file formats, for editors",
		Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"pipeline", "project"},
		RunE: func(_ *cobra.Command, args []string) error {
			schemas := map[string]any{
				"pipeline": pipelines.PipelineSchema(),
				"project":  pipelines.ProjectSchema(httpSchema()),
			}
			if len(args) == 1 {
				return writeJSON(a.stdout, schemas[args[0]])
			}
			return writeJSON(a.stdout, schemas)
		},
	}
}
