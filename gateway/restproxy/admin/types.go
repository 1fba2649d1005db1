package admin

import "github.com/headrace/headrace/gateway/restproxy/wire"

// Metadata is that of a single resource. ACLs have no resource name.
type Metadata struct {
	Self         wire.Link `json:"self" doc:"absolute link to this resource"`
	ResourceName string    `json:"resource_name,omitempty" doc:"the resource's name for authorization systems"`
}

// ListMetadata is that of a list. Lists are complete, so there is no next page.
type ListMetadata struct {
	Self wire.Link `json:"self" doc:"absolute link to this list"`
	Next *string   `json:"next" doc:"always null: lists are complete"`
}

// Link leads to a related resource.
type Link struct {
	Related wire.Link `json:"related" doc:"absolute link"`
}

// List is the envelope of every list; its kind is that of the items with List.
type List[T any] struct {
	Kind     string       `json:"kind"`
	Metadata ListMetadata `json:"metadata"`
	Data     []T          `json:"data"`
}

// Resource is what every single resource begins with.
type Resource struct {
	Kind     string   `json:"kind"`
	Metadata Metadata `json:"metadata"`
}

// Cluster is a KafkaCluster.
type Cluster struct {
	Resource
	ClusterID              string `json:"cluster_id"`
	Controller             *Link  `json:"controller"`
	ACLs                   Link   `json:"acls"`
	Brokers                Link   `json:"brokers"`
	BrokerConfigs          Link   `json:"broker_configs"`
	ConsumerGroups         Link   `json:"consumer_groups"`
	Topics                 Link   `json:"topics"`
	PartitionReassignments Link   `json:"partition_reassignments"`
}

// Broker is a KafkaBroker.
type Broker struct {
	Resource
	ClusterID         string  `json:"cluster_id"`
	BrokerID          int32   `json:"broker_id"`
	Host              *string `json:"host"`
	Port              *int32  `json:"port"`
	Rack              *string `json:"rack"`
	Configs           Link    `json:"configs"`
	PartitionReplicas Link    `json:"partition_replicas"`
}

// Topic is a KafkaTopic.
type Topic struct {
	Resource
	ClusterID              string   `json:"cluster_id"`
	TopicName              string   `json:"topic_name"`
	IsInternal             bool     `json:"is_internal"`
	ReplicationFactor      int      `json:"replication_factor"`
	PartitionsCount        int      `json:"partitions_count"`
	Partitions             Link     `json:"partitions"`
	Configs                Link     `json:"configs"`
	PartitionReassignments Link     `json:"partition_reassignments"`
	AuthorizedOperations   []string `json:"authorized_operations" doc:"what the caller may do with the topic; empty unless asked for"`
}

// Partition is a KafkaPartition.
type Partition struct {
	Resource
	ClusterID    string `json:"cluster_id"`
	TopicName    string `json:"topic_name"`
	PartitionID  int32  `json:"partition_id"`
	Leader       *Link  `json:"leader"`
	Replicas     Link   `json:"replicas"`
	Reassignment Link   `json:"reassignment"`
}

// PartitionOffsets is a KafkaPartitionWithOffsets.
type PartitionOffsets struct {
	Resource
	ClusterID      string `json:"cluster_id"`
	TopicName      string `json:"topic_name"`
	PartitionID    int32  `json:"partition_id"`
	EarliestOffset int64  `json:"earliest_offset"`
	LatestOffset   int64  `json:"latest_offset" doc:"the offset of the next record to be written"`
}

// Replica is a KafkaReplica.
type Replica struct {
	Resource
	ClusterID   string `json:"cluster_id"`
	TopicName   string `json:"topic_name"`
	PartitionID int32  `json:"partition_id"`
	BrokerID    int32  `json:"broker_id"`
	IsLeader    bool   `json:"is_leader"`
	IsInSync    bool   `json:"is_in_sync"`
	Broker      Link   `json:"broker"`
}

// Reassignment is a KafkaReassignment.
type Reassignment struct {
	Resource
	ClusterID        string  `json:"cluster_id"`
	TopicName        string  `json:"topic_name"`
	PartitionID      int32   `json:"partition_id"`
	AddingReplicas   []int32 `json:"adding_replicas"`
	RemovingReplicas []int32 `json:"removing_replicas"`
	Replicas         Link    `json:"replicas"`
}

// ConfigSynonym is a value that is, or would be, in effect in its turn.
type ConfigSynonym struct {
	Name   string  `json:"name"`
	Value  *string `json:"value"`
	Source string  `json:"source"`
}

