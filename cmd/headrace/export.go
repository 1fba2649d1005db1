package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/pipelines"
)

// exportFlags are the flags of export: the shortest form of a pipeline.
type exportFlags struct {
	topic, block, format string
	bootstrap            []string
	batchSize            int
	compression          string
	partitioner          string
	delimiter            string
	types                []string
	nullValues, columns  string
	noHeader             bool
	key, time            string
	headers              []string
	drain                time.Duration
	given                func(flag string) bool // whether a flag was written
}

func (a *cli) exportCommand() *cobra.Command {
	var f exportFlags
	cmd := &cobra.Command{
		Use: "export", Short: "Send standard input to Kafka and say what became of it", Args: cobra.NoArgs,
		Long: "Export reads records from standard input, JSON lines unless --format says otherwise, and sends\n" +
			"them to Kafka. BLOCK.yaml is a Mage Kafka exporter block as it stands.\n\n" +
			"--key, --time and --header take the name of a field or column, or an expression over data, key\n" +
			"and metadata, such as data.customer.id.\n\n" +
			"Exit codes: 0 all delivered, 1 failed, 2 bad configuration, 3 finished, but some records went to\n" +
			"the dead letters.",
		Example: "  headrace export --topic orders --bootstrap-server localhost:9092 < orders.ndjson\n" +
			"  headrace export --topic orders --delimiter ';' --types qty=int,price=float --key id < orders.csv\n" +
			"  zcat flights.csv.gz | headrace export --config block.yaml --format csv",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := a.logger()
			if err != nil {
				return err
			}
			f.given = cmd.Flags().Changed
			p, problems := a.exportProject(f)
			if len(problems) > 0 {
				return exportProblems(problems)
			}
			for _, d := range p.Pipelines {
				for _, w := range d.Warnings {
					log.Warn(w)
				}
			}
			life := watchSignals(cmd.Context(), f.drain, log)
			defer life.End()
			return a.runOnce(life, p, log)
		},
	}
	f.add(cmd.Flags())
	return cmd
}

func (f *exportFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.topic, "topic", "", "topic to write to (default the block's)")
	flags.StringVar(&f.block, "config", "", "file with a Kafka exporter block in Mage's keys")
	flags.StringSliceVar(&f.bootstrap, "bootstrap-server", nil, "brokers, host:port (default the block's, or the project's)")
	flags.IntVar(&f.batchSize, "batch-size", 0, "records per batch (default the block's)")
	flags.StringVar(&f.compression, "compression", "", "compression of the batches: none, gzip, snappy, lz4 or zstd (default the block's)")
	flags.StringVar(&f.partitioner, "partitioner", "", "how records are placed: default, murmur2, sticky, round_robin, … (default the block's)")
	flags.StringVar(&f.format, "format", "", "form of the input: ndjson, csv or text (default ndjson; csv with a flag that only csv has)")
	flags.StringVar(&f.delimiter, "delimiter", "", `csv: one character between columns, \t for a tab (default comma)`)
	flags.StringSliceVar(&f.types, "types", nil, "csv: types of columns, NAME=string|int|float|bool|auto; auto alone is for all others")
	flags.StringVar(&f.nullValues, "null-values", "", "csv: texts that mean null, with commas between; an empty one is an empty cell")
	flags.StringVar(&f.columns, "columns", "", "csv: names of the columns, for input whose first row is no header")
	flags.BoolVar(&f.noHeader, "no-header", false, "csv: the first row is no header; needs --columns")
	flags.StringVar(&f.key, "key", "", "field, or expression, that makes the key")
	flags.StringVar(&f.time, "time", "", "field, or expression, that makes the time: ms, a date or RFC 3339")
	flags.StringArrayVar(&f.headers, "header", nil, "record header NAME=FIELD or NAME=EXPRESSION; may be given several times")
	drainFlag(flags, &f.drain, "longest time to deliver what was read after SIGTERM")
}

// exportProject makes the pipeline that the flags and the block mean.
func (a *cli) exportProject(f exportFlags) (*pipelines.Project, config.Problems) {
	e := pipelines.Export{BlockFile: f.block, Reader: f.reader(), Keys: f.keys()}
	var err error
	if e.Transform, err = f.transform(); err != nil {
		return nil, config.Problems{{Message: err.Error()}}
	}
	p, problems := pipelines.LoadExport(e, pipelines.Options{ProjectFile: a.projectFile, Resolver: a.resolver})
	app.KeepNames(p, a.resolver)
	return p, problems
}

// keys are those of the exporter block.
func (f *exportFlags) keys() map[string]string {
	keys := map[string]string{}
	for key, value := range map[string]string{"topic": f.topic, "bootstrap_server": strings.Join(f.bootstrap, ","), "compression_type": f.compression, "partitioner": f.partitioner} {
		if value != "" {
			keys[key] = value
		}
	}
	if f.given("batch-size") {
		keys["batch_size"] = strconv.Itoa(f.batchSize)
	}
	return keys
}

// csvFlags are those that only csv has.
var csvFlags = []string{"delimiter", "types", "null-values", "columns", "no-header"}

// reader are the keys of the source on standard input.
func (f *exportFlags) reader() map[string]any {
	keys := map[string]any{"format": "ndjson"}
	for _, flag := range csvFlags {
		if f.given(flag) {
			keys["format"] = "csv"
		}
	}
	if f.format != "" {
		keys["format"] = f.format
	}
	if f.given("delimiter") {
		keys["delimiter"] = strings.ReplaceAll(f.delimiter, `\t`, "\t")
	}
	if f.given("null-values") {
		keys["null_values"] = strings.Split(f.nullValues, ",")
	}
	if f.given("columns") {
		keys["columns"] = strings.Split(f.columns, ",")
	}
	if f.given("columns") || f.noHeader {
		keys["header"] = false
	}
	types := map[string]string{}
	for _, entry := range f.types {
		if name, kind, ok := strings.Cut(entry, "="); ok {
			types[name] = kind
		} else {
			keys["default_type"] = entry
		}
	}
	if len(types) > 0 {
		keys["types"] = types
	}
	return keys
}

// transform are the keys of the expression block; nil when none is needed.
func (f *exportFlags) transform() (map[string]any, error) {
	keys := map[string]any{}
	if f.key != "" {
		keys["key"] = expression(f.key)
	}
	if f.time != "" {
		keys["time"] = expression(f.time)
	}
	var headers []string
	for _, entry := range f.headers {
		name, from, ok := strings.Cut(entry, "=")
		if !ok || name == "" || from == "" {
			return nil, errors.New("--header: write NAME=FIELD or NAME=EXPRESSION, as in --header trace=data.trace_id")
		}
		headers = append(headers, strconv.Quote(name)+": "+expression(from))
	}
	if headers != nil {
		keys["headers"] = "{" + strings.Join(headers, ", ") + "}"
	}
	if len(keys) == 0 {
		return nil, nil
	}
	return keys, nil
}
