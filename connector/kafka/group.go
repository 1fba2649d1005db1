package kafka

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/backoff"
)

// Where a group starts that has no committed position.
const (
	OffsetEarliest = "earliest"
	OffsetLatest   = "latest"
)

// GroupConfig says what a group source reads.
type GroupConfig struct {
	Group     string
	Topics    []string
	Initial   string        // OffsetEarliest or OffsetLatest
	BatchSize int           // records a Publish
	Linger    time.Duration // how long an incomplete batch waits
	// Bounded ends the run where the topics ended when it began; without it Run
	// goes on until its context ends.
	Bounded bool
	Log     *slog.Logger
}

// Limits of a group source.
const (
	rebalanceWait    = 10 * time.Second // for acknowledgements before a partition is given away
	commitEvery      = time.Second
	sessionFailures  = 5                     // in a row, without progress, end the run
	boundedWait      = 50 * time.Millisecond // the long poll of a run that ends
	firstSessionWait = 500 * time.Millisecond
	maxSessionWait   = 15 * time.Second
)

// NewGroupSource returns a source that reads topics as a member of a consumer
// group. The start of each partition is resolved once and committed before its
// first record is published; Initial counts for the group's first start only.
// Positions are committed only up to the last record with nothing
// unacknowledged before it. A record that could not be delivered is read
// again, with growing pauses; when five attempts in a row bring no progress,
// Run returns the reason. Only committed records of transactions are read.
func (c *Cluster) NewGroupSource(cfg GroupConfig) *GroupSource {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.BatchSize = positive(cfg.BatchSize, 100)
	return &GroupSource{cluster: c, cfg: cfg, metrics: newGroupMetrics()}
}

// GroupSource is the source that NewGroupSource returns.
type GroupSource struct {
	cluster *Cluster
	cfg     GroupConfig
	metrics *groupMetrics
}

// Collectors are the metrics of the source.
func (g *GroupSource) Collectors() []prometheus.Collector { return g.metrics.collectors() }

// Run implements connector.Source.
func (g *GroupSource) Run(ctx context.Context, _ connector.Start, out connector.Output) error {
	client, err := g.open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() { _ = client.Close() }()
	group, err := sarama.NewConsumerGroupFromClient(g.cfg.Group, client)
	if err != nil {
		return connector.Errorf(connector.KindOf(classify(err)), "joining the consumer group %s: %w", g.cfg.Group, err)
	}
	told := ctx
	ctx, finish := context.WithCancel(ctx)
	defer finish()
	h := &groupHandler{cfg: &g.cfg, run: ctx, out: out, client: client, start: &groupStart{cfg: &g.cfg, client: client, metrics: g.metrics}}
	if g.cfg.Bounded {
		if h.bounds, err = takeBounds(client, g.cfg.Topics, func() { out.Flush(); finish() }); err != nil {
			return errors.Join(err, group.Close())
		}
	}
	err = g.sessions(ctx, group, h)
	closeErr := group.Close()
	out.Flush()
	h.unacked.Wait() // what was published is acknowledged before Run returns
	if failed := h.takeFailure(); err == nil && told.Err() == nil {
		err = failed // of the last records of a bounded run, or nil
	}
	if err == nil && closeErr != nil && ctx.Err() == nil {
		err = connector.Errorf(connector.KindOf(classify(closeErr)), "leaving the consumer group %s: %w", g.cfg.Group, closeErr)
	}
	return err
}

