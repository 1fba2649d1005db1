package produce

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// load fills a batch as if body had been read.
func load(h *Handler, body []byte) *batch {
	b := h.pool.get()
	b.buf = append(b.buf, body...)
	b.decodeFrom(b.buf)
	return b
}

// FuzzV2 compares the decoder with encoding/json: both take the same bodies
// for valid JSON, and the values are the compact forms.
func FuzzV2(f *testing.F) {
	for _, s := range []string{`{"records":[{"key":"a","value":{"a": [1 ,"\" x"]},"partition":3}]}`, `{"records":[{"value":"YQ=="}],"key_schema_id":1}`,
		`{"records":null}`, `{}`, `null`, `[`, `{"records":[{}],"records":[{"value":1},{}]}`, "{\"records\":[{\"value\":\"\xff\"}]}"} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	h := New(Config{})
	f.Fuzz(func(t *testing.T, body []byte, binary bool) {
		b := load(h, body)
		defer h.pool.put(b)
		req := requestV2{topic: "t", partition: connector.AnyPartition, max: 1000, format: formatJSON}
		if binary {
			req.format = formatBinary
		}
		err := b.decodeV2(&req)
		var own *wire.Error
		if err != nil {
			if !errors.As(err, &own) || own.Status/100 != 4 || len(own.Message) == 0 {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted %q, which is not JSON", body)
		}
		for i := range b.messages {
			if v := b.messages[i].Value; v != nil && !binary {
				var want bytes.Buffer
				if err := json.Compact(&want, v); err != nil || want.String() != string(v) {
					t.Fatalf("value %q of %q is not compact JSON: %v", v, body, err)
				}
			}
		}
	})
}

// FuzzV3 reads any bytes as a stream of records: it must end, with an element
// for each record and a 400 for what is broken.
func FuzzV3(f *testing.F) {
	for _, s := range []string{`{"value":{"type":"JSON","data":{"a":1}}}{}`, `{"key":{"type":"BINARY","data":"YQ=="},"headers":[{"name":"a","value":null}]}`,
		`{"timestamp":"2022-04-22T14:48:47.650Z","partition_id":1}`, `{"value":{"type":"AVRO","schema":"x","data":1}}`, `{"x":`, `[]`, `1`} {
		f.Add([]byte(s))
	}
	h := New(Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b := load(h, body)
		defer h.pool.put(b)
		c := &callV3{h: h, ctx: t.Context(), topic: "t", cluster: "c"}
		var rec recordV3
		c.fill(&rec, func(rec *recordV3) (*batch, error) { return b, b.decodeRecord(rec, false) }, func() bool { return true })
		for i := range b.entries {
			e := &b.entries[i]
			if (e.message < 0) == (e.failure.code == 0) {
				t.Fatalf("record %d of %q is neither sent nor refused", i, body)
			}
			if e.message < 0 {
				if out := c.appendElement(nil, b, i); !json.Valid(out) {
					t.Fatalf("element %q of %q is not JSON", out, body)
				}
			}
		}
		ended := len(b.entries) >= groupRecords || len(b.entries) > 0 && b.entries[len(b.entries)-1].failure.fatal
		if _, err := b.dec.ReadToken(); err == nil && !ended {
			t.Fatalf("stopped within %q", body)
		}
	})
}

// FuzzV3Batch reads any bytes as a batch: all of it or none is taken.
func FuzzV3Batch(f *testing.F) {
	f.Add([]byte(`{"entries":[{"id":"1","value":{"type":"STRING","data":"x"}},{"id":"2"}]}`))
	f.Add([]byte(`{"entries":[{"id":"1"},{"id":"1"}]}`))
	f.Add([]byte(`{"entries":null}`))
	h := New(Config{})
	f.Fuzz(func(t *testing.T, body []byte) {
		b := load(h, body)
		defer h.pool.put(b)
		c := &callV3{h: h, ctx: t.Context()}
		var own *wire.Error
		switch err := c.decodeBatch(b); {
		case err == nil && !json.Valid(body):
			t.Fatalf("accepted %q, which is not JSON", body)
		case err != nil && (!errors.As(err, &own) || own.Status/100 != 4):
			t.Fatalf("%q: %v", body, err)
		}
	})
}

func FuzzBase64(f *testing.F) {
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
			got, err := decodeBase64([]byte(`"` + enc.EncodeToString(data) + `"`))
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%q: %q %v", data, got, err)
			}
		}
	})
}
