package produce

import (
	"errors"
	"io"
	"net/http"

	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// maxEntryID is the longest id of a batch entry.
const maxEntryID = 80

func (h *Handler) produceV3Batch(w http.ResponseWriter, r *http.Request) {
	out, ok := h.acceptV3(w, r)
	if !ok {
		return
	}
	b := h.pool.get()
	err := b.read(r)
	if err != nil {
		err = bodyError(err)
	}
	c := &callV3{h: h, ctx: r.Context(), out: out, cluster: r.PathValue("cluster_id"), topic: r.PathValue("topic_name")}
	if err == nil {
		err = c.decodeBatch(b)
	}
	if err != nil {
		h.pool.put(b)
		wire.WriteError(w, r, err)
		return
	}
	b.publish(c.ctx, out)
	all := b.wait(c.ctx, h.cfg.AckTimeout)
	c.answerBatch(b)
	writeAnswer(w, http.StatusMultiStatus, &typeJSON, b.out)
	if all {
		h.pool.put(b)
	}
}

func batchError(message string) error { return wire.Errorf(wire.CodeBatch, "%s", message) }

// decodeBatch reads the body; an error refuses the whole batch, and nothing of
// it was published.
func (c *callV3) decodeBatch(b *batch) error {
	if blank(b.buf) {
		return batchError("Request body is empty. Data is required.")
	}
	if b.dec.PeekKind() != '{' {
		isNull := b.dec.PeekKind() == 'n'
		if err := b.token(); err != nil {
			return err
		}
		if isNull {
			return batchError("Request body is empty. Data is required.")
		}
		return badBody("the body must be a JSON object")
	}
	if err := b.token(); err != nil {
		return err
	}
	for b.dec.PeekKind() != '}' {
		name, err := b.dec.ReadValue()
		if err != nil {
			return syntax(err)
		}
		if string(name) != `"entries"` {
			return unrecognized(name)
		}
		if err := c.decodeEntries(b); err != nil {
			return err
		}
	}
	if err := b.token(); err != nil {
		return err
	}
	if _, err := b.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return badBody("there is more than one JSON value in the body")
	}
	if len(b.entries) == 0 {
		return batchError("Empty batch.")
	}
	return nil
}

func (c *callV3) decodeEntries(b *batch) error {
	if kind := b.dec.PeekKind(); kind != '[' {
		if err := b.token(); err != nil || kind == 'n' {
			return err
		}
		return badBody("entries must be an array")
	}
	if err := b.token(); err != nil {
		return err
	}
	var rec recordV3
	for b.dec.PeekKind() != ']' {
		if len(b.entries) == c.h.cfg.MaxBatchEntries {
			return batchError("Too many entries in batch.")
		}
		if err := b.decodeRecord(&rec, true); err != nil {
			return syntax(err)
		}
		if err := c.addEntry(b, &rec); err != nil {
			return err
		}
	}
	return b.token()
}

func (c *callV3) addEntry(b *batch, rec *recordV3) error {
	if rec.failure.fatal {
		return badBody("an entry must be a JSON object")
	}
	if rec.unrecognized != "" {
		return wire.Errorf(http.StatusUnprocessableEntity, "Unrecognized field: %s", rec.unrecognized)
	}
	if rec.id.Kind() != '"' || !validID(string(text(rec.id))) {
		return batchError("Batch entry identifier is not a valid string.")
	}
	id := string(text(rec.id))
	for i := range b.entries {
		if b.entries[i].id == id {
			return batchError("Batch entry IDs are not distinct.")
		}
	}
	c.add(b, rec)
	e := &b.entries[len(b.entries)-1]
	if e.failure.whole {
		return wire.Errorf(http.StatusBadRequest, "%s", e.failure.message)
	}
	e.id = id
	return nil
}

func validID(id string) bool {
	if id == "" || len(id) > maxEntryID {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}

// answerBatch writes both lists, in the order of the request.
func (c *callV3) answerBatch(b *batch) {
	o := append(b.out, `{"successes":[`...)
	first := true
	for i := range b.entries {
		e := &b.entries[i]
		if e.message < 0 {
			continue
		}
		r := b.result(e.message) // once: it may come while this is written
		if r.Err != nil {
			e.failure = failureOf(r.Err)
			continue
		}
		o = appendEntryID(o, e.id, &first)
		o = append(o, ',')
		o = append(c.appendSuccess(o, e, r), '}')
	}
	o = append(o, `],"failures":[`...)
	first = true
	for i := range b.entries {
		e := &b.entries[i]
		if e.failure.code == 0 {
			continue
		}
		o = appendEntryID(o, e.id, &first)
		o = append(o, ',')
		o = append(appendFailure(o, e.failure), '}')
	}
	b.out = append(o, "]}"...)
}

func appendEntryID(o []byte, id string, first *bool) []byte {
	if !*first {
		o = append(o, ',')
	}
	*first = false
	return wire.AppendText(append(o, `{"id":`...), id)
}
