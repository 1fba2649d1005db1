package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/IBM/sarama"
)

// Resource is what has configurations: a topic, a broker, or all brokers.
type Resource struct {
	kind sarama.ConfigResourceType
	name string
}

// TopicConfigs names a topic's configurations.
func TopicConfigs(name string) Resource { return Resource{sarama.TopicResource, name} }

// BrokerConfigs names one broker's configurations.
func BrokerConfigs(id int32) Resource {
	return Resource{sarama.BrokerResource, strconv.Itoa(int(id))}
}

// BrokerDefaults names the values that were set for all brokers while they run,
// and no others.
func BrokerDefaults() Resource { return Resource{sarama.BrokerResource, ""} }

// String is the name in errors.
func (r Resource) String() string {
	switch {
	case r.kind == sarama.TopicResource:
		return fmt.Sprintf("topic %q", r.name)
	case r.name == "":
		return "all brokers"
	default:
		return "broker " + r.name
	}
}

// SourceDefault is the source of a value that nobody set.
const SourceDefault = "DEFAULT_CONFIG"

// configSources are the names by the protocol's codes.
var configSources = [...]string{
	"UNKNOWN", "DYNAMIC_TOPIC_CONFIG", "DYNAMIC_BROKER_CONFIG", "DYNAMIC_DEFAULT_BROKER_CONFIG",
	"STATIC_BROKER_CONFIG", SourceDefault, "DYNAMIC_BROKER_LOGGER_CONFIG", "UNKNOWN", "DYNAMIC_GROUP_CONFIG",
}

func sourceName(s sarama.ConfigSource) string {
	if s < 0 || int(s) >= len(configSources) {
		return configSources[0]
	}
	return configSources[s]
}

// Config is one configuration. Value is nil when it is sensitive or not set.
type Config struct {
	Name      string
	Value     *string
	Default   bool
	ReadOnly  bool
	Sensitive bool
	Source    string
	Synonyms  []Synonym // most specific first
}

// Synonym is a value that is, or would be, in effect in its turn.
type Synonym struct {
	Name   string
	Value  *string
	Source string
}

// Configs describes the resources, each sorted by name. An unknown topic is
// ErrUnknownTopic. Resources come back in the order that was asked for.
func (a *Admin) Configs(ctx context.Context, resources ...Resource) ([][]Config, error) {
	if len(resources) == 0 {
		return nil, nil
	}
	return call(ctx, a, "describing the configuration of "+several(resources), func(c sarama.Client) ([][]Config, error) {
		return describeConfigs(c, resources)
	})
}

func several(resources []Resource) string {
	if len(resources) == 1 {
		return resources[0].String()
	}
	return fmt.Sprintf("%s and %d more", resources[0], len(resources)-1)
}

func describeConfigs(c sarama.Client, resources []Resource) ([][]Config, error) {
	byBroker := map[string][]*sarama.ConfigResource{}
	for _, r := range resources {
		home := "" // any broker knows topics and the cluster's defaults
		if r.kind == sarama.BrokerResource {
			home = r.name
		}
		byBroker[home] = append(byBroker[home], &sarama.ConfigResource{Type: r.kind, Name: r.name})
	}
	found := map[Resource][]Config{}
	for home, asked := range byBroker {
		rsp, err := atHome(c, home, func(b *sarama.Broker) (*sarama.DescribeConfigsResponse, error) {
			return b.DescribeConfigs(&sarama.DescribeConfigsRequest{Version: 4, Resources: asked, IncludeSynonyms: true})
		})
		if err != nil {
			return nil, err
		}
		for _, r := range rsp.Resources {
			if err := refused(sarama.KError(r.ErrorCode), &r.ErrorMsg); err != nil {
				return nil, err
			}
			found[Resource{r.Type, r.Name}] = configs(r)
		}
	}
	all := make([][]Config, len(resources))
	for i, r := range resources {
		entries, ok := found[r]
		if !ok {
			return nil, sarama.ErrIncompleteResponse
		}
		all[i] = entries
	}
	return all, nil
}

