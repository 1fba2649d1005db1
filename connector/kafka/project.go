package kafka

import (
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/config"
)

// errNoCluster is what is wrong with a block that names no cluster in a project
// that has none.
var errNoCluster = connector.Fault{Path: "bootstrap_server",
	Message: "is missing, and the project has no clusters; name the brokers here as host:port, or under clusters in headrace.yaml"}

// PrepareIn fills in the project's default cluster, which the project shares as
// Settings, where a block names none.
func (s *Settings) PrepareIn(p *block.Project) []connector.Fault {
	if len(s.Servers()) > 0 {
		config.ResolvePaths(s, p.Dir)
		return s.CheckFiles()
	}
	shared, ok := block.Shared[Settings](p)
	if !ok {
		return []connector.Fault{errNoCluster}
	}
	*s = s.In(shared)
	return nil
}
