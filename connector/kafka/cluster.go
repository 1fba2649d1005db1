package kafka

import (
	"context"
	"log/slog"

	"github.com/IBM/sarama"
)

// Cluster is a lazily opened, shared connection to one Kafka cluster. It is
// safe for concurrent use.
type Cluster struct {
	name     string
	settings Settings
	log      *slog.Logger
}

// NewCluster checks the settings and prepares a Cluster; it needs no network.
func NewCluster(name string, s Settings, log *slog.Logger) (*Cluster, error) {
	return &Cluster{name: name, settings: s, log: log}, nil
}

// Name is the cluster's name in the project file.
func (c *Cluster) Name() string { return c.name }

// ID is Kafka's own id of the cluster, asked once and cached.
func (c *Cluster) ID(ctx context.Context) (string, error) { panic("skeleton") }

// Client returns the shared client, opening it if need be within ctx. A failed
// opening is not cached.
func (c *Cluster) Client(ctx context.Context) (sarama.Client, error) { panic("skeleton") }

// Admin returns the shared administrative client on top of Client.
func (c *Cluster) Admin(ctx context.Context) (sarama.ClusterAdmin, error) { panic("skeleton") }

// Close closes the clients. The Cluster must not be used afterwards.
func (c *Cluster) Close() error { return nil }
