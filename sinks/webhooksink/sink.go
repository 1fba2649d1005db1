package webhooksink

import (
	"context"
	"hash/maphash"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/internal/egress"
)

// New returns the sink of a block, whose cfg must be valid. It does not try
// again: the exporter does, by cfg.Retry.
func New(cfg Config, env block.Env) (connector.Sink, error) {
	log := env.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	client, err := httpclient.New("the webhook of "+env.Block, cfg.client(), log)
	if err != nil {
		return nil, err
	}
	policy, _ := cfg.Callbacks.Policy() // faults are told where they stand
	client.DialWith(policy.DialContext)
	remove, err := block.Register(env.Registerer(env.Block), client.Collectors())
	if err != nil {
		return nil, err
	}
	s := &sink{cfg: cfg, client: client, policy: policy, remove: remove, seed: maphash.MakeSeed(), now: time.Now}
	s.http = &http.Client{Transport: client, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return s, nil
}

type sink struct {
	cfg    Config
	client *httpclient.Client
	policy *egress.Policy
	http   *http.Client
	remove func()
	seed   maphash.Seed
	now    func() time.Time

	mu     sync.Mutex
	closed bool
}

// Write implements connector.Sink. Records with one key are in one lane, and a
// lane ends with the first record that may be taken later: what follows is
// reported like it, so that nothing is overtaken when it is written again.
func (s *sink) Write(ctx context.Context, batch []*connector.Message, done func([]connector.Result)) {
	results := make([]connector.Result, len(batch))
	if s.isClosed() {
		fill(results, connector.Errorf(connector.Unavailable, "write to the webhook: it is closed"))
		done(results)
		return
	}
	var wg sync.WaitGroup
	for _, lane := range s.lanes(batch) {
		wg.Go(func() { s.send(ctx, batch, lane, results) })
	}
	wg.Wait()
	done(results)
}

func fill(results []connector.Result, err error) {
	for i := range results {
		results[i] = connector.Result{Offset: -1, Err: err}
	}
}

// lanes parts the places of a batch by key. Records without a key take turns.
func (s *sink) lanes(batch []*connector.Message) [][]int {
	n := min(s.cfg.Concurrency, len(batch))
	lanes := make([][]int, n)
	turn := 0
	for i, m := range batch {
		lane := turn % n
		if m.Key != nil {
			lane = int(maphash.Bytes(s.seed, m.Key) % uint64(n))
		} else {
			turn++
		}
		lanes[lane] = append(lanes[lane], i)
	}
	return lanes
}

// send sends the records of one lane, some to a request.
func (s *sink) send(ctx context.Context, batch []*connector.Message, lane []int, results []connector.Result) {
	for len(lane) > 0 {
		n := min(s.cfg.Batch, len(lane))
		err := s.request(ctx, batch, lane[:n], results)
		if err != nil {
			for _, place := range lane {
				results[place] = connector.Result{Offset: -1, Err: err}
			}
			return
		}
		lane = lane[n:]
	}
}

// Close implements connector.Sink.
func (s *sink) Close(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	s.remove()
	return s.client.Close()
}

func (s *sink) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}
