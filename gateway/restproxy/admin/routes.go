package admin

import (
	"net/http"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
	"github.com/headrace/headrace/gateway/route"
)

const underCluster = "/v3/clusters/{cluster_id}"

// Routes is the table of the endpoints: section for section that of
// docs/rest-proxy.md.
func Routes(deps Deps) []route.Route {
	a := &api{deps}
	var routes []route.Route
	for _, part := range [][]route.Route{
		a.clusterRoutes(), a.aclRoutes(), a.configRoutes(), a.groupRoutes(), a.topicRoutes(), a.partitionRoutes(), a.v2Routes(),
	} {
		routes = append(routes, part...)
	}
	return routes
}

func (a *api) get(path, id, name, tag, summary string, serve func(*request) (reply, error), body any) route.Route {
	return route.Route{
		Method: http.MethodGet, Path: path, ID: id, Name: name, Tag: tag, Summary: summary, Params: numbers(path), Handler: a.v3(serve),
		Responses: []route.Response{{Status: http.StatusOK, Value: body}},
	}
}

// change is a method that takes a body, unless it is nil, and answers 204.
func (a *api) change(method, path, id, name, tag, summary string, serve func(*request) (reply, error), body any) route.Route {
	entry := route.Route{
		Method: method, Path: path, ID: id, Name: name, Tag: tag, Summary: summary, Params: numbers(path), Handler: a.v3(serve),
		Responses: []route.Response{{Status: http.StatusNoContent}},
	}
	if body != nil {
		entry.Request = &route.Body{Types: []string{wire.JSON}, Value: body}
	}
	return entry
}

// numbers are the parameters of a path that are integers.
func numbers(path string) []route.Param {
	var params []route.Param
	for _, name := range route.PathParams(path) {
		if name == "broker_id" || name == "partition_id" {
			params = append(params, route.Param{Name: name, In: "path", Type: int32(0), Required: true})
		}
	}
	return params
}

func (a *api) clusterRoutes() []route.Route {
	const c = underCluster
	return []route.Route{
		a.get("/v3/clusters", "listKafkaClusters", "api.v3.clusters.list", "Cluster", "List the clusters", a.clusters, List[Cluster]{}),
		a.get(c, "getKafkaCluster", "api.v3.clusters.get", "Cluster", "Get a cluster", a.cluster, Cluster{}),
		a.get(c+"/brokers", "listKafkaBrokers", "api.v3.brokers.list", "Broker", "List the brokers", a.brokers, List[Broker]{}),
		a.get(c+"/brokers/{broker_id}", "getKafkaBroker", "api.v3.brokers.get", "Broker", "Get a broker", a.broker, Broker{}),
		a.get(c+"/brokers/{broker_id}/partition-replicas", "searchReplicasByBroker", "api.v3.replicas.search", "Replica", "List a broker's replicas", a.brokerReplicas, List[Replica]{}),
	}
}

func (a *api) aclRoutes() []route.Route {
	const path, tag = underCluster + "/acls", "ACL"
	filter := func(required bool) []route.Param {
		return []route.Param{
			{Name: "resource_type", In: "query", Enum: admin.ACLResources(), Required: required},
			{Name: "resource_name", In: "query"},
			{Name: "pattern_type", In: "query", Enum: admin.ACLPatterns(), Required: required},
			{Name: "principal", In: "query"},
			{Name: "host", In: "query"},
			{Name: "operation", In: "query", Enum: admin.ACLOperations(), Required: required},
			{Name: "permission", In: "query", Enum: admin.ACLPermissions(), Required: required},
		}
	}
	search := a.get(path, "getKafkaAcls", "api.v3.acls.list", tag, "Search ACLs", a.searchACLs, List[ACL]{})
	search.Params = filter(false)
	create := a.change(http.MethodPost, path, "createKafkaAcls", "api.v3.acls.create", tag, "Create an ACL", a.createACL, CreateACLRequest{})
	create.Responses = []route.Response{{Status: http.StatusCreated}}
	remove := a.get(path, "deleteKafkaAcls", "api.v3.acls.delete", tag, "Delete ACLs", a.deleteACLs, DeletedACLs{})
	remove.Method, remove.Params = http.MethodDelete, filter(true)
	return []route.Route{
		search, create, remove,
		a.change(http.MethodPost, path+":batch", "batchCreateKafkaAcls", "api.v3.acls.batch-create", tag, "Create ACLs", a.createACLs, CreateACLsRequest{}),
	}
}

