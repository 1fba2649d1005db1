package transform_test

import (
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/pipelines/transform"
)

// Expressions see where Kafka had a record, and nil for what another source read.
func TestWhereARecordWasRead(t *testing.T) {
	tr, faults := transform.New(transform.Config{
		Filter: `source.partition == nil || source.partition == 3`,
		Key:    `source.topic ?? "none"`,
		Data:   `{o: source.offset, t: source.timestamp, d: data}`,
	})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	for _, tc := range []struct {
		read       *connector.Read
		keep       bool
		key, value string
	}{
		{&connector.Read{Topic: "orders", Partition: 3, Offset: 7, Time: time.UnixMilli(1700000000123)}, true, "orders", `{"d":1,"o":7,"t":1700000000123}`},
		{&connector.Read{Topic: "orders", Partition: 4}, false, "", ""},
		{nil, true, "none", `{"d":1,"o":null,"t":null}`},
	} {
		m := &connector.Message{Partition: connector.AnyPartition, Value: []byte("1"), Read: tc.read}
		keep, err := tr.Apply(m)
		if err != nil || keep != tc.keep || keep && (string(m.Key) != tc.key || string(m.Value) != tc.value) {
			t.Errorf("%+v: %t %s %s, %v", tc.read, keep, m.Key, m.Value, err)
		}
	}
}
