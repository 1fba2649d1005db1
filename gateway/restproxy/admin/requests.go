package admin

import "github.com/headrace/headrace/gateway/restproxy/wire"

// CreateTopicRequest is the body of POST /topics.
type CreateTopicRequest struct {
	TopicName           *wire.Text            `json:"topic_name" required:"true"`
	PartitionsCount     *wire.Int             `json:"partitions_count,omitempty" doc:"default: the broker's num.partitions"`
	ReplicationFactor   *wire.Int             `json:"replication_factor,omitempty" doc:"default: the broker's default.replication.factor"`
	ReplicasAssignments map[string][]wire.Int `json:"replicas_assignments,omitempty" doc:"brokers by partition, the preferred leader first; wins over the counts"`
	Configs             []NameValue           `json:"configs,omitempty"`
	ValidateOnly        *bool                 `json:"validate_only,omitempty"`
}

// NameValue is a configuration to create a topic with.
type NameValue struct {
	Name  *wire.Text `json:"name" required:"true"`
	Value *wire.Text `json:"value"`
}

// UpdatePartitionsRequest is the body of PATCH /topics/{topic_name}.
type UpdatePartitionsRequest struct {
	PartitionsCount *wire.Int `json:"partitions_count" required:"true"`
}

// UpdateConfigRequest is the body of PUT …/configs/{name}.
type UpdateConfigRequest struct {
	Value *wire.Text `json:"value"`
}

// AlterEntry sets or resets one configuration.
type AlterEntry struct {
	Name      *wire.Text `json:"name" required:"true"`
	Value     *wire.Text `json:"value,omitempty"`
	Operation *string    `json:"operation,omitempty" enum:"SET,DELETE" doc:"default SET"`
}

// AlterConfigsRequest is the body of POST …/configs:alter.
type AlterConfigsRequest struct {
	Data         *[]AlterEntry `json:"data" required:"true"`
	ValidateOnly *bool         `json:"validate_only,omitempty"`
}

// AlterTopicEntry is one topic of AlterTopicsRequest.
type AlterTopicEntry struct {
	TopicName *wire.Text    `json:"topic_name" required:"true"`
	Configs   *[]AlterEntry `json:"configs" required:"true"`
}

// AlterTopicsRequest is the body of POST /topics/-/configs:alter.
type AlterTopicsRequest struct {
	Data         *[]AlterTopicEntry `json:"data" required:"true"`
	ValidateOnly *bool              `json:"validate_only,omitempty"`
}

// AlterTopicsFailures is the 207 answer to it: what Kafka refused.
type AlterTopicsFailures struct {
	Failures []AlterTopicFailure `json:"failures"`
}

// AlterTopicFailure is one topic that was not altered.
type AlterTopicFailure struct {
	TopicName string `json:"topic_name"`
	ErrorCode int    `json:"error_code"`
	Message   string `json:"message"`
}

// CreateACLRequest is the body of POST /acls and an item of POST /acls:batch.
type CreateACLRequest struct {
	ResourceType *string    `json:"resource_type" required:"true" enum:"TOPIC,GROUP,CLUSTER,TRANSACTIONAL_ID,DELEGATION_TOKEN"`
	ResourceName *wire.Text `json:"resource_name" required:"true"`
	PatternType  *string    `json:"pattern_type" required:"true" enum:"LITERAL,PREFIXED"`
	Principal    *wire.Text `json:"principal" required:"true"`
	Host         *wire.Text `json:"host" required:"true"`
	Operation    *string    `json:"operation" required:"true" enum:"ALL,READ,WRITE,CREATE,DELETE,ALTER,DESCRIBE,CLUSTER_ACTION,DESCRIBE_CONFIGS,ALTER_CONFIGS,IDEMPOTENT_WRITE"`
	Permission   *string    `json:"permission" required:"true" enum:"DENY,ALLOW"`
}

// CreateACLsRequest is the body of POST /acls:batch.
type CreateACLsRequest struct {
	Data *[]CreateACLRequest `json:"data" required:"true"`
}
