package consume

import (
	"net/http"
	"slices"

	"github.com/headrace/headrace/connector/kafka/reader"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

// The shapes of records, for the API's description. They are written without
// reflection; TestAnswersFollowTheDocument holds the two together.
type (
	// ConsumedRecord is a record as v2 returns it.
	ConsumedRecord struct {
		Topic     string          `json:"topic"`
		Key       any             `json:"key"`
		Value     any             `json:"value"`
		Partition int32           `json:"partition"`
		Offset    int64           `json:"offset"`
		Timestamp *int64          `json:"timestamp,omitempty" doc:"milliseconds since 1970; where metadata is asked for"`
		Headers   *[]RecordHeader `json:"headers,omitempty" doc:"where metadata is asked for"`
		Code      *int            `json:"error_code,omitempty" doc:"40801: key or value is not in the format and is an UnreadPart"`
		Error     *string         `json:"error,omitempty"`
	}
	// UnreadPart stands for a key or value that is not in the format.
	UnreadPart struct {
		Code    int    `json:"error_code" doc:"40801"`
		Message string `json:"message"`
		Raw     string `json:"raw" doc:"base64"`
	}
	// RecordHeader is one header of a record.
	RecordHeader struct {
		Name  string  `json:"name"`
		Value *string `json:"value" doc:"base64"`
	}
	// RecordList is the answer of a read without a consumer.
	RecordList struct {
		Kind     string       `json:"kind"`
		Metadata ReadMetadata `json:"metadata"`
		Data     []ReadRecord `json:"data"`
	}
	// ReadMetadata says where a read was and where the next one goes on.
	ReadMetadata struct {
		Self     string `json:"self"`
		Next     string `json:"next" doc:"goes on behind the last record"`
		Earliest int64  `json:"earliest_offset"`
		Latest   int64  `json:"latest_offset"`
	}
	// ReadRecord is a record as v3 returns it.
	ReadRecord struct {
		ClusterID string         `json:"cluster_id"`
		Topic     string         `json:"topic_name"`
		Partition int32          `json:"partition_id"`
		Offset    int64          `json:"offset"`
		Timestamp string         `json:"timestamp"`
		Headers   []RecordHeader `json:"headers"`
		Key       ReadData       `json:"key"`
		Value     ReadData       `json:"value"`
		Code      *int           `json:"error_code,omitempty" doc:"40801: key or value is not in the format and is an UnreadPart"`
		Error     *string        `json:"error,omitempty"`
	}
	// ReadData is a key or value as v3 returns it.
	ReadData struct {
		Type    string  `json:"type"`
		Data    any     `json:"data" doc:"null where it is not in the format"`
		Code    *int    `json:"error_code,omitempty" doc:"40801: it is not in the format"`
		Message *string `json:"message,omitempty"`
		Raw     *string `json:"raw,omitempty" doc:"base64 of what is not in the format"`
	}
)

// Routes is the table of the endpoints.
func (h *Handler) Routes() []route.Route {
	const group, tag = "/consumers/{group}", "v2 consumers"
	const one = group + "/instances/{instance}"
	entry := func(method, path, id, name, summary string, serve http.HandlerFunc, request, answer any) route.Route {
		r := route.Route{Method: method, Path: path, ID: id, Name: "api.v2.consumers." + name, Tag: tag, Summary: summary,
			OwnTypes: true, Handler: serve, Responses: []route.Response{{Status: http.StatusNoContent}}}
		if request != nil {
			r.Request = &route.Body{Types: stateTypes, Value: request}
		}
		if answer != nil {
			r.Responses = []route.Response{{Status: http.StatusOK, Value: answer, Types: []string{wire.V2}}}
		}
		return r
	}
	read := entry("GET", one+"/records", "readRecordsV2", "consume", "Read what comes next", h.with(h.records), nil, []ConsumedRecord{})
	read.Responses[0].Types = slices.Clone(embeddedTypes)
	read.Params = []route.Param{
		{Name: "timeout", In: "query", Type: int64(0), Doc: "milliseconds; can only shorten what the consumer waits"},
		{Name: "max_bytes", In: "query", Type: int64(0), Doc: "of keys and values; one record always passes"},
		{Name: "metadata", In: "query", Type: false, Doc: "headers and timestamps too"},
		{Name: "format", In: "query", Enum: readFormats, Doc: "what keys and values are read as by this request; default the consumer's own"},
		{Name: "key_format", In: "query", Enum: readFormats, Doc: "what keys are read as; default as values"},
	}
	create := entry("POST", group, "createConsumerV2", "create", "Make a consumer", h.create, ConsumerCreate{}, ConsumerInstance{})
	commit := entry("POST", one+"/offsets", "commitOffsetsV2", "commit-offsets", "Store positions; without a body those behind what was read", h.with(h.commit), TopicOffsets{}, []struct{}{})
	create.Request.Optional, commit.Request.Optional = true, true
	return []route.Route{
		create, read, commit,
		entry("DELETE", one, "deleteConsumerV2", "delete", "Close a consumer", h.with(h.remove), nil, nil),
		entry("POST", one+"/subscription", "subscribeV2", "subscribe", "Subscribe to topics", h.with(h.subscribe), SubscriptionRequest{}, nil),
		entry("GET", one+"/subscription", "getSubscriptionV2", "get-subscription", "Get the subscribed topics", h.with(h.subscription), nil, Subscription{}),
		entry("DELETE", one+"/subscription", "unsubscribeV2", "unsubscribe", "End the subscription", h.with(h.unsubscribe), nil, nil),
		entry("POST", one+"/assignments", "assignV2", "assign", "Choose partitions", h.with(h.assign), TopicPartitions{}, nil),
		entry("GET", one+"/assignments", "getAssignmentsV2", "get-assignments", "Get the assigned partitions", h.with(h.assignments), nil, TopicPartitions{}),
		entry("POST", one+"/positions", "seekV2", "seek-to-offset", "Go to offsets or times", h.with(h.seek), Positions{}, nil),
		entry("POST", one+"/positions/beginning", "seekToBeginningV2", "seek-to-beginning", "Go to the first records", h.with(h.seekTo(reader.Earliest)), TopicPartitions{}, nil),
		entry("POST", one+"/positions/end", "seekToEndV2", "seek-to-end", "Go behind the last records", h.with(h.seekTo(reader.Latest)), TopicPartitions{}, nil),
		entry("GET", one+"/offsets", "getCommittedV2", "get-committed-offsets", "Get stored positions", h.with(h.committed), TopicPartitions{}, TopicOffsets{}),
		{
			Method: "GET", Path: "/v3/clusters/{cluster_id}/topics/{topic_name}/partitions/{partition_id}/records", ID: "readKafkaRecords",
			Name: "api.v3.records.list", Tag: "Records", Summary: "Read records of a partition without a consumer",
			Params: []route.Param{
				{Name: "partition_id", In: "path", Type: int32(0), Required: true},
				{Name: "offset", In: "query", Doc: "a number, earliest or latest; the default is earliest"},
				{Name: "timestamp", In: "query", Doc: "ISO-8601, or milliseconds since 1970: the first record at or behind it"},
				{Name: "max_bytes", In: "query", Type: int64(0), Doc: "of keys and values; one record always passes"},
				{Name: "timeout", In: "query", Type: int64(0), Doc: "milliseconds to wait for the first record"},
				{Name: "format", In: "query", Enum: readFormats, Doc: "of keys and values, where the Accept header names none; the default is binary"},
				{Name: "key_format", In: "query", Enum: readFormats, Doc: "of keys; default as values"},
			},
			Responses: []route.Response{{Status: http.StatusOK, Value: RecordList{}, Types: []string{wire.JSON}}},
			OwnTypes:  true, Handler: http.HandlerFunc(h.read),
		},
	}
}