func (a *api) configRoutes() []route.Route {
	const tag = "Configs"
	var routes []route.Route
	for _, of := range []struct {
		path, name, id, what string
		owner                func(*request) (owner, error)
		list, item           any
	}{
		{underCluster + "/broker-configs", "api.v3.cluster-configs.", "KafkaClusterConfig", "the brokers' dynamic defaults", defaultsOwner, List[ClusterConfig]{}, ClusterConfig{}},
		{underCluster + "/brokers/{broker_id}/configs", "api.v3.broker-configs.", "KafkaBrokerConfig", "a broker's configuration", brokerOwner, List[BrokerConfig]{}, BrokerConfig{}},
		{underCluster + "/topics/{topic_name}/configs", "api.v3.topic-configs.", "KafkaTopicConfig", "a topic's configuration", topicOwner, List[TopicConfig]{}, TopicConfig{}},
	} {
		one := of.path + "/{name}"
		routes = append(routes,
			a.get(of.path, "list"+of.id+"s", of.name+"list", tag, "List "+of.what, configured(of.owner, listConfigs), of.list),
			a.change(http.MethodPost, of.path+":alter", "update"+of.id+"s", of.name+"alter", tag, "Alter several of "+of.what, configured(of.owner, alterConfigs), AlterConfigsRequest{}),
			a.get(one, "get"+of.id, of.name+"get", tag, "Get one of "+of.what, configured(of.owner, getConfig), of.item),
			a.change(http.MethodPut, one, "update"+of.id, of.name+"update", tag, "Set one of "+of.what, configured(of.owner, updateConfig), UpdateConfigRequest{}),
			a.change(http.MethodDelete, one, "delete"+of.id, of.name+"delete", tag, "Reset one of "+of.what, configured(of.owner, resetConfig), nil),
		)
	}
	alter := a.change(http.MethodPost, underCluster+"/topics/-/configs:alter", "updateKafkaTopicConfigBatchAll", "api.v3.topic-configs.alter-multi", tag,
		"Alter the configurations of several topics", a.alterTopics, AlterTopicsRequest{})
	alter.Responses = append(alter.Responses, route.Response{Status: http.StatusMultiStatus, Value: AlterTopicsFailures{}, Doc: "Kafka refused some"})
	return append(routes, alter,
		a.get(underCluster+"/brokers/-/configs", "listKafkaAllBrokersConfigs", "api.v3.brokers-configs.list", tag, "List the configurations of all brokers", a.allBrokerConfigs, List[BrokerConfig]{}),
		a.get(underCluster+"/topics/-/configs", "listKafkaAllTopicConfigs", "api.v3.topic-configs.list", tag, "List the configurations of all topics", a.allTopicConfigs, List[TopicConfig]{}),
	)
}

