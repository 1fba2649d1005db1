package produce

import (
	"net/http"

	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// The shapes of requests and answers, for the API's description. They are read
// and written without reflection; TestAnswersFollowTheDocument holds the two
// together.
type (
	// Record is one record of v3.
	Record struct {
		PartitionID *wire.Int `json:"partition_id,omitempty"`
		Headers     *[]Header `json:"headers,omitempty"`
		Key         *Data     `json:"key,omitempty"`
		Value       *Data     `json:"value,omitempty"`
		Timestamp   any       `json:"timestamp,omitempty" doc:"ISO-8601, or milliseconds since 1970; the server's time when absent"`
	}
	// Header is one header of a record.
	Header struct {
		Name  string  `json:"name"`
		Value *string `json:"value" doc:"base64"`
	}
	// Data is a key or value of v3.
	Data struct {
		Type     *string   `json:"type,omitempty" enum:"BINARY,JSON,STRING,AVRO,JSONSCHEMA,PROTOBUF"`
		Subject  *string   `json:"subject,omitempty"`
		Strategy *string   `json:"subject_name_strategy,omitempty" enum:"TOPIC_NAME,RECORD_NAME,TOPIC_RECORD_NAME"`
		ID       *wire.Int `json:"schema_id,omitempty"`
		Version  *wire.Int `json:"schema_version,omitempty"`
		Schema   *string   `json:"schema,omitempty"`
		Data     any       `json:"data,omitempty"`
	}
	// Element is the answer to one record of a v3 stream: a success, whose
	// error_code is 200, or an error with its message.
	Element struct {
		Code      int       `json:"error_code"`
		Message   *string   `json:"message,omitempty"`
		ClusterID *string   `json:"cluster_id,omitempty"`
		Topic     *string   `json:"topic_name,omitempty"`
		Partition *int32    `json:"partition_id,omitempty"`
		Offset    *int64    `json:"offset,omitempty"`
		Timestamp *string   `json:"timestamp,omitempty"`
		Key       *Produced `json:"key,omitempty"`
		Value     *Produced `json:"value,omitempty"`
	}
	// Produced says how a key or value was written.
	Produced struct {
		Type    string  `json:"type"`
		Subject *string `json:"subject,omitempty"`
		ID      *int    `json:"schema_id,omitempty"`
		Version *int    `json:"schema_version,omitempty"`
		Size    int     `json:"size"`
	}
	// BatchRequest is the body of records:batch.
	BatchRequest struct {
		Entries []BatchEntry `json:"entries"`
	}
	// BatchEntry is one record of a batch.
	BatchEntry struct {
		ID string `json:"id" doc:"1 to 80 of 0-9 a-z A-Z - _, unique in the batch"`
		Record
	}
	// BatchAnswer tells which records of a batch were written.
	BatchAnswer struct {
		Successes []BatchSuccess `json:"successes"`
		Failures  []BatchFailure `json:"failures"`
	}
	// BatchSuccess is a record that was written.
	BatchSuccess struct {
		ID        string    `json:"id"`
		ClusterID string    `json:"cluster_id"`
		Topic     string    `json:"topic_name"`
		Partition int32     `json:"partition_id"`
		Offset    int64     `json:"offset"`
		Timestamp *string   `json:"timestamp,omitempty"`
		Key       *Produced `json:"key,omitempty"`
		Value     *Produced `json:"value,omitempty"`
	}
	// BatchFailure is a record that was not.
	BatchFailure struct {
		ID      string `json:"id"`
		Code    int    `json:"error_code"`
		Message string `json:"message"`
	}
	// RecordsV2 is the body of a v2 produce.
	RecordsV2 struct {
		Records       []RecordV2 `json:"records"`
		KeySchema     *string    `json:"key_schema,omitempty"`
		KeySchemaID   *wire.Int  `json:"key_schema_id,omitempty"`
		ValueSchema   *string    `json:"value_schema,omitempty"`
		ValueSchemaID *wire.Int  `json:"value_schema_id,omitempty"`
	}
	// RecordV2 is one record of v2.
	RecordV2 struct {
		Key       any       `json:"key,omitempty" doc:"in the format of the Content-Type: base64, any JSON, …"`
		Value     any       `json:"value,omitempty"`
		Partition *wire.Int `json:"partition,omitempty"`
		Headers   *[]Header `json:"headers,omitempty" doc:"only where v2_metadata is set or asked for"`
		Timestamp any       `json:"timestamp,omitempty" doc:"only where v2_metadata is set or asked for"`
	}
	// OffsetsV2 is the answer of a v2 produce.
	OffsetsV2 struct {
		Offsets       []OffsetV2 `json:"offsets"`
		KeySchemaID   *int       `json:"key_schema_id"`
		ValueSchemaID *int       `json:"value_schema_id"`
	}
	// OffsetV2 is what became of one record of v2.
	OffsetV2 struct {
		Partition *int32  `json:"partition"`
		Offset    *int64  `json:"offset"`
		Code      *int    `json:"error_code"`
		Error     *string `json:"error"`
	}
)

// Routes is the table of the endpoints.
func (h *Handler) Routes() []route.Route {
	const records, tag, tagV2 = "/v3/clusters/{cluster_id}/topics/{topic_name}/records", "Records", "v2 records"
	stream := route.Route{
		Method: http.MethodPost, Path: records, ID: "produceRecord", Name: "api.v3.produce.produce-to-topic", Tag: tag, Summary: "Produce records",
		Request: &route.Body{Types: []string{wire.JSON}, Value: Record{},
			Doc: "one object for each record, any number of them one after another, at once or over time"},
		Responses: []route.Response{{Status: http.StatusOK, Value: Element{}, Doc: "one object for each record, in the order of the request"}},
		OwnTypes:  true, Handler: http.HandlerFunc(h.produceV3),
	}
	batch := route.Route{
		Method: http.MethodPost, Path: records + ":batch", ID: "produceRecordsBatch", Name: "api.v3.produce-batch.produce-to-topic", Tag: tag, Summary: "Produce a batch of records",
		Request:   &route.Body{Types: []string{wire.JSON}, Value: BatchRequest{}},
		Responses: []route.Response{{Status: http.StatusMultiStatus, Value: BatchAnswer{}, Doc: "which were written, and why the others were not"}},
		OwnTypes:  true, Handler: http.HandlerFunc(h.produceV3Batch),
	}
	body := &route.Body{Value: RecordsV2{}}
	for _, f := range formatsV2 {
		body.Types = append(body.Types, "application/vnd.kafka."+f+".v2+json")
	}
	if h.cfg.DefaultFormat != "" {
		body.Types = append(body.Types, wire.JSON)
		body.RawTypes = []string{textPlain, octets}
	}
	types := []string{wire.V2, wire.JSON}
	v2 := route.Route{
		Method: http.MethodPost, Path: "/topics/{topic}", ID: "produceV2", Name: "api.v2.produce-to-topic.create", Tag: tagV2, Summary: "Produce records to a topic",
		Params:  []route.Param{failedParam, metadataParam, keyParam},
		Request: body,
		Responses: []route.Response{
			{Status: http.StatusOK, Value: OffsetsV2{}, Types: types, Doc: "what became of each record"},
			{Status: http.StatusMultiStatus, Value: OffsetsV2{}, Types: types, Doc: "some records failed; only where asked for"},
			{Status: http.StatusUnauthorized, Value: OffsetsV2{}, Types: types, Doc: "Kafka refused the credentials"},
			{Status: http.StatusForbidden, Value: OffsetsV2{}, Types: types, Doc: "Kafka refused the rights"},
		},
		OwnTypes: true, Handler: http.HandlerFunc(h.produceV2),
	}
	one := v2
	one.Path, one.ID, one.Name, one.Summary = "/topics/{topic}/partitions/{partition}", "produceToPartitionV2", "api.v2.produce-to-partition.create", "Produce records to a partition"
	one.Params = append([]route.Param{{Name: "partition", In: "path", Type: int32(0), Required: true}}, v2.Params...)
	return []route.Route{stream, batch, v2, one}
}

// The switches of one request.
var (
	failedParam   = route.Param{Name: "failed_status", In: "query", Enum: []string{"200", "207"}, Doc: "207 answers so when records failed; the default is the server's"}
	metadataParam = route.Param{Name: "metadata", In: "query", Type: false, Doc: "headers and timestamps too; the default is the server's"}
	keyParam      = route.Param{Name: "key", In: "query", Doc: "the key of a record whose body is text or bytes"}
)
