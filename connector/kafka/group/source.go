package group

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/intake"
	"github.com/headrace/headrace/connector/kafka/broker"
	"github.com/headrace/headrace/connector/kafka/kafkaerr"
)

// Where a group starts that has no committed position.
const (
	OffsetEarliest = "earliest"
	OffsetLatest   = "latest"
)

// SourceConfig says what a source reads.
type SourceConfig struct {
	Group   string
	Topics  []string
	Pattern *regexp.Regexp // instead of Topics: all whose whole name it matches, also those that come later
	// Initial is where the group's first start is, OffsetEarliest or
	// OffsetLatest. Partitions that came later are read from their beginning.
	Initial   string
	BatchSize int // records a Publish, at most
	// Bounded ends the run where the topics ended when it began; without it Run
	// goes on until its context ends.
	Bounded     bool
	Uncommitted bool     // reads records of transactions that are open or were aborted, too
	InstanceID  string   // group.instance.id: the member keeps its partitions over a restart
	Strategies  []string // names of Strategies; none means all
	Log         *slog.Logger
}

// Limits of a source.
const (
	rebalanceWait    = 10 * time.Second // for acknowledgements before a partition is given away
	commitEvery      = time.Second
	readFailures     = 5  // in a row, without progress, end the run
	joinFailures     = 12 // in a row: half a minute
	firstFailureWait = 500 * time.Millisecond
	maxFailureWait   = 15 * time.Second
)

// NewSource returns a source that reads topics as a member of a consumer group.
// The position of every partition that it is given is stored before the first
// record of it is published, so that a run which reads nothing has a place too,
// and moves only up to the last record with nothing unacknowledged before it.
// A record that could not be delivered is read again, with growing pauses; when
// five attempts in a row bring no progress, Run returns the reason.
func NewSource(c broker.Cluster, cfg SourceConfig) *Source {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.BatchSize <= 0 {
		cfg.BatchSize = 100
	}
	return &Source{cluster: c, cfg: cfg, metrics: newCounters()}
}

// Source is the source that NewSource returns.
type Source struct {
	cluster broker.Cluster
	cfg     SourceConfig
	metrics *counters
}

// Collectors are the metrics of the source.
func (s *Source) Collectors() []prometheus.Collector { return s.metrics.collectors() }

// Run implements connector.Source.
func (s *Source) Run(ctx context.Context, _ connector.Start, out connector.Output) error {
	r := &run{cfg: s.cfg, metrics: s.metrics, conns: broker.New(s.cluster), out: out, done: make(chan struct{})}
	defer func() { _ = r.conns.Close() }() // nothing is under way on them
	err := r.run(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// run is one run of a source.
type run struct {
	cfg     SourceConfig
	metrics *counters
	conns   *broker.Conns
	group   Group
	out     connector.Output
	ends    map[broker.TP]int64 // of a bounded run; nil: it has none

	publish sync.Mutex // one Publish at a time, as from any other source

	mu      sync.Mutex
	member  *Member
	session *session        // of the current generation
	started map[string]bool // topics in which this run stored positions
	ended   bool
	err     error
	done    chan struct{} // closed when the run should end by itself
}

func (r *run) run(ctx context.Context) error {
	topics, err := r.look(ctx)
	if err != nil {
		return err
	}
	if r.cfg.Bounded {
		if err := r.bound(ctx, topics); err != nil {
			return err
		}
	}
	r.group = New(r.conns, r.cfg.Group, r.cfg.InstanceID)
	r.mu.Lock()
	r.member = Join(r.group, MemberConfig{Topics: r.topics, Strategies: r.cfg.Strategies,
		Assigned: r.assigned, Revoked: r.revoked, Failed: r.joinFailed, Log: r.cfg.Log})
	r.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-r.done:
	}
	r.finish()
	r.member.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// finish ends reading, and waits, while the member goes on beating, until what
// was published is acknowledged: whoever runs the source bounds that.
func (r *run) finish() {
	r.mu.Lock()
	s := r.session
	r.ended = true
	r.mu.Unlock()
	if s == nil {
		return
	}
	s.stop()
	r.out.Flush()
	s.drain(context.Background())
	if err := s.commit(context.Background()); err != nil && !rebalanced(err) {
		r.cfg.Log.Warn("the last positions were not stored; records come again", "group", r.cfg.Group, "error", err)
		r.end(&intake.StoreError{Err: err})
	}
}

// look finds the topics, and reports one that is not there.
func (r *run) look(ctx context.Context) ([]string, error) {
	topics, err := r.topics(ctx)
	if err != nil {
		return nil, err
	}
	client, err := r.conns.Client(ctx)
	if err != nil {
		return nil, err
	}
	for _, topic := range topics {
		if _, err := client.Partitions(topic); err != nil {
			return nil, connector.Errorf(connector.KindOf(kafkaerr.Classify(err)), "reading the topic %s: %w; create it, or check the name and the right to describe it", topic, err)
		}
	}
	if len(topics) == 0 && r.cfg.Bounded {
		r.cfg.Log.Warn("no topic matches the pattern", "pattern", r.cfg.Pattern.String())
	}
	return topics, nil
}

func (r *run) topics(ctx context.Context) ([]string, error) {
	if r.cfg.Pattern != nil {
		return Matching(ctx, r.conns, r.cfg.Pattern)
	}
	return slices.Compact(slices.Sorted(slices.Values(r.cfg.Topics))), nil
}

// bound asks where the partitions of the topics end now. Where only committed
// records are read, that is where the first open transaction begins.
func (r *run) bound(ctx context.Context, topics []string) error {
	client, err := r.conns.Client(ctx)
	if err != nil {
		return err
	}
	var tps []broker.TP
	for _, topic := range topics {
		partitions, err := client.Partitions(topic)
		if err != nil {
			return connector.Errorf(connector.KindOf(kafkaerr.Classify(err)), "reading the topic %s: %w", topic, err)
		}
		for _, p := range partitions {
			tps = append(tps, broker.TP{Topic: topic, Partition: p})
		}
	}
	r.ends, err = r.conns.OffsetsAt(ctx, tps, broker.Latest, !r.cfg.Uncommitted)
	return err
}

// end ends the run, with the first error it is told.
func (r *run) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = err
	}
	select {
	case <-r.done:
	default:
		close(r.done)
	}
}

// assigned is called by the member.
func (r *run) assigned(now Generation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return
	}
	r.session = newSession(r, now)
}

// revoked is called by the member. What was read is acknowledged and stored
// while the partitions are still its own, so that the next owner starts behind.
func (r *run) revoked(ctx context.Context, lost bool) {
	r.mu.Lock()
	s := r.session
	r.session = nil
	r.mu.Unlock()
	if s == nil {
		return
	}
	s.stop()
	wait, cancel := context.WithTimeout(context.Background(), rebalanceWait)
	defer cancel()
	s.drain(wait)
	if lost {
		return
	}
	if err := s.commit(ctx); err != nil && !rebalanced(err) {
		r.cfg.Log.Warn("positions were not stored before a rebalance; records come again", "group", r.cfg.Group, "error", err)
	}
}

// joinFailed is called by the member.
func (r *run) joinFailed(err error, inRow int) {
	kind := connector.KindOf(err)
	if errors.Is(err, ErrCannotJoin) || kind == connector.Unauthenticated || kind == connector.Denied || inRow >= joinFailures {
		r.end(connector.Errorf(kind, "reading as the group %s: %w", r.cfg.Group, err))
		return
	}
	r.cfg.Log.Warn("the consumer group was not joined; trying again", "group", r.cfg.Group, "attempt", inRow, "error", err)
}
