package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/pipelines"
)

// exportFlags are the flags of export: the shortest form of a pipeline.
type exportFlags struct {
	topic, block, format string
	bootstrap            []string
	batchSize            int
	batched              bool // batchSize was given
	drain                time.Duration
}

func (a *app) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use: "export", Short: "Send standard input to Kafka and say what became of it", Args: cobra.NoArgs,
		Long: "Export reads records from standard input, JSON lines unless --format says otherwise, and sends\n" +
			"them to Kafka. BLOCK.yaml is a Mage Kafka exporter block as it stands.\n\n" +
			"Exit codes: 0 all delivered, 1 failed, 2 bad configuration, 3 finished, but some records went to\n" +
			"the dead letters.",
		Example: "  headrace export --topic orders --bootstrap-server localhost:9092 < orders.ndjson\n" +
			"  zcat flights.csv.gz | headrace export --config block.yaml --format csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := a.logger()
			if err != nil {
				return err
			}
			f.batched = cmd.Flags().Changed("batch-size")
			p, problems := a.exportProject(f)
			if len(problems) > 0 {
				return problems
			}
			warn(log, p)
			life := watchSignals(cmd.Context(), f.drain, log)
			defer life.End()
			return a.runOnce(life, p, log)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.topic, "topic", "", "topic to write to (default the block's)")
	flags.StringVar(&f.block, "config", "", "file with a Kafka exporter block in Mage's keys")
	flags.StringSliceVar(&f.bootstrap, "bootstrap-server", nil, "brokers, host:port (default the block's, or the project's)")
	flags.StringVar(&f.format, "format", "ndjson", "form of the input: ndjson, csv or text")
	flags.IntVar(&f.batchSize, "batch-size", 0, "records per batch (default the block's)")
	drainFlag(flags, &f.drain, "longest time to deliver what was read after SIGTERM")
	return cmd
}

// exportProject makes the pipeline that the flags and the block mean.
func (a *app) exportProject(f exportFlags) (*pipelines.Project, config.Problems) {
	o := pipelines.Options{ProjectFile: a.projectFile, Resolver: a.resolver}
	loader := map[string]any{"name": "stdin", "type": "data_loader", "connector_type": "stdin", "format": f.format}
	keys := map[string]string{}
	if f.topic != "" {
		keys["topic"] = f.topic
	}
	if len(f.bootstrap) > 0 {
		keys["bootstrap_server"] = strings.Join(f.bootstrap, ",")
	}
	if f.batched {
		keys["batch_size"] = strconv.Itoa(f.batchSize)
	}
	p, problems := pipelines.LoadExport(loader, f.block, keys, o)
	a.keepNames(p)
	return p, problems
}