func (a *api) groupRoutes() []route.Route {
	const groups, tag = underCluster + "/consumer-groups", "Consumer Group"
	const group = groups + "/{consumer_group_id}"
	const consumer = group + "/consumers/{consumer_id}"
	const partition = "/{topic_name}/partitions/{partition_id}"
	return []route.Route{
		a.get(groups, "listKafkaConsumerGroups", "api.v3.consumer-groups.list", tag, "List the consumer groups", a.groups, List[ConsumerGroup]{}),
		a.get(group, "getKafkaConsumerGroup", "api.v3.consumer-groups.get", tag, "Get a consumer group", a.group, ConsumerGroup{}),
		a.change(http.MethodDelete, group, "deleteKafkaConsumerGroup", "api.v3.consumer-groups.delete", tag, "Delete an empty consumer group", a.deleteGroup, nil),
		a.get(group+"/consumers", "listKafkaConsumers", "api.v3.consumers.list", tag, "List a group's consumers", a.consumers, List[Consumer]{}),
		a.get(consumer, "getKafkaConsumer", "api.v3.consumers.get", tag, "Get a consumer", a.consumer, Consumer{}),
		a.get(consumer+"/assignments", "listKafkaConsumerAssignments", "api.v3.consumer-assignments.list", tag, "List a consumer's partitions", a.assignments, List[ConsumerAssignment]{}),
		a.get(consumer+"/assignments"+partition, "getKafkaConsumerAssignment", "api.v3.consumer-assignments.get", tag, "Get one of a consumer's partitions", a.assignment, ConsumerAssignment{}),
		a.get(group+"/lag-summary", "getKafkaConsumerGroupLagSummary", "api.v3.consumer-group-lag-summary.get", tag, "Get a group's greatest and total lag", a.lagSummary, LagSummary{}),
		a.get(group+"/lags", "listKafkaConsumerLags", "api.v3.consumer-lags.list", tag, "List a group's lags", a.lags, List[ConsumerLag]{}),
		a.get(group+"/lags"+partition, "getKafkaConsumerLag", "api.v3.consumer-lags.get", tag, "Get a group's lag on one partition", a.lag, ConsumerLag{}),
	}
}

func (a *api) topicRoutes() []route.Route {
	const topics, topic, tag = underCluster + "/topics", underCluster + "/topics/{topic_name}", "Topic"
	many := a.get(topics, "listKafkaTopics", "api.v3.topics.list", tag, "List the topics", a.topics, List[Topic]{})
	many.Params = append(many.Params, route.Param{Name: "includeAuthorizedOperations", In: "query", Type: false})
	one := a.get(topic, "getKafkaTopic", "api.v3.topics.get", tag, "Get a topic", a.topic, Topic{})
	one.Params = append(one.Params, route.Param{Name: "include_authorized_operations", In: "query", Type: false})
	create := a.change(http.MethodPost, topics, "createKafkaTopic", "api.v3.topics.create", tag, "Create a topic", a.createTopic, CreateTopicRequest{})
	create.Responses = []route.Response{
		{Status: http.StatusCreated, Value: Topic{}}, {Status: http.StatusOK, Value: Topic{}, Doc: "with validate_only: it could be created"},
	}
	grow := a.change(http.MethodPatch, topic, "updatePartitionCountKafkaTopic", "api.v3.topics.update", tag, "Increase a topic's partitions", a.updatePartitions, UpdatePartitionsRequest{})
	grow.Responses = []route.Response{{Status: http.StatusOK, Value: Topic{}}}
	return []route.Route{
		many, one, create, grow,
		a.change(http.MethodDelete, topic, "deleteKafkaTopic", "api.v3.topics.delete", tag, "Delete a topic", a.deleteTopic, nil),
	}
}

