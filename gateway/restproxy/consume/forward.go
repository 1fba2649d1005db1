package consume

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Peers finds the servers that serve the same cluster: *reader.Roster is one.
type Peers interface {
	// Join makes this server known by its URL, once.
	Join(ctx context.Context, url string)
	// Members returns the URLs of all servers, this one's among them.
	Members(ctx context.Context) ([]string, error)
	// Close makes this server unknown again.
	Close()
}

// HopHeader marks a request that another server passed on. Such a request is
// answered here, whatever the answer is: nothing is passed on twice.
const HopHeader = "Headrace-Hop"

const (
	joinTimeout  = 2 * time.Second        // that creating a consumer waits to be known
	probeTimeout = 3 * time.Second        // of asking another server whether it has a consumer
	maxPeers     = 32                     // that are asked
	maxLookups   = 64                     // at the same time; more have to come again
	maxOwners    = 10_000                 // that are remembered
	dialTimeout  = 500 * time.Millisecond // servers are near; one that is gone must not hold up the others
)

// forwarder passes calls on to the server that has the consumer.
type forwarder struct {
	peers    Peers
	members  *Members
	arrivals *arrivals
	self     func() string
	client   *http.Client
	lookups  chan struct{}

	mu     sync.Mutex
	owners map[instanceKey]string
}

func newForwarder(peers Peers, members *Members, self func() string, secure *tls.Config) *forwarder {
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
		MaxIdleConnsPerHost: 32, MaxConnsPerHost: 1024, IdleConnTimeout: time.Minute, TLSClientConfig: secure,
		ResponseHeaderTimeout: maxTimeout + time.Minute, DisableCompression: true,
	}
	return &forwarder{peers: peers, members: members, arrivals: &arrivals{Members: members}, self: self, lookups: make(chan struct{}, maxLookups), owners: map[instanceKey]string{},
		client: &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (f *forwarder) close() {
	f.peers.Close()
	f.client.CloseIdleConnections()
}

// announce makes this server known before its first consumer is.
func (h *Handler) announce(ctx context.Context) {
	if h.forward == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, joinTimeout)
	defer cancel()
	h.forward.peers.Join(ctx, h.forward.members.entry(h.forward.self()))
}

// taken refuses a name that the client chose when another server has it.
func (h *Handler) taken(r *http.Request, key instanceKey) error {
	if h.forward == nil || isHop(r) {
		return nil
	}
	if owner, err := h.forward.owner(r, key); err == nil && owner != "" {
		return wire.Errorf(wire.CodeConsumerExists, "Consumer with specified consumer ID already exists in the specified consumer group.")
	}
	return nil // a list that cannot be had is no reason to refuse consumers
}

// elsewhere answers a call of a consumer that is not here.
func (h *Handler) elsewhere(w http.ResponseWriter, r *http.Request) {
	if h.forward == nil || isHop(r) {
		wire.WriteError(w, r, errNoInstance())
		return
	}
	key := instanceKey{r.PathValue("group"), r.PathValue("instance")}
	owner, err := h.forward.owner(r, key)
	if err != nil || owner == "" {
		wire.WriteError(w, r, errNoInstance())
		return
	}
	h.forward.pass(w, r, key, owner)
}

// owner returns the URL of the server that has the consumer, "" when none has.
func (f *forwarder) owner(r *http.Request, key instanceKey) (string, error) {
	f.mu.Lock()
	known := f.owners[key]
	f.mu.Unlock()
	if known != "" {
		return known, nil
	}
	select {
	case f.lookups <- struct{}{}:
		defer func() { <-f.lookups }()
	case <-r.Context().Done():
		return "", r.Context().Err()
	}
	others, err := f.others(r.Context())
	if err != nil || len(others) == 0 {
		return "", err
	}
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	answers := make(chan string, len(others))
	for _, other := range others {
		go func() { answers <- f.probe(ctx, key, other) }()
	}
	for range others {
		if owner := <-answers; owner != "" && known == "" {
			known = owner
			cancel() // the others need not answer any more
		}
	}
	if known != "" {
		f.mu.Lock()
		if len(f.owners) >= maxOwners {
			clear(f.owners)
		}
		f.owners[key] = known
		f.mu.Unlock()
	}
	return known, nil
}

// others are the other servers, at most maxPeers.
func (f *forwarder) others(ctx context.Context) ([]string, error) {
	members, err := f.peers.Members(ctx)
	if err != nil {
		return nil, err
	}
	var list []string
	self := f.self()
	for _, m := range members {
		at, ok := f.members.read(m, self)
		if !ok || at == self || len(list) == maxPeers {
			continue
		}
		list = append(list, at)
	}
	return list, nil
}

// forget makes the next call ask again who has the consumer.
func (f *forwarder) forget(key instanceKey) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.owners, key)
}

type hopKey struct{}

// isHop reports whether a member passed the request on.
func isHop(r *http.Request) bool { return r.Context().Value(hopKey{}) != nil }

// hop checks what says that a member passed it on, and proves the answer.
func (h *Handler) hop(next http.HandlerFunc) http.HandlerFunc {
	if h.forward == nil {
		return next
	}
	return func(w http.ResponseWriter, r *http.Request) {
		hop, proof, err := h.forward.arrivals.arrived(r, h.forward.self())
		if err != nil {
			wire.WriteError(w, r, err)
			return
		}
		if hop {
			w, r = &proven{ResponseWriter: w, proof: proof}, r.WithContext(context.WithValue(r.Context(), hopKey{}, true))
		}
		next(w, r)
	}
}
