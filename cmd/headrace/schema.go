package main

import (
	"github.com/spf13/cobra"

	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/pipelines"
)

func (a *cli) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use: "schema [pipeline|project]", Short: "Print the JSON Schema of the file formats, for editors",
		Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"pipeline", "project"},
		RunE: func(_ *cobra.Command, args []string) error {
			schemas := map[string]any{
				"pipeline": pipelines.PipelineSchema(),
				"project":  pipelines.ProjectSchema(app.HTTPSchema()),
			}
			if len(args) == 1 {
				return writeJSON(a.stdout, schemas[args[0]])
			}
			return writeJSON(a.stdout, schemas)
		},
	}
}