func (a *api) partitionRoutes() []route.Route {
	const topics, tag = underCluster + "/topics", "Partition"
	const partitions = topics + "/{topic_name}/partitions"
	const partition = partitions + "/{partition_id}"
	offsets := a.get(partition+"/offset", "getKafkaPartitionOffsets", "api.v3.partitions.list.offsets", tag, "Get a partition's offsets", a.offsets, PartitionOffsets{})
	offsets.Params = append(offsets.Params, route.Param{Name: "offset_type", In: "query", Enum: []string{"earliest_and_latest"}})
	remove := a.get(partition+"/records", "deleteKafkaRecords", "api.v3.records.delete", tag, "Delete the records before an offset", a.deleteRecords, PartitionOffsets{})
	remove.Method = http.MethodDelete
	remove.Params = append(remove.Params, route.Param{Name: "before_offset", In: "query", Required: true, Doc: "the first offset to keep, or latest to keep none"})
	routes := []route.Route{
		a.get(partitions, "listKafkaPartitions", "api.v3.partitions.list", tag, "List a topic's partitions", a.partitions, List[Partition]{}),
		a.get(partition, "getKafkaPartition", "api.v3.partitions.get", tag, "Get a partition", a.partition, Partition{}),
		offsets, remove,
		a.get(partition+"/replicas", "listKafkaReplicas", "api.v3.replicas.list", "Replica", "List a partition's replicas", a.replicas, List[Replica]{}),
		a.get(partition+"/replicas/{broker_id}", "getKafkaReplica", "api.v3.replicas.get", "Replica", "Get a replica", a.replica, Replica{}),
		a.get(topics+"/-/partitions/-/reassignment", "listKafkaAllReassignments", "api.v3.partition-reassignments.list", tag, "List all reassignments under way", a.reassignments, List[Reassignment]{}),
		a.get(partitions+"/-/reassignment", "searchKafkaReassignmentsByTopic", "api.v3.partition-reassignments.search-by-topic", tag, "List a topic's reassignments under way", a.reassignments, List[Reassignment]{}),
		a.get(partition+"/reassignment", "getKafkaReassignment", "api.v3.partition-reassignments.get", tag, "Get a partition's reassignment under way", a.reassignment, Reassignment{}),
	}
	// The original's lists of reassignments link to a plural that it does not
	// serve; here the links lead somewhere.
	for _, r := range routes[len(routes)-3:] {
		r.Path, r.Hidden = r.Path+"s", true
		routes = append(routes, r)
	}
	return routes
}

func (a *api) v2Routes() []route.Route {
	const tag = "v2 metadata"
	get := func(path, id, name, summary string, serve func(*http.Request, *admin.Admin) (any, error), body any) route.Route {
		entry := route.Route{
			Method: http.MethodGet, Path: path, ID: id, Name: name, Tag: tag, Summary: summary, Handler: a.v2(serve),
			Responses: []route.Response{{Status: http.StatusOK, Value: body, Types: v2Types}},
		}
		for _, p := range route.PathParams(path) {
			if p == "partition" {
				entry.Params = append(entry.Params, route.Param{Name: p, In: "path", Type: int32(0), Required: true})
			}
		}
		return entry
	}
	root := route.Route{
		Method: http.MethodGet, Path: "/", ID: "getRoot", Name: "api.v2.root.get", Tag: tag, Summary: "Nothing, or the page for a browser", Handler: a.root(),
		Responses: []route.Response{{Status: http.StatusOK, Value: Empty{}, Types: v2Types}},
	}
	post := root
	post.Method, post.ID, post.Name, post.Summary = http.MethodPost, "postRoot", "api.v2.root.post", "Nothing"
	post.Request = &route.Body{Types: v2Types, Value: map[string]any{}, Optional: true}
	if a.Page != nil {
		root.Responses = append([]route.Response(nil), root.Responses...)
		root.Responses[0].Types = append([]string{"text/html"}, v2Types...)
	}
	return []route.Route{
		root, post,
		get("/topics", "listTopicsV2", "api.v2.topics.list", "List the topics", v2Topics, []string{}),
		get("/topics/{topic}", "getTopicV2", "api.v2.topics.get", "Get a topic", v2TopicOf, V2Topic{}),
		get("/topics/{topic}/partitions", "listPartitionsV2", "api.v2.partitions.list", "List a topic's partitions", v2Partitions, []V2Partition{}),
		get("/topics/{topic}/partitions/{partition}", "getPartitionV2", "api.v2.partitions.get", "Get a partition", v2OnePartition, V2Partition{}),
		get("/topics/{topic}/partitions/{partition}/offsets", "getOffsetsV2", "api.v2.partitions.get-offsets", "Get a partition's offsets", v2OffsetsOf, V2Offsets{}),
		get("/brokers", "listBrokersV2", "api.v2.brokers.list", "List the brokers", v2BrokersOf, V2Brokers{}),
	}
}