// open makes a client of its own: a group's long polls must not stand before
// the produce requests of a shared connection.
func (g *GroupSource) open(ctx context.Context) (sarama.Client, error) {
	cfg, err := g.cluster.SaramaConfig()
	if err != nil {
		return nil, err
	}
	cfg.Metadata.AllowAutoTopicCreation = false
	cfg.Consumer.Return.Errors = false
	cfg.Consumer.IsolationLevel = sarama.ReadCommitted
	cfg.Consumer.Offsets.Initial = sarama.OffsetNewest
	if g.cfg.Initial == OffsetEarliest {
		cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	}
	cfg.Consumer.Offsets.AutoCommit.Enable = true // commits what is marked, and marks never pass a gap
	cfg.Consumer.Offsets.AutoCommit.Interval = commitEvery
	cfg.Consumer.Group.Rebalance.Retry.Max = 2
	cfg.Consumer.Group.Rebalance.Retry.Backoff = time.Second
	cfg.Consumer.MaxProcessingTime = time.Second // back-pressure is normal and no reason to pause a partition
	if g.cfg.Bounded {
		// A broker answers the requests of a connection one after another: whoever
		// asks what stands at the end of a partition waits for the long poll.
		cfg.Consumer.MaxWaitTime = boundedWait
	}
	client, err := g.cluster.openClient(ctx, cfg)
	if err != nil {
		return nil, err
	}
	for _, topic := range g.cfg.Topics {
		if _, err := client.Partitions(topic); err != nil {
			_ = client.Close()
			return nil, connector.Errorf(connector.KindOf(classify(err)), "reading the topic %s: %w; create it, or check the name and the right to describe it", topic, err)
		}
	}
	return client, nil
}

// sessions joins the group again and again: each rebalance, and each record
// that could not be delivered, ends a session.
func (g *GroupSource) sessions(ctx context.Context, group sarama.ConsumerGroup, h *groupHandler) error {
	failures := 0
	for ctx.Err() == nil {
		before := h.progress.Load()
		err := group.Consume(ctx, g.cfg.Topics, h)
		if ctx.Err() != nil || errors.Is(err, sarama.ErrClosedConsumerGroup) {
			return nil
		}
		if failed := h.takeFailure(); failed != nil {
			err = failed
		}
		if err == nil {
			failures = 0
			continue
		}
		if h.progress.Load() != before {
			failures = 0
		}
		failures++
		kind := connector.KindOf(classify(err))
		if failures >= sessionFailures || kind == connector.Unauthenticated || kind == connector.Denied {
			return connector.Errorf(kind, "reading %v as the group %s: %w", g.cfg.Topics, g.cfg.Group, err)
		}
		g.cfg.Log.Warn("the consumer group's session failed; joining again", "group", g.cfg.Group, "attempt", failures, "error", err)
		backoff.Sleep(ctx, backoff.Step(firstSessionWait, maxSessionWait, failures))
	}
	return nil
}

// groupHandler publishes what the claims bring.
type groupHandler struct {
	cfg *GroupConfig
	run context.Context // of Run: its end stops reading, not the wait for acks
	out connector.Output

	client   sarama.Client
	start    *groupStart
	bounds   *bounds    // nil: Run goes on until it is told to stop
	publish  sync.Mutex // one Publish at a time, as from any other source
	unacked  sync.WaitGroup
	progress counter

	mu      sync.Mutex
	failure error
}

// Setup implements sarama.ConsumerGroupHandler.
func (h *groupHandler) Setup(s sarama.ConsumerGroupSession) error {
	if err := h.start.begin(s.Context(), s); err != nil {
		return err
	}
	h.bounds.begin(s.Claims())
	return nil
}

// Cleanup implements sarama.ConsumerGroupHandler.
func (h *groupHandler) Cleanup(sarama.ConsumerGroupSession) error { return nil }

// ConsumeClaim implements sarama.ConsumerGroupHandler: it reads one partition
// until it is taken away, Run ends or a record fails.
func (h *groupHandler) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	c := &claimReader{h: h, session: s, claim: claim, failed: make(chan struct{}), drained: make(chan struct{}, 1)}
	c.end, c.atEnd = h.bounds.end(claim)
	c.at = claim.InitialOffset()
	err := c.read()
	c.drain()
	return err
}

func (h *groupHandler) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failure == nil {
		h.failure = err
	}
}

func (h *groupHandler) takeFailure() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.failure
	h.failure = nil
	return err
}
