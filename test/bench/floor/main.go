// Command floor is the smallest REST v2 JSON produce gateway that answers after
// the acknowledgement: bare net/http and a fast client, nothing checked. The
// bench measures the real gateway against it.
//
//	floor BROKER HOST:PORT
package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

type in struct {
	Records []struct {
		Key   json.RawMessage `json:"key"`
		Value json.RawMessage `json:"value"`
	} `json:"records"`
}

func main() {
	cl, err := kgo.NewClient(kgo.SeedBrokers(os.Args[1]), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err != nil {
		panic(err)
	}
	http.HandleFunc("POST /topics/{t}", func(w http.ResponseWriter, r *http.Request) {
		var q in
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		rs := make([]kgo.Record, len(q.Records))
		errs := make([]error, len(rs))
		var wg sync.WaitGroup
		wg.Add(len(rs))
		for i := range rs {
			rs[i] = kgo.Record{Topic: r.PathValue("t"), Key: q.Records[i].Key, Value: q.Records[i].Value}
			cl.Produce(r.Context(), &rs[i], func(_ *kgo.Record, err error) { errs[i] = err; wg.Done() })
		}
		wg.Wait()
		b := append(make([]byte, 0, 64+64*len(rs)), `{"offsets":[`...)
		for i := range rs {
			if errs[i] != nil {
				http.Error(w, errs[i].Error(), http.StatusInternalServerError)
				return
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, `{"partition":`...)
			b = strconv.AppendInt(b, int64(rs[i].Partition), 10)
			b = append(b, `,"offset":`...)
			b = strconv.AppendInt(b, rs[i].Offset, 10)
			b = append(b, `,"error_code":null,"error":null}`...)
		}
		b = append(b, `],"key_schema_id":null,"value_schema_id":null}`...)
		w.Header().Set("Content-Type", "application/vnd.kafka.v2+json")
		_, _ = w.Write(b)
	})
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	panic(http.ListenAndServe(os.Args[2], nil))
}
