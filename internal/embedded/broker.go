package embedded

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// BrokerConfig says what broker to start. The zero value is an open broker on
// a free port with its data in a temporary folder.
type BrokerConfig struct {
	// DataDir keeps topics, records and offsets over a restart. Empty means a
	// temporary folder that Close removes.
	DataDir string
	// Topics are made at the start, with their number of partitions. Topics
	// that clients ask for are made as well, with Partitions partitions.
	Topics     map[string]int32
	Partitions int // 0 means 6
	Port       int // on 127.0.0.1; 0 means a free one
	// RetentionBytes bounds each partition: beyond it the oldest records go.
	// 0 means 64 MiB.
	RetentionBytes int64
	// SASLPlain and SASLScram hold passwords by user name. If one of them or
	// OAuth is set, a connection must authenticate before anything else.
	SASLPlain map[string]string
	SASLScram map[string]string // SCRAM-SHA-256 and SCRAM-SHA-512
	OAuth     *OAuthCheck       // OAUTHBEARER
	// MaxSession ends a session after this time unless the client has
	// authenticated again (KIP-368), as connections.max.reauth.ms does. A
	// session by token ends with its token at the latest. 0 means no end.
	MaxSession time.Duration
	// TLS makes the listener speak TLS; it may ask for client certificates.
	TLS *tls.Config
}

const (
	defaultPartitions = 6
	defaultRetention  = 64 << 20
	retentionInterval = 5 * time.Second
)

// Broker is a running broker.
type Broker struct {
	cluster *kfake.Cluster
	gate    *gate
	addr    string
	tempDir string
	stop    context.CancelFunc
	tasks   sync.WaitGroup
	once    sync.Once
	closed  error
}

// StartBroker starts a broker and returns when it can be connected to.
func StartBroker(cfg BrokerConfig) (*Broker, error) {
	if cfg.RetentionBytes == 0 {
		cfg.RetentionBytes = defaultRetention
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = defaultPartitions
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("starting the embedded broker: %w", err)
	}
	b := new(Broker)
	if cfg.DataDir == "" {
		dir, err := os.MkdirTemp("", "headrace-kafka-")
		if err != nil {
			return nil, fmt.Errorf("making a folder for the embedded broker: %w", err)
		}
		cfg.DataDir, b.tempDir = dir, dir
	}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	b.gate = newGate(ctx, cfg)
	cluster, err := kfake.NewCluster(options(cfg, b.gate)...)
	if err != nil {
		stop()
		return nil, errors.Join(fmt.Errorf("starting the embedded broker: %w", err), b.removeTemp())
	}
	b.cluster, b.addr = cluster, cluster.ListenAddrs()[0]
	if err := b.createMissing(cfg.Topics); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	b.tasks.Go(func() { b.retain(ctx) })
	return b, nil
}

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (cfg BrokerConfig) check() error {
	switch {
	case cfg.Partitions < 0 || cfg.Partitions > 10_000:
		return fmt.Errorf("cannot make topics of %d partitions", cfg.Partitions)
	case cfg.RetentionBytes < 0:
		return fmt.Errorf("a retention of %d bytes is not possible", cfg.RetentionBytes)
	case cfg.Port < 0 || cfg.Port > 65535:
		return fmt.Errorf("port %d does not exist", cfg.Port)
	}
	for name, partitions := range cfg.Topics {
		if !topicName.MatchString(name) || name == "." || name == ".." || partitions < 1 || partitions > 10_000 {
			return fmt.Errorf("cannot make topic %q with %d partitions", name, partitions)
		}
	}
	if cfg.OAuth != nil {
		return cfg.OAuth.check()
	}
	return nil
}

func options(cfg BrokerConfig, g *gate) []kfake.Opt {
	// Whole segments are dropped, so that they have to be smaller than what is
	// kept.
	segment := min(max(cfg.RetentionBytes/4, 1<<20), 16<<20)
	return []kfake.Opt{
		kfake.NumBrokers(1),
		kfake.Ports(cfg.Port),
		kfake.ClusterID("headrace-embedded"),
		kfake.DataDir(cfg.DataDir),
		kfake.DefaultNumPartitions(cfg.Partitions),
		kfake.AllowAutoTopicCreation(),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			return g.listen(network, address, cfg.TLS)
		}),
		kfake.BrokerConfigs(map[string]string{
			"log.retention.bytes": strconv.FormatInt(cfg.RetentionBytes, 10),
			"log.segment.bytes":   strconv.FormatInt(segment, 10),
			// what AllowAutoTopicCreation does, told to those who ask
			"auto.create.topics.enable": "true",
		}),
	}
}

// createMissing makes the topics that a data folder does not have yet.
func (b *Broker) createMissing(topics map[string]int32) error {
	for name, partitions := range topics {
		if b.cluster.TopicInfo(name) != nil {
			continue
		}
		if err := b.cluster.CreateTopic(name, partitions, nil); err != nil {
			return fmt.Errorf("making topic %q of %d partitions: %w", name, partitions, err)
		}
	}
	return nil
}

// retain applies the retention. kfake does so by itself only for topics with a
// retention of their own.
func (b *Broker) retain(ctx context.Context) {
	tick := time.NewTicker(retentionInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			b.cluster.ApplyRetention()
		}
	}
}

// Addr returns the broker's host:port.
func (b *Broker) Addr() string { return b.addr }

// Cluster gives tests access to kfake's fault injection.
func (b *Broker) Cluster() *kfake.Cluster { return b.cluster }

// Logins returns how many authentications succeeded, those of sessions that
// authenticated again among them, and how many were refused.
func (b *Broker) Logins() (accepted, refused int64) {
	return b.gate.accepted.Load(), b.gate.refused.Load()
}

// Close writes the data folder, ends all connections, and removes the folder
// if it was a temporary one. It may be called again.
func (b *Broker) Close() error {
	b.once.Do(func() {
		b.stop()
		b.tasks.Wait()
		b.cluster.Close()
		b.gate.wait()
		b.closed = b.removeTemp()
	})
	return b.closed
}

func (b *Broker) removeTemp() error {
	if b.tempDir == "" {
		return nil
	}
	if err := os.RemoveAll(b.tempDir); err != nil {
		return fmt.Errorf("removing the folder of the embedded broker: %w", err)
	}
	return nil
}
