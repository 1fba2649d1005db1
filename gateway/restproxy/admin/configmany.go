package admin

import (
	"net/http"

	"github.com/headrace/headrace/connector/kafka/admin"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

func (a *api) allTopicConfigs(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	topics, err := c.Topics(r.Context(), false)
	if err != nil {
		return reply{}, err
	}
	resources := make([]admin.Resource, len(topics))
	for i, t := range topics {
		resources[i] = admin.TopicConfigs(t.Name)
	}
	all, err := c.Configs(r.Context(), resources...)
	if err != nil {
		return reply{}, err
	}
	out := []TopicConfig{}
	for i, configs := range all {
		for _, config := range configs {
			out = append(out, newTopicConfig(r, topics[i].Name, config))
		}
	}
	return found(list("KafkaTopicConfig", r.at("topics", "-", "configs"), out))
}

func (a *api) allBrokerConfigs(r *request) (reply, error) {
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	d, err := c.Describe(r.Context())
	if err != nil {
		return reply{}, err
	}
	resources := make([]admin.Resource, len(d.Brokers))
	for i, b := range d.Brokers {
		resources[i] = admin.BrokerConfigs(b.ID)
	}
	all, err := c.Configs(r.Context(), resources...)
	if err != nil {
		return reply{}, err
	}
	out := []BrokerConfig{}
	for i, configs := range all {
		for _, config := range configs {
			out = append(out, newBrokerConfig(r, d.Brokers[i].ID, config))
		}
	}
	return found(list("KafkaBrokerConfig", r.at("brokers", "-", "configs"), out))
}

// alterTopics alters several topics at once: nothing when a name is unknown,
// else what Kafka takes, and a 207 that names what it refused.
func (a *api) alterTopics(r *request) (reply, error) {
	var body AlterTopicsRequest
	if err := wire.DecodeBody(r.Request, &body, nullInput); err != nil {
		return reply{}, err
	}
	if body.Data == nil {
		return reply{}, wire.Missing("data")
	}
	wanted := map[string][]admin.Alteration{}
	var order []string
	for _, e := range *body.Data {
		if e.TopicName == nil {
			return reply{}, wire.Missing("topic_name")
		}
		some, err := alterations(e.Configs, "configs")
		if err != nil {
			return reply{}, err
		}
		name := string(*e.TopicName)
		if _, seen := wanted[name]; !seen {
			order = append(order, name)
		}
		wanted[name] = append(wanted[name], some...)
	}
	c, err := r.cluster()
	if err != nil {
		return reply{}, err
	}
	all := map[admin.Resource][]admin.Alteration{}
	for _, name := range order {
		o := owner{resource: admin.TopicConfigs(name), words: "TOPIC " + name}
		if err := allKnown(r, c, o, wanted[name]); err != nil {
			return reply{}, err
		}
		if len(wanted[name]) > 0 {
			all[o.resource] = wanted[name]
		}
	}
	failed, err := c.AlterManyConfigs(r.Context(), all, body.ValidateOnly != nil && *body.ValidateOnly)
	if err != nil || len(failed) == 0 {
		return noContent, err
	}
	out := AlterTopicsFailures{}
	for _, name := range order {
		if err := failed[admin.TopicConfigs(name)]; err != nil {
			e := wire.Of(errorOf(err))
			out.Failures = append(out.Failures, AlterTopicFailure{name, e.Code, e.Message})
		}
	}
	return reply{status: http.StatusMultiStatus, body: out}, nil
}
