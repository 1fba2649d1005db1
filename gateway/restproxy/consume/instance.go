package consume

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

type instanceKey struct{ group, name string }

// instance is one consumer of a client.
type instance struct {
	key      instanceKey
	consumer *reader.Consumer
	format   string
	timeout  time.Duration
	minBytes int

	calls sync.Mutex // serialises everything but reads, which wait for each other by themselves

	mu    sync.Mutex
	busy  int // calls under way: it does not expire within one
	timer *time.Timer
	gone  bool
}

func (in *instance) close(ctx context.Context) {
	in.mu.Lock()
	in.gone = true
	in.timer.Stop()
	in.mu.Unlock()
	_ = in.consumer.Close(ctx) // what was not stored comes again; there is nobody to tell
}

// maxMinBytes is the largest fetch.min.bytes.
const maxMinBytes = 10_000_000

// maxTimeout bounds consumer.request.timeout.ms.
const maxTimeout = 10 * time.Minute

func (h *Handler) add(in *instance) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.closed:
		return wire.Errorf(http.StatusServiceUnavailable, "the server is stopping")
	case h.instances[in.key] != nil:
		return wire.Errorf(wire.CodeConsumerExists, "Consumer with specified consumer ID already exists in the specified consumer group.")
	case len(h.instances) >= h.cfg.MaxInstances:
		return wire.Errorf(http.StatusServiceUnavailable, "there are %d consumer instances already; delete some", len(h.instances))
	}
	in.timer = time.AfterFunc(h.cfg.InstanceTimeout, func() { h.expire(in) })
	h.instances[in.key] = in
	return nil
}

// expire closes an instance that had no call for too long.
func (h *Handler) expire(in *instance) {
	in.mu.Lock()
	if in.busy > 0 || in.gone {
		in.mu.Unlock()
		return // the end of the call starts the timer anew
	}
	in.gone = true
	in.mu.Unlock()
	if h.drop(in) {
		defer h.closing.Done()
		in.close(context.Background())
	}
}

// drop takes an instance off the list; true means that the caller closes it
// and then counts it as closed.
func (h *Handler) drop(in *instance) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.instances[in.key] != in {
		return false
	}
	delete(h.instances, in.key)
	h.closing.Add(1)
	return true
}

func errNoInstance() error {
	return wire.Errorf(wire.CodeConsumerNotFound, "Consumer instance not found.")
}

// call is what a method of an instance does; nil as its answer is a 204.
type call func(w http.ResponseWriter, r *http.Request, in *instance) (answer any, err error)

// answered is the answer of a call that wrote it by itself.
type answered struct{}

// with finds the instance, keeps it alive during the call and answers.
func (h *Handler) with(f call) http.HandlerFunc {
	return h.hop(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		in := h.instances[instanceKey{r.PathValue("group"), r.PathValue("instance")}]
		h.mu.Unlock()
		if in == nil || !in.enter() {
			h.elsewhere(w, r)
			return
		}
		answer, err := f(w, r, in)
		in.leave(h.cfg.InstanceTimeout)
		switch _, done := answer.(answered); {
		case err != nil:
			wire.WriteError(w, r, in.explain(err))
		case done:
		case answer == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			wire.WriteJSON(w, r, http.StatusOK, wire.V2, answer)
		}
	})
}

func (in *instance) enter() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.gone {
		return false
	}
	in.busy++
	return true
}

func (in *instance) leave(timeout time.Duration) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.busy--
	if !in.gone {
		in.timer.Reset(timeout)
	}
}

// explain turns the reader's errors into the proxy's.
func (in *instance) explain(err error) error {
	in.mu.Lock()
	gone := in.gone
	in.mu.Unlock()
	switch {
	case gone && errors.Is(err, reader.ErrNothingToRead):
		return errNoInstance() // it was deleted while the call was under way
	case errors.Is(err, reader.ErrCannotJoin) && connector.KindOf(err) != connector.Denied:
		return wire.Errorf(http.StatusConflict, "%s", err)
	case errors.Is(err, reader.ErrIllegalState):
		return wire.Errorf(wire.CodeIllegalState, "Illegal state: %s", strings.TrimPrefix(err.Error(), reader.ErrIllegalState.Error()+": "))
	case errors.Is(err, reader.ErrNothingToRead):
		return wire.Errorf(wire.CodeIllegalState, "Consumer is not subscribed to any topics or assigned any partitions")
	default:
		return err
	}
}

func (h *Handler) remove(_ http.ResponseWriter, r *http.Request, in *instance) (any, error) {
	if !h.drop(in) {
		return nil, errNoInstance()
	}
	defer h.closing.Done()
	in.close(context.WithoutCancel(r.Context()))
	return nil, nil
}

// negotiate checks the media types of a request that is answered as v2 JSON.
func negotiate(r *http.Request) error {
	mediaType, _, ok := route.ContentType(r)
	if !ok || mediaType != "" && !slices.Contains(stateTypes, mediaType) {
		return wire.UnsupportedMediaType(wire.V2, wire.JSON)
	}
	if _, ok := route.Accepts(r, stateTypes...); !ok {
		return wire.NotAcceptable(wire.V2, wire.JSON)
	}
	return nil
}
