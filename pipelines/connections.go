package pipelines

import (
	"reflect"
	"slices"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/kafka"
)

// Connection is a Kafka cluster that a project reaches, with what it is used
// for. Settings that are the same are one connection.
type Connection struct {
	Name     string   // of the cluster in the project file, or of the first block that names it
	UsedBy   []string // blocks, as pipeline/block
	Settings kafka.Settings
	Topics   []block.Topic // sorted; those that records name themselves are not known
}

// Connections lists every cluster of the project file and of the pipelines, in
// the order of the files.
func (p *Project) Connections() []Connection {
	var all []Connection
	for _, c := range p.Clusters {
		all = append(all, Connection{Name: c.Name, Settings: c.Settings})
	}
	uses(p, func(name string, s kafka.Settings, topics []block.Topic) {
		i := slices.IndexFunc(all, func(c Connection) bool { return reflect.DeepEqual(c.Settings, s) })
		if i < 0 {
			all = append(all, Connection{Name: name, Settings: s})
			i = len(all) - 1
		}
		all[i].UsedBy = append(all[i].UsedBy, name)
		for _, t := range topics {
			all[i].use(t)
		}
	})
	return all
}

// uses tells what the blocks declare with settings of the type, in the order of
// the files; name is pipeline/block.
func uses[S any](p *Project, tell func(name string, s S, topics []block.Topic)) {
	for _, d := range p.Pipelines {
		for _, b := range d.Blocks {
			for _, u := range b.part.uses() {
				if s, ok := u.Settings.(S); ok {
					tell(d.Name+"/"+b.Name, s, u.Topics)
				}
			}
		}
	}
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
	uses(p, func(name string, s httpclient.Settings, _ []block.Topic) {
		i := slices.IndexFunc(all, func(r RegistryUse) bool { return reflect.DeepEqual(r.Settings, s) })
		if i < 0 {
			all = append(all, RegistryUse{Name: "schema_registry of " + name, Settings: s})
			i = len(all) - 1
		}
		all[i].UsedBy = append(all[i].UsedBy, name)
	})
	return all
}

// use adds a topic, or what is done with one that is there already.
func (c *Connection) use(t block.Topic) {
	i, found := slices.BinarySearchFunc(c.Topics, t.Name, func(have block.Topic, name string) int {
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