// ConfigValue is what all configurations have.
type ConfigValue struct {
	Name        string          `json:"name"`
	Value       *string         `json:"value" doc:"null when it is sensitive or not set; numbers are strings"`
	IsDefault   bool            `json:"is_default"`
	IsReadOnly  bool            `json:"is_read_only"`
	IsSensitive bool            `json:"is_sensitive"`
	Source      string          `json:"source"`
	Synonyms    []ConfigSynonym `json:"synonyms" doc:"most specific first"`
}

// TopicConfig is a KafkaTopicConfig.
type TopicConfig struct {
	Resource
	ClusterID string `json:"cluster_id"`
	TopicName string `json:"topic_name"`
	ConfigValue
}

// BrokerConfig is a KafkaBrokerConfig.
type BrokerConfig struct {
	Resource
	ClusterID string `json:"cluster_id"`
	BrokerID  int32  `json:"broker_id"`
	ConfigValue
}

// ClusterConfig is a KafkaClusterConfig.
type ClusterConfig struct {
	Resource
	ClusterID  string `json:"cluster_id"`
	ConfigType string `json:"config_type"`
	ConfigValue
}

// ACL is a KafkaAcl.
type ACL struct {
	Resource
	ClusterID    string `json:"cluster_id"`
	ResourceType string `json:"resource_type"`
	ResourceName string `json:"resource_name"`
	PatternType  string `json:"pattern_type"`
	Principal    string `json:"principal"`
	Host         string `json:"host"`
	Operation    string `json:"operation"`
	Permission   string `json:"permission"`
}

// DeletedACLs is the answer to a deletion: no envelope.
type DeletedACLs struct {
	Data []ACL `json:"data"`
}

// ConsumerGroup is a KafkaConsumerGroup.
type ConsumerGroup struct {
	Resource
	ClusterID         string `json:"cluster_id"`
	ConsumerGroupID   string `json:"consumer_group_id"`
	IsSimple          bool   `json:"is_simple"`
	PartitionAssignor string `json:"partition_assignor"`
	State             string `json:"state" enum:"UNKNOWN,PREPARING_REBALANCE,COMPLETING_REBALANCE,ASSIGNING,RECONCILING,STABLE,DEAD,EMPTY"`
	Type              string `json:"type" enum:"UNKNOWN,CLASSIC,CONSUMER,SHARE"`
	IsMixed           bool   `json:"is_mixed_consumer_group"`
	Coordinator       Link   `json:"coordinator"`
	Consumers         Link   `json:"consumers"`
	LagSummary        Link   `json:"lag_summary"`
}

// Consumer is a KafkaConsumer.
type Consumer struct {
	Resource
	ClusterID       string  `json:"cluster_id"`
	ConsumerGroupID string  `json:"consumer_group_id"`
	ConsumerID      string  `json:"consumer_id"`
	InstanceID      *string `json:"instance_id"`
	ClientID        string  `json:"client_id"`
	Assignments     Link    `json:"assignments"`
}

// ConsumerAssignment is a KafkaConsumerAssignment.
type ConsumerAssignment struct {
	Resource
	ClusterID       string `json:"cluster_id"`
	ConsumerGroupID string `json:"consumer_group_id"`
	ConsumerID      string `json:"consumer_id"`
	TopicName       string `json:"topic_name"`
	PartitionID     int32  `json:"partition_id"`
	Partition       Link   `json:"partition"`
	Lag             Link   `json:"lag"`
}

// ConsumerLag is a KafkaConsumerLag.
type ConsumerLag struct {
	Resource
	ClusterID       string  `json:"cluster_id"`
	ConsumerGroupID string  `json:"consumer_group_id"`
	TopicName       string  `json:"topic_name"`
	PartitionID     int32   `json:"partition_id"`
	ConsumerID      string  `json:"consumer_id"`
	InstanceID      *string `json:"instance_id"`
	ClientID        string  `json:"client_id"`
	CurrentOffset   int64   `json:"current_offset"`
	LogEndOffset    int64   `json:"log_end_offset"`
	Lag             int64   `json:"lag"`
}

// LagSummary is a KafkaConsumerGroupLagSummary.
type LagSummary struct {
	Resource
	ClusterID         string  `json:"cluster_id"`
	ConsumerGroupID   string  `json:"consumer_group_id"`
	MaxLagConsumerID  string  `json:"max_lag_consumer_id"`
	MaxLagInstanceID  *string `json:"max_lag_instance_id"`
	MaxLagClientID    string  `json:"max_lag_client_id"`
	MaxLagTopicName   string  `json:"max_lag_topic_name"`
	MaxLagPartitionID int32   `json:"max_lag_partition_id"`
	MaxLag            int64   `json:"max_lag"`
	TotalLag          int64   `json:"total_lag"`
	MaxLagConsumer    Link    `json:"max_lag_consumer"`
	MaxLagPartition   Link    `json:"max_lag_partition"`
}
