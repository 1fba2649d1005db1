package pipelines

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/exporter"
)

// stage are the keys of an exporter block that are about its records rather
// than its sink.
type stage struct {
	exporter.Batching `mapstructure:",squash"`
	DeadLetter        exporter.DeadLetter `mapstructure:"dead_letter" doc:"where records go that can never be delivered; default a file in the state folder"`
}

func defaultStage() stage { return stage{Batching: exporter.DefaultBatching()} }

// prepare places the file of the dead letters. cfg is the sink's configuration.
func (s *stage) prepare(p *block.Project, cfg any) []connector.Fault {
	s.DeadLetter.Path = p.Path(s.DeadLetter.Path)
	if _, ok := cfg.(block.TopicOpener); s.DeadLetter.Topic != "" && !ok {
		return []connector.Fault{{Path: "dead_letter", Message: "a topic needs a kafka exporter; write a path"}}
	}
	return nil
}

// letters opens the dead letters of a block, nil for none.
func (s *stage) letters(cfg any, stateDir string, env block.Env) (connector.Sink, error) {
	path := s.DeadLetter.Path
	if path == "" {
		path = filepath.Join(stateDir, "dead_letters", letterFile(env.Pipeline, env.Block))
	}
	return exporter.Letters(s.DeadLetter,
		func(topic string) (connector.Sink, error) { return cfg.(block.TopicOpener).OpenTopic(topic, env) },
		func() (connector.Sink, error) { return DeadLetterFile(path, env) })
}

// letterFile is the default name of the dead letters of a block. Two long names
// would be more than file systems take.
func letterFile(pipeline, block string) string {
	name := pipeline + "." + block
	if len(name) > 200 {
		sum := sha256.Sum256([]byte(name))
		name = fmt.Sprintf("%s-%x", name[:180], sum[:8])
	}
	return name + ".ndjson"
}
