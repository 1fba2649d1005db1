package admin

import (
	"context"
	"slices"
	"time"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// Identified is a cluster that can say its id.
type Identified interface {
	ID(ctx context.Context) (string, error)
	// KnownID is the id once it was asked for, "" before. It asks nobody.
	KnownID() string
}

// earlierWait is how long a cluster that has the id waits for those before it
// to say theirs, the first time: of several entries with the same id the first
// is served.
const earlierWait = time.Second

// ByID returns the first of the clusters that has the id. Clusters that do not
// know theirs are asked at once, and only while none of the others has it, so
// that a dead one does not hold up those that live. While one cannot say its
// id, an id that is unknown may be its own: then its error is returned, else
// that of an unknown cluster.
func ByID[C Identified](ctx context.Context, all []C, id string) (found C, err error) {
	for _, c := range all {
		if c.KnownID() == id {
			return c, nil
		}
	}
	type answer struct {
		at  int
		id  string
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan answer, len(all))
	for i, c := range all {
		go func() {
			known, err := c.ID(ctx)
			answers <- answer{i, known, err}
		}()
	}
	best, said := len(all), make([]bool, len(all))
	var enough <-chan time.Time
	for range all {
		select {
		case got := <-answers:
			said[got.at] = true
			switch {
			case got.err != nil:
				err = got.err
			case got.id == id && got.at < best:
				best = got.at
			}
		case <-enough:
			return all[best], nil
		}
		switch {
		case best == len(all):
		case !slices.Contains(said[:best], false):
			return all[best], nil
		case enough == nil:
			timer := time.NewTimer(earlierWait)
			defer timer.Stop()
			enough = timer.C
		}
	}
	if err == nil {
		err = wire.UnknownCluster(id)
	}
	return found, err
}
