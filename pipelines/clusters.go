package pipelines

import (
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/kafka"
)

// Cluster is a named entry of the project file's clusters.
type Cluster struct {
	Name     string
	Settings kafka.Settings
}

// readClusters decodes the clusters section of the project file. One without
// any key is at embedded, where that is given.
func (p *Project) readClusters(clusters *config.Node, embedded []string) (problems config.Problems) {
	for _, name := range clusters.Keys() {
		node := clusters.Get(name)
		s := kafka.DefaultSettings()
		more := node.Named("cluster " + name).Decode(&s)
		if s.IsZero() {
			s.BootstrapServer = embedded
		}
		if len(more) == 0 && len(s.BootstrapServer) == 0 {
			more = append(more, node.Problem("cluster %s needs a bootstrap_server; name the brokers as host:port, or run with --embedded", name))
		}
		config.ResolvePaths(&s, p.Dir)
		for _, f := range s.CheckFiles() {
			more = append(more, keyProblem(node, f.Path, f.Message))
		}
		problems = append(problems, more...)
		p.Clusters = append(p.Clusters, Cluster{Name: name, Settings: s})
	}
	return problems
}
