// Package kafkasource reads Kafka topics as a member of a consumer group. The
// group keeps the position: it moves only over records that the exporters have
// acknowledged.
package kafkasource

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/connector/kafka/group"
)

// Config are the keys of a Kafka data_loader: Mage's, and topics for several.
type Config struct {
	kafka.Settings  `mapstructure:",squash"`
	Topic           []string `mapstructure:"topic" doc:"topic to read, or a list of them"`
	Topics          []string `mapstructure:"topics" doc:"the same as a list under topic"`
	TopicsPattern   string   `mapstructure:"topics_pattern" doc:"regular expression: all topics whose whole name it matches are read, also those that come later, from their beginning"`
	ConsumerGroup   string   `mapstructure:"consumer_group" required:"true" doc:"consumer group that keeps the position"`
	AutoOffsetReset string   `mapstructure:"auto_offset_reset" enum:"earliest,latest" doc:"where a new group starts; default latest as in Mage"`
	IsolationLevel  string   `mapstructure:"isolation_level" enum:"read_committed,read_uncommitted" doc:"whether records of transactions that are open or were aborted are left out; default read_committed"`
	GroupInstanceID string   `mapstructure:"group_instance_id" doc:"makes the member a static one, which keeps its partitions over a restart; another for each process"`
	Strategy        string   `mapstructure:"partition_assignment_strategy" doc:"range, roundrobin, sticky, cooperative-sticky, or several with commas in the order of preference; default all"`
	BatchSize       int      `mapstructure:"batch_size" doc:"records per batch; default 100"`
	TimeoutMS       int      `mapstructure:"timeout_ms" doc:"kept from Mage: records do not wait for their batch to fill"`
}

// Mage's defaults.
const (
	defaultBatchSize = 100
	defaultTimeoutMS = 500
	maxBatchSize     = 100_000
)

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	return Config{Settings: kafka.DefaultSettings(), AutoOffsetReset: group.OffsetLatest, BatchSize: defaultBatchSize, TimeoutMS: defaultTimeoutMS}
}

// topicForm is Kafka's own rule for names of topics.
var topicForm = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// Validate reports values that cannot work. No connection key at all means the
// project's default cluster.
func (c *Config) Validate() []connector.Fault {
	var faults []connector.Fault
	add := func(path, message string) {
		faults = append(faults, connector.Fault{Path: path, Message: message})
	}
	if !c.Settings.IsZero() {
		faults = c.Settings.Validate()
	}
	switch {
	case len(c.topics()) == 0 && c.TopicsPattern == "":
		add("topic", "is missing; name the topic, a list of topics, or a topics_pattern")
	case len(c.Topic) > 0 && len(c.Topics) > 0:
		add("topics", "cannot be given together with topic; keep one of them")
	case len(c.topics()) > 0 && c.TopicsPattern != "":
		add("topics_pattern", "cannot be given together with topic; keep one of them")
	}
	if _, err := c.pattern(); err != nil {
		add("topics_pattern", "is not a regular expression (RE2 syntax); write it like orders-.*")
	}
	named := "topic"
	if len(c.Topics) > 0 {
		named = "topics"
	}
	for _, t := range c.topics() {
		if !topicForm.MatchString(t) || t == "." || t == ".." {
			add(named, "a topic's name is 1 to 249 letters, digits, dots, dashes and underscores")
		}
	}
	if c.ConsumerGroup == "" {
		add("consumer_group", "is missing; the group keeps the position of what was read")
	}
	if c.initial() == "" {
		add("auto_offset_reset", "must be earliest or latest")
	}
	if c.IsolationLevel != "" && c.IsolationLevel != "read_committed" && c.IsolationLevel != "read_uncommitted" {
		add("isolation_level", "must be read_committed or read_uncommitted")
	}
	if _, err := group.StrategyNames(c.Strategy); err != nil {
		add("partition_assignment_strategy", err.Error())
	}
	if c.BatchSize < 0 || c.BatchSize > maxBatchSize {
		add("batch_size", "must be between 1 and 100000 records")
	}
	if c.TimeoutMS < 0 || c.TimeoutMS > 600_000 {
		add("timeout_ms", "must be between 0 and 600000 ms")
	}
	return faults
}

func (c *Config) topics() []string {
	if len(c.Topics) > 0 {
		return c.Topics
	}
	return c.Topic
}

// pattern is nil without one. It is matched with whole names.
func (c *Config) pattern() (*regexp.Regexp, error) {
	if c.TopicsPattern == "" {
		return nil, nil
	}
	return regexp.Compile("^(?:" + c.TopicsPattern + ")$")
}

func (c *Config) initial() string {
	switch strings.ToLower(c.AutoOffsetReset) {
	case "earliest", "smallest":
		return group.OffsetEarliest
	case "", "latest", "largest":
		return group.OffsetLatest
	}
	return ""
}

// Prepare implements block.Preparer.
func (c *Config) Prepare(p *block.Project) []connector.Fault { return c.Settings.PrepareIn(p) }

// Uses implements block.User.
func (c *Config) Uses() []block.Use {
	use := block.Use{Settings: c.Settings}
	for _, name := range c.topics() {
		use.Topics = append(use.Topics, block.Topic{Name: name, Read: true})
	}
	return []block.Use{use}
}

// Open returns the source of a block, on a connection of its own, which is
// closed when Run returns.
func Open(cfg Config, env block.Env) (connector.Source, error) {
	cluster, err := kafka.NewCluster(env.Block, cfg.Settings, env.Log)
	if err != nil {
		return nil, err
	}
	cluster.OpenWithin(kafka.RunOpenTimeout)
	source, err := New(cluster, cfg, env)
	if err != nil {
		return nil, errors.Join(err, cluster.Close())
	}
	return connector.SourceFunc(func(ctx context.Context, from connector.Start, out connector.Output) error {
		remove, err := block.Register(env.Registerer(env.Block), append(cluster.Collectors(), source.Collectors()...))
		if err != nil {
			return errors.Join(err, cluster.Close())
		}
		defer remove()
		return errors.Join(source.Run(ctx, from, out), cluster.Close())
	}), nil
}

// New returns a source on the cluster, which stays the caller's to close. Keys,
// values, headers and times of the records are kept; topic and partition are
// not, so that the exporter's own rules decide where they go.
func New(cluster *kafka.Cluster, cfg Config, env block.Env) (*group.Source, error) {
	for _, f := range cfg.Validate() {
		return nil, connector.Errorf(connector.Invalid, "kafka data_loader: %s: %s", f.Path, f.Message)
	}
	strategies, err := group.StrategyNames(cfg.Strategy)
	if err != nil {
		return nil, err
	}
	pattern, err := cfg.pattern()
	if err != nil {
		return nil, err
	}
	return group.NewSource(cluster, group.SourceConfig{
		Pattern:     pattern,
		Uncommitted: cfg.IsolationLevel == "read_uncommitted", InstanceID: cfg.GroupInstanceID, Strategies: strategies,
		Group: cfg.ConsumerGroup, Topics: cfg.topics(), Initial: cfg.initial(),
		BatchSize: cfg.BatchSize,
		Bounded:   !env.Stream, Log: env.Log,
	}), nil
}
