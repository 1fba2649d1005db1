package pipelines

import (
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/sinks/filesink"
	"github.com/headrace/headrace/sinks/kafkasink"
	"github.com/headrace/headrace/sinks/stdoutsink"
	"github.com/headrace/headrace/sinks/webhooksink"
	"github.com/headrace/headrace/sources/execsource"
	"github.com/headrace/headrace/sources/filesource"
	"github.com/headrace/headrace/sources/kafkasource"
	"github.com/headrace/headrace/sources/mocksource"
	"github.com/headrace/headrace/sources/stdinsource"
)

// builtin lists every connector by block type and connector_type. It is the
// only place that names them.
func builtin() map[BlockType]map[string]func() part {
	return map[BlockType]map[string]func() part{
		DataLoader: {
			"file":  source(filesource.DefaultConfig, sure(filesource.New)),
			"stdin": source(stdinsource.DefaultConfig, sure(stdinsource.New)),
			"exec":  source(execsource.DefaultConfig, sure(execsource.New)),
			"mock":  source(mocksource.DefaultConfig, sure(mocksource.New)),
			"kafka": source(kafkasource.DefaultConfig, kafkasource.Open),
		},
		Transformer: {
			"expression": func() part { return &expression{} },
		},
		DataExporter: {
			"kafka":   sink(kafkasink.DefaultConfig, kafkasink.Open),
			"file":    sink(filesink.DefaultConfig, filesink.New),
			"stdout":  sink(stdoutsink.DefaultConfig, stdoutsink.New),
			"webhook": sink(webhooksink.DefaultConfig, webhooksink.New),
		},
	}
}

// DeadLetterFile opens the file that dead letters go to, of a pipeline or of
// HTTP; the path is complete.
func DeadLetterFile(path string, env block.Env) (connector.Sink, error) {
	cfg := filesink.DefaultConfig()
	cfg.Path, cfg.Append, cfg.Sync, cfg.Format = path, true, true, "json"
	env.Dir = ""
	return filesink.NewPrivate(cfg, env)
}
