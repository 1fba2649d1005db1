package restproxy

import (
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
	"github.com/headrace/headrace/internal/backoff"
)

// maxTenants bounds the clusters that limits are kept for; ids come from paths
// and may be anything.
const maxTenants = 1000

// maxDebt bounds how long the permits are lent for that one call takes beyond
// a second's.
const maxDebt = time.Hour

// newBucket returns a bucket that holds the permits of one second and is full;
// nil without a rate.
func newBucket(perSecond float64) *rate.Limiter {
	if perSecond <= 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(perSecond), max(int(min(perSecond, math.MaxInt32)), 1))
}

// take takes n permits and returns how long the caller has to wait for them,
// or false when that is longer than patience: then none were taken. More
// permits than fit at once are lent: those who come later wait for them.
func take(b *rate.Limiter, now time.Time, n int, patience time.Duration) (time.Duration, bool) {
	if b == nil {
		return 0, true
	}
	r := b.ReserveN(now, min(n, b.Burst()))
	wait := r.DelayFrom(now)
	if wait > patience {
		r.CancelAt(now)
		return 0, false
	}
	for n -= b.Burst(); n > 0 && b.TokensAt(now) > -float64(b.Limit())*maxDebt.Seconds(); n -= b.Burst() {
		b.ReserveN(now, min(n, b.Burst()))
	}
	return wait, true
}

// tenants are the buckets of each cluster id.
type tenants struct {
	perSecond float64

	mu sync.Mutex
	by map[string]*rate.Limiter
}

func (t *tenants) of(id string) *rate.Limiter {
	if t.perSecond <= 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.by[id]
	if b == nil {
		if len(t.by) >= maxTenants {
			clear(t.by)
		}
		b = newBucket(t.perSecond)
		t.by[id] = b
	}
	return b
}

func newTenants(perSecond float64) *tenants {
	return &tenants{perSecond: perSecond, by: map[string]*rate.Limiter{}}
}

// limits are the request and record limits of one proxy.
type limits struct {
	requests   RequestLimit
	all        *rate.Limiter
	perCluster *tenants

	limitsRecords                    bool
	recordsAll, bytesAll             *rate.Limiter
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
	cost := l.cost(r.Name)
	if l.requests.PerSecond <= 0 && l.requests.PerCluster <= 0 || cost <= 0 {
		return r.Handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		patience := time.Duration(l.requests.Wait)
		for _, b := range []*rate.Limiter{l.all, l.perCluster.of(req.PathValue("cluster_id"))} {
			wait, ok := take(b, time.Now(), cost, patience)
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
			*rate.Limiter
			n int
		}{{l.recordsAll, 1}, {l.recordsOfCluster.of(cluster), 1}, {l.bytesAll, bytes}, {l.bytesOfCluster.of(cluster), bytes}} {
			if _, ok := take(b.Limiter, now, b.n, 0); !ok {
				return false
			}
		}
		return true
	}
}
