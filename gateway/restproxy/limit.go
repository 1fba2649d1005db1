package restproxy

import (
	"net/http"
	"sync"
	"time"

	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
	"github.com/headrace/headrace/internal/backoff"
)

// maxTenants bounds the clusters that limits are kept for; ids come from paths
// and may be anything.
const maxTenants = 1000

// bucket holds the permits of up to one second.
type bucket struct {
	rate float64

	mu     sync.Mutex
	have   float64
	filled time.Time
}

// newBucket returns a full bucket, nil without a rate.
func newBucket(rate float64) *bucket {
	if rate <= 0 {
		return nil
	}
	return &bucket{rate: rate, have: rate}
}

// take takes n permits and returns how long the caller has to wait for them,
// or false when that is longer than patience: then none were taken. More
// permits than fit at once are lent.
func (b *bucket) take(now time.Time, n float64, patience time.Duration) (time.Duration, bool) {
	if b == nil {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.filled.IsZero() {
		b.have = min(b.have+now.Sub(b.filled).Seconds()*b.rate, b.rate)
	}
	b.filled = now
	if b.have <= 0 || b.have < min(n, b.rate) {
		wait := time.Duration((min(n, b.rate) - b.have) / b.rate * float64(time.Second))
		if wait > patience {
			return 0, false
		}
		b.have -= n
		return wait, true
	}
	b.have -= n
	return 0, true
}

// tenants are the buckets of each cluster id.
type tenants struct {
	rate float64

	mu sync.Mutex
	by map[string]*bucket
}

func (t *tenants) of(id string) *bucket {
	if t.rate <= 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.by[id]
	if b == nil {
		if len(t.by) >= maxTenants {
			clear(t.by)
		}
		b = newBucket(t.rate)
		t.by[id] = b
	}
	return b
}

func newTenants(rate float64) *tenants { return &tenants{rate: rate, by: map[string]*bucket{}} }

// limits are the request and record limits of one proxy.
type limits struct {
	requests   RequestLimit
	all        *bucket
	perCluster *tenants

	limitsRecords                    bool
	recordsAll, bytesAll             *bucket
	recordsOfCluster, bytesOfCluster *tenants
}

func newLimits(requests RequestLimit, records RecordLimit) *limits {
	return &limits{
		requests: requests, all: newBucket(requests.PerSecond), perCluster: newTenants(requests.PerCluster),
		limitsRecords: records != RecordLimit{},
		recordsAll:    newBucket(records.Global), bytesAll: newBucket(records.BytesGlobal),
		recordsOfCluster: newTenants(records.PerCluster), bytesOfCluster: newTenants(records.BytesPerCluster),
	}
}

// cost is what a call of an endpoint takes; the longest pattern counts.
func (l *limits) cost(name string) int {
	cost, longest := l.requests.DefaultCost, -1
	for pattern, n := range l.requests.Costs {
		if covers(pattern, name) && len(pattern) > longest {
			cost, longest = n, len(pattern)
		}
	}
	return cost
}

// guard lets a route's handler answer while there are permits.
func (l *limits) guard(r route.Route) http.Handler {
	cost := float64(l.cost(r.Name))
	if l.requests.PerSecond <= 0 && l.requests.PerCluster <= 0 || cost <= 0 {
		return r.Handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		patience := time.Duration(l.requests.Wait)
		for _, b := range []*bucket{l.all, l.perCluster.of(req.PathValue("cluster_id"))} {
			wait, ok := b.take(time.Now(), cost, patience)
			if !ok || wait > 0 && !backoff.Sleep(req.Context(), wait) {
				w.Header().Set("Retry-After", "1")
				wire.WriteError(w, req, wire.Errorf(http.StatusTooManyRequests, "Request rate limit exceeded: The rate limit of requests per second has been exceeded."))
				return
			}
			patience -= wait
		}
		r.Handler.ServeHTTP(w, req)
	})
}

// records is the limit of produced records; nil when there is none.
func (l *limits) records() func(cluster string, bytes int) bool {
	if !l.limitsRecords {
		return nil
	}
	return func(cluster string, bytes int) bool {
		now := time.Now()
		for _, b := range []struct {
			*bucket
			n float64
		}{{l.recordsAll, 1}, {l.recordsOfCluster.of(cluster), 1}, {l.bytesAll, float64(bytes)}, {l.bytesOfCluster.of(cluster), float64(bytes)}} {
			if _, ok := b.take(now, b.n, 0); !ok {
				return false
			}
		}
		return true
	}
}