// atHome asks the broker that owns a configuration; "" is any broker.
func atHome[T any](c sarama.Client, home string, ask func(*sarama.Broker) (T, error)) (T, error) {
	if home == "" {
		return onAny(c, ask)
	}
	var zero T
	id, err := strconv.ParseInt(home, 10, 32)
	if err != nil {
		return zero, sarama.ErrBrokerNotFound
	}
	b, err := leaderBroker(c, int32(id))
	if err != nil {
		return zero, err
	}
	return ask(b)
}

func configs(r *sarama.ResourceResponse) []Config {
	list := make([]Config, 0, len(r.Configs))
	for _, e := range r.Configs {
		if r.Type == sarama.BrokerResource && r.Name == "" && !dynamic(e.Source) {
			continue // Kafka sends none, but not every broker is Kafka
		}
		cfg := Config{
			Name: e.Name, Default: e.Default, ReadOnly: e.ReadOnly, Sensitive: e.Sensitive,
			Source: sourceName(e.Source), Value: configValue(e.Value, e),
		}
		for _, s := range e.Synonyms {
			cfg.Synonyms = append(cfg.Synonyms, Synonym{s.ConfigName, configValue(s.ConfigValue, e), sourceName(s.Source)})
		}
		list = append(list, cfg)
	}
	slices.SortFunc(list, func(x, y Config) int { return cmp.Compare(x.Name, y.Name) })
	return list
}

func dynamic(s sarama.ConfigSource) bool {
	return s == sarama.SourceDynamicBroker || s == sarama.SourceDynamicDefaultBroker
}

// configValue gives back the null that the client library reads as "". Kafka
// has an empty default only for lists; everywhere else it means not set.
func configValue(value string, e *sarama.ConfigEntry) *string {
	if e.Sensitive || value == "" && e.Type != sarama.ListConfigType {
		return nil
	}
	return &value
}

// Alteration sets a configuration, or with a nil Value and Delete takes it
// away, so that the default holds again.
type Alteration struct {
	Name   string
	Value  *string
	Delete bool
}

// AlterConfigs applies the alterations of one resource together (KIP-339), or
// with validateOnly only checks them.
func (a *Admin) AlterConfigs(ctx context.Context, r Resource, alterations []Alteration, validateOnly bool) error {
	failed, err := a.AlterManyConfigs(ctx, map[Resource][]Alteration{r: alterations}, validateOnly)
	if err != nil {
		return err
	}
	return failed[r]
}

// AlterManyConfigs does AlterConfigs for several topics. Each is altered as a
// whole, or not; those that were refused come back with the reason.
func (a *Admin) AlterManyConfigs(ctx context.Context, all map[Resource][]Alteration, validateOnly bool) (map[Resource]error, error) {
	if len(all) == 0 {
		return nil, nil
	}
	req := &sarama.IncrementalAlterConfigsRequest{Version: 1, ValidateOnly: validateOnly}
	home := ""
	for r, alterations := range all {
		if r.kind == sarama.BrokerResource {
			home = r.name
		}
		entries := map[string]sarama.IncrementalAlterConfigsEntry{}
		for _, alteration := range alterations {
			e := sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationSet, Value: alteration.Value}
			if alteration.Delete {
				e = sarama.IncrementalAlterConfigsEntry{Operation: sarama.IncrementalAlterConfigsOperationDelete}
			}
			entries[alteration.Name] = e
		}
		req.Resources = append(req.Resources, &sarama.IncrementalAlterConfigsResource{Type: r.kind, Name: r.name, ConfigEntries: entries})
	}
	return call(ctx, a, "altering configurations", func(c sarama.Client) (map[Resource]error, error) {
		rsp, err := atHome(c, home, func(b *sarama.Broker) (*sarama.IncrementalAlterConfigsResponse, error) {
			return b.IncrementalAlterConfigs(req)
		})
		if err != nil {
			return nil, err
		}
		failed := map[Resource]error{}
		for _, r := range rsp.Resources {
			if err := refused(sarama.KError(r.ErrorCode), &r.ErrorMsg); err != nil {
				which := Resource{r.Type, r.Name}
				failed[which] = explain("altering the configuration of "+which.String(), err)
			}
		}
		return failed, nil
	})
}
