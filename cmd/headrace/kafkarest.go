package main

import (
	"errors"
	"os"

	"github.com/spf13/pflag"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/doctor"
	"github.com/headrace/headrace/connector/schema"
	"github.com/headrace/headrace/gateway/restproxy/kafkarest"
	"github.com/headrace/headrace/pipelines"
)

// kafkaRestFlag is for commands that look at the keys of kafka-rest.
func (a *app) kafkaRestFlag(flags *pflag.FlagSet) {
	flags.StringVar(&a.kafkaRestFile, "kafka-rest-properties", "", "kafka-rest.properties of Confluent's REST Proxy; KAFKA_REST_… variables are read too, and win")
}

// kafkaRestTargets are the connections that kafka-rest's keys name.
func (cfg *httpSettings) kafkaRestTargets() (out []doctor.Target) {
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
func (a *app) withKafkaRest(cfg httpSettings) (httpSettings, config.Problems) {
	environ := os.Environ()
	if !a.takesKafkaRest || a.kafkaRestFile == "" && !kafkarest.Present(environ) {
		return cfg, nil
	}
	read, faults, err := kafkarest.Load(a.kafkaRestFile, environ, kafkarest.Config{HTTP: cfg.Config, Rest: cfg.rest, Producer: kafka.DefaultProducerSettings()})
	if err != nil {
		return cfg, config.Problems{{Message: err.Error()}}
	}
	a.resolver.Masker.Learn(read)
	at := config.Position{File: a.kafkaRestFile}
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
func (cfg *httpSettings) clusters(p *pipelines.Project) ([]pipelines.Cluster, error) {
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
func (cfg *httpSettings) producer(cluster string) kafka.ProducerSettings {
	if cluster == kafkarest.ClusterName && cfg.kafkaRest != nil {
		return cfg.kafkaRest.Producer
	}
	return kafka.DefaultProducerSettings()
}

// registry is the Schema Registry that is used over HTTP.
func (cfg *httpSettings) registry(s schema.Settings) schema.Settings {
	if cfg.kafkaRest == nil || cfg.kafkaRest.Registry == nil {
		return s
	}
	named := schema.DefaultSettings()
	named.Settings = *cfg.kafkaRest.Registry
	return named
}
