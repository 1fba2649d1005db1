package app

import (
	"errors"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/doctor"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy/kafkarest"
	"github.com/headrace/headrace/pipelines"
)

// Targets are the connections that the keys of kafka-rest name.
func (cfg *HTTP) Targets() (out []doctor.Target) {
	if cfg.kafkaRest == nil {
		return nil
	}
	if c := cfg.kafkaRest.Cluster; c != nil {
		out = append(out, doctor.Target{Name: kafkarest.ClusterName, UsedBy: []string{"the HTTP API"}, Kafka: c})
	}
	if r := cfg.kafkaRest.Registry; r != nil {
		out = append(out, doctor.Target{Name: kafkarest.ClusterName + " schema registry", UsedBy: []string{"the HTTP API"}, HTTP: r})
	}
	return out
}

// withKafkaRest adds what kafka-rest.properties and the environment say to the
// http section of the project: their keys win, as they are given for this one
// run.
func (o *Options) withKafkaRest(cfg HTTP) (HTTP, config.Problems) {
	if o.KafkaRestFile == "" && !kafkarest.Present(o.Environ) {
		return cfg, nil
	}
	read, faults, err := kafkarest.Load(o.KafkaRestFile, o.Environ, kafkarest.Config{HTTP: cfg.Config, Rest: cfg.rest, Producer: cfg.delivery})
	if err != nil {
		return cfg, config.Problems{{Message: err.Error()}}
	}
	o.Resolver.Masker.Learn(read)
	at := config.Position{File: o.KafkaRestFile}
	if at.File == "" {
		at.File = kafkarest.EnvPrefix + "… in the environment"
	}
	if len(faults) == 0 {
		faults = read.CheckFiles()
	}
	var problems config.Problems
	for _, f := range faults {
		if at.Line, at.Column = read.Line(f.Path), 0; at.Line > 0 {
			at.Column = 1
		}
		problems = append(problems, config.Problem{Position: at, Message: f.Path + ": " + f.Message})
	}
	cfg.Config, cfg.rest, cfg.kafkaRest = read.HTTP, read.Rest, &read
	return cfg, problems
}

// clusters are those that are served over HTTP: the one that kafka-rest's
// bootstrap.servers names is the first, and so that of v2.
func (cfg *HTTP) clusters(p *pipelines.Project) ([]pipelines.Cluster, error) {
	if cfg.kafkaRest == nil || cfg.kafkaRest.Cluster == nil {
		return p.Clusters, nil
	}
	all := []pipelines.Cluster{{Name: kafkarest.ClusterName, Settings: *cfg.kafkaRest.Cluster}}
	for _, c := range p.Clusters {
		if c.Name == kafkarest.ClusterName {
			return nil, errors.New("the cluster " + c.Name + " of the project file and bootstrap.servers of kafka-rest are both there; rename the one or remove the other")
		}
		all = append(all, c)
	}
	return all, nil
}

// producer are the delivery settings of records that come over HTTP.
func (cfg *HTTP) producer(cluster string) kafka.ProducerSettings {
	if cluster == kafkarest.ClusterName && cfg.kafkaRest != nil {
		return cfg.kafkaRest.Producer
	}
	return cfg.delivery
}

// registry is the Schema Registry that is used over HTTP.
func (cfg *HTTP) registry(s schema.Settings) schema.Settings {
	if cfg.kafkaRest == nil || cfg.kafkaRest.Registry == nil {
		return s
	}
	named := schema.DefaultSettings()
	named.Settings = *cfg.kafkaRest.Registry
	return named
}
