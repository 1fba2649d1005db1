package pipelines

import (
	"fmt"
	"reflect"
	"slices"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector/kafka"
)

// Connection is a Kafka cluster that a project reaches, with what it is used
// for. Settings that are the same are one connection.
type Connection struct {
	Name     string   // of the cluster in the project file, or of the first block that names it
	UsedBy   []string // blocks, as pipeline/block
	Settings kafka.Settings
	Topics   []UsedTopic // sorted; those that records name themselves are not known
}

// UsedTopic is a topic and what blocks do with it.
type UsedTopic struct {
	Name        string
	Read, Write bool
}

// Connections lists every cluster of the project file and of the pipelines, in
// the order of the files.
func (p *Project) Connections() []Connection {
	var all []Connection
	for _, c := range p.Clusters {
		all = append(all, Connection{Name: c.Name, Settings: c.Settings})
	}
	for _, d := range p.Pipelines {
		for _, b := range d.Blocks {
			s, topics := usedBy(b.part)
			if s == nil {
				continue
			}
			name := fmt.Sprintf("%s/%s", d.Name, b.Name)
			i := slices.IndexFunc(all, func(c Connection) bool { return reflect.DeepEqual(c.Settings, *s) })
			if i < 0 {
				all = append(all, Connection{Name: name, Settings: *s})
				i = len(all) - 1
			}
			all[i].UsedBy = append(all[i].UsedBy, name)
			for _, t := range topics {
				all[i].use(t)
			}
		}
	}
	return all
}

// RegistryUse is a Schema Registry that a project reaches.
type RegistryUse struct {
	Name     string // schema_registry, or that of the first block that names it
	UsedBy   []string
	Settings httpclient.Settings
}

// Registries lists the Schema Registry of the project file and those that
// exporter blocks name themselves; the same settings are one.
func (p *Project) Registries() []RegistryUse {
	var all []RegistryUse
	if !p.Registry.IsZero() {
		all = append(all, RegistryUse{Name: "schema_registry", Settings: p.Registry.Settings})
	}
	for _, d := range p.Pipelines {
		for _, b := range d.Blocks {
			k, ok := b.part.(*kafkaExporter)
			if !ok || !k.cfg.Sink.Enabled() || k.cfg.Sink.Registry == nil {
				continue
			}
			name := fmt.Sprintf("%s/%s", d.Name, b.Name)
			s := k.cfg.Sink.Registry.Settings
			i := slices.IndexFunc(all, func(r RegistryUse) bool { return reflect.DeepEqual(r.Settings, s) })
			if i < 0 {
				all = append(all, RegistryUse{Name: "schema_registry of " + name, Settings: s})
				i = len(all) - 1
			}
			all[i].UsedBy = append(all[i].UsedBy, name)
		}
	}
	return all
}

// use adds a topic, or what is done with one that is there already.
func (c *Connection) use(t UsedTopic) {
	i, found := slices.BinarySearchFunc(c.Topics, t.Name, func(have UsedTopic, name string) int {
		switch {
		case have.Name < name:
			return -1
		case have.Name > name:
			return 1
		}
		return 0
	})
	if !found {
		c.Topics = slices.Insert(c.Topics, i, t)
		return
	}
	c.Topics[i].Read = c.Topics[i].Read || t.Read
	c.Topics[i].Write = c.Topics[i].Write || t.Write
}

// usedBy is the cluster of a block and the topics that it names; nil for a
// block that is not about Kafka.
func usedBy(made part) (*kafka.Settings, []UsedTopic) {
	var topics []UsedTopic
	switch b := made.(type) {
	case *kafkaExporter:
		topics = append(topics, UsedTopic{Name: b.cfg.Sink.Topic, Write: true})
		if dead := b.cfg.DeadLetter.Topic; dead != "" {
			topics = append(topics, UsedTopic{Name: dead, Write: true})
		}
		return &b.cfg.Sink.Settings, topics
	case *kafkaLoader:
		for _, name := range append([]string{b.cfg.Topic}, b.cfg.Topics...) {
			if name != "" {
				topics = append(topics, UsedTopic{Name: name, Read: true})
			}
		}
		return &b.cfg.Settings, topics
	}
	return nil, nil
}
