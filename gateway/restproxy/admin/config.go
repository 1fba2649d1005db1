package admin

import (
	"fmt"
	"net/http"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

// owner is what the configurations of a path belong to. For all three kinds
// the endpoints are the same.
type owner struct {
	resource admin.Resource
	list     func(*request, [][]admin.Config) any // the answer of the list
	item     func(*request, admin.Config) any     // the answer of one
	mustHave bool                                 // names are checked before they are set
	find     func(*request) (*admin.Admin, error) // the cluster, after its owner was found to exist
	words    string                               // for errors
}

func newValue(c admin.Config) ConfigValue {
	v := ConfigValue{
		Name: c.Name, Value: c.Value, IsDefault: c.Default, IsReadOnly: c.ReadOnly, IsSensitive: c.Sensitive,
		Source: c.Source, Synonyms: []ConfigSynonym{},
	}
	for _, s := range c.Synonyms {
		v.Synonyms = append(v.Synonyms, ConfigSynonym(s))
	}
	return v
}

func newTopicConfig(r *request, topic string, c admin.Config) TopicConfig {
	return TopicConfig{
		Resource:  r.resource("KafkaTopicConfig", r.topicLink(topic).At("configs", c.Name), "/topic="+topic+"/config="+c.Name),
		ClusterID: r.id, TopicName: topic, ConfigValue: newValue(c),
	}
}

func newBrokerConfig(r *request, broker int32, c admin.Config) BrokerConfig {
	return BrokerConfig{
		Resource: r.resource("KafkaBrokerConfig", r.brokerLink(broker).At("configs", c.Name),
			fmt.Sprintf("/broker=%d/config=%s", broker, c.Name)),
		ClusterID: r.id, BrokerID: broker, ConfigValue: newValue(c),
	}
}

func newClusterConfig(r *request, c admin.Config) ClusterConfig {
	return ClusterConfig{
		Resource:  r.resource("KafkaClusterConfig", r.at("broker-configs", c.Name), "/broker-config="+c.Name),
		ClusterID: r.id, ConfigType: "BROKER", ConfigValue: newValue(c),
	}
}

func items[T any](all [][]admin.Config, one func(admin.Config) T) []T {
	out := []T{}
	for _, configs := range all {
		for _, c := range configs {
			out = append(out, one(c))
		}
	}
	return out
}

func topicOwner(r *request) (owner, error) {
	name := r.PathValue("topic_name")
	return owner{
		resource: admin.TopicConfigs(name), mustHave: true, words: "TOPIC " + name,
		find: (*request).cluster,
		item: func(r *request, c admin.Config) any { return newTopicConfig(r, name, c) },
		list: func(r *request, all [][]admin.Config) any {
			return list("KafkaTopicConfig", r.topicLink(name).At("configs"), items(all, func(c admin.Config) TopicConfig { return newTopicConfig(r, name, c) }))
		},
	}, nil
}

func brokerOwner(r *request) (owner, error) {
	id, err := r.number("broker_id")
	if err != nil {
		return owner{}, err
	}
	return owner{
		resource: admin.BrokerConfigs(id), mustHave: true, words: fmt.Sprintf("BROKER %d", id),
		find: func(r *request) (*admin.Admin, error) { c, _, err := oneBroker(r); return c, err },
		item: func(r *request, c admin.Config) any { return newBrokerConfig(r, id, c) },
		list: func(r *request, all [][]admin.Config) any {
			return list("KafkaBrokerConfig", r.brokerLink(id).At("configs"), items(all, func(c admin.Config) BrokerConfig { return newBrokerConfig(r, id, c) }))
		},
	}, nil
}

func defaultsOwner(*request) (owner, error) {
	return owner{
		resource: admin.BrokerDefaults(), words: "BROKER",
		find: (*request).cluster,
		item: func(r *request, c admin.Config) any { return newClusterConfig(r, c) },
		list: func(r *request, all [][]admin.Config) any {
			return list("KafkaClusterConfig", r.at("broker-configs"), items(all, func(c admin.Config) ClusterConfig { return newClusterConfig(r, c) }))
		},
	}, nil
}

// configured makes an endpoint of what is to be done with an owner's
// configurations.
func configured(of func(*request) (owner, error), serve func(*request, owner) (reply, error)) func(*request) (reply, error) {
	return func(r *request) (reply, error) {
		o, err := of(r)
		if err != nil {
			return reply{}, err
		}
		return serve(r, o)
	}
}

func listConfigs(r *request, o owner) (reply, error) {
	c, err := o.find(r)
	if err != nil {
		return reply{}, err
	}
	all, err := c.Configs(r.Context(), o.resource)
	if err != nil {
		return reply{}, err
	}
	return found(o.list(r, all))
}

// oneConfig finds the configuration, or says that there is none of that name.
func oneConfig(r *request, c *admin.Admin, o owner, name string) (admin.Config, error) {
	all, err := c.Configs(r.Context(), o.resource)
	if err != nil {
		return admin.Config{}, err
	}
	for _, config := range all[0] {
		if config.Name == name {
			return config, nil
		}
	}
	return admin.Config{}, unknownConfig(r, o, name)
}

func unknownConfig(r *request, o owner, name string) error {
	return wire.Errorf(http.StatusNotFound, "Config %s cannot be found for %s in cluster %s.", name, o.words, r.id)
}

func getConfig(r *request, o owner) (reply, error) {
	c, err := o.find(r)
	if err != nil {
		return reply{}, err
	}
	config, err := oneConfig(r, c, o, r.PathValue("name"))
	if err != nil {
		return reply{}, err
	}
	return found(o.item(r, config))
}

var nullInput = wire.Payload("Null input provided. Data is required.")

func updateConfig(r *request, o owner) (reply, error) {
	var body UpdateConfigRequest
	if err := wire.DecodeBody(r.Request, &body, nullInput); err != nil {
		return reply{}, err
	}
	c, err := o.find(r)
	if err != nil {
		return reply{}, err
	}
	name := r.PathValue("name")
	if o.mustHave {
		if _, err := oneConfig(r, c, o, name); err != nil {
			return reply{}, err
		}
	}
	return noContent, c.AlterConfigs(r.Context(), o.resource, []admin.Alteration{{Name: name, Value: (*string)(body.Value)}}, false)
}

func resetConfig(r *request, o owner) (reply, error) {
	c, err := o.find(r)
	if err != nil {
		return reply{}, err
	}
	name := r.PathValue("name")
	if _, err := oneConfig(r, c, o, name); err != nil {
		return reply{}, err
	}
	return noContent, c.AlterConfigs(r.Context(), o.resource, []admin.Alteration{{Name: name, Delete: true}}, false)
}

func alterConfigs(r *request, o owner) (reply, error) {
	var body AlterConfigsRequest
	if err := wire.DecodeBody(r.Request, &body, nullInput); err != nil {
		return reply{}, err
	}
	wanted, err := alterations(body.Data, "data")
	if err != nil {
		return reply{}, err
	}
	c, err := o.find(r)
	if err != nil {
		return reply{}, err
	}
	if o.mustHave {
		if err := allKnown(r, c, o, wanted); err != nil {
			return reply{}, err
		}
	}
	if len(wanted) == 0 {
		return noContent, nil
	}
	return noContent, c.AlterConfigs(r.Context(), o.resource, wanted, body.ValidateOnly != nil && *body.ValidateOnly)
}

// allKnown makes the call atomic: one unknown name and nothing changes.
func allKnown(r *request, c *admin.Admin, o owner, wanted []admin.Alteration) error {
	all, err := c.Configs(r.Context(), o.resource)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, config := range all[0] {
		known[config.Name] = true
	}
	for _, alteration := range wanted {
		if !known[alteration.Name] {
			return unknownConfig(r, o, alteration.Name)
		}
	}
	return nil
}

func alterations(entries *[]AlterEntry, field string) ([]admin.Alteration, error) {
	if entries == nil {
		return nil, wire.Missing(field)
	}
	wanted := make([]admin.Alteration, 0, len(*entries))
	for _, e := range *entries {
		if e.Name == nil {
			return nil, wire.Missing("name")
		}
		alteration := admin.Alteration{Name: string(*e.Name), Value: (*string)(e.Value)}
		switch {
		case e.Operation == nil || *e.Operation == "SET":
		case *e.Operation == "DELETE":
			alteration.Delete, alteration.Value = true, nil
		default:
			return nil, wire.Errorf(http.StatusBadRequest, "Bad Request: operation must be SET or DELETE")
		}
		wanted = append(wanted, alteration)
	}
	return wanted, nil
}
