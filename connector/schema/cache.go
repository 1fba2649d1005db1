package schema

import (
	"container/list"
	"sync"
	"time"
)

// cache keeps what was used last, up to a number of entries and a sum of
// weights. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	maxEntries int
	maxWeight  int

	mu     sync.Mutex
	items  map[K]*list.Element
	order  *list.List // the newest in front
	weight int
}

type entry[K comparable, V any] struct {
	key    K
	value  V
	weight int
	until  time.Time // zero: always good
}

func newCache[K comparable, V any](maxEntries, maxWeight int) *cache[K, V] {
	return &cache[K, V]{maxEntries: maxEntries, maxWeight: maxWeight, items: map[K]*list.Element{}, order: list.New()}
}

// get returns what is kept under key. fresh is false when its time is over.
func (c *cache[K, V]) get(key K) (v V, fresh, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := c.items[key]
	if at == nil {
		return v, false, false
	}
	c.order.MoveToFront(at)
	e := at.Value.(*entry[K, V])
	return e.value, e.until.IsZero() || time.Now().Before(e.until), true
}

// put keeps v for ttl, or always when that is 0.
func (c *cache[K, V]) put(key K, v V, weight int, ttl time.Duration) {
	e := &entry[K, V]{key: key, value: v, weight: weight}
	if ttl > 0 {
		e.until = time.Now().Add(ttl)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if at := c.items[key]; at != nil {
		c.weight += weight - at.Value.(*entry[K, V]).weight
		at.Value = e
		c.order.MoveToFront(at)
	} else {
		c.items[key] = c.order.PushFront(e)
		c.weight += weight
	}
	for c.order.Len() > c.maxEntries || c.weight > c.maxWeight && c.order.Len() > 1 {
		last := c.order.Back()
		old := last.Value.(*entry[K, V])
		c.weight -= old.weight
		delete(c.items, old.key)
		c.order.Remove(last)
	}
}

func (c *cache[K, V]) len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len()
}
