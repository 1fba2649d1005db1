// Package kafkarest reads kafka-rest.properties, the configuration of
// Confluent's REST Proxy, and its form in the environment (KAFKA_REST_…), into
// the settings of this server. Every key is honoured, or named with the reason
// why it is not.
package kafkarest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy"
	"github.com/headrace/headrace/internal/redact"
)

// ClusterName is the name of the cluster that bootstrap.servers names.
const ClusterName = "kafka-rest"

// Config is what the properties say.
type Config struct {
	HTTP gateway.Config
	Rest restproxy.Settings
	// Cluster is where bootstrap.servers points to; nil without that key.
	Cluster  *kafka.Settings
	Producer kafka.ProducerSettings
	// Registry is the Schema Registry; nil without schema.registry.url, and
	// without a URL in it where that is empty, which switches it off.
	Registry *httpclient.Settings
	// Warning names the keys that have no effect, and why; "" when all have.
	Warning string

	// Lines are those that the keys of the file begin in.
	Lines map[string]int
}

// Line is the line of the file that the key of a fault begins in, 0 when it
// comes from elsewhere. A fault of a section is in the first of its keys.
func (c *Config) Line(key string) int {
	if line := c.Lines[key]; line > 0 {
		return line
	}
	first := 0
	for k, line := range c.Lines {
		if strings.HasPrefix(k, key+".") && (first == 0 || line < first) {
			first = line
		}
	}
	return first
}

// EnvPrefix is what the environment variables begin with.
const EnvPrefix = "KAFKA_REST_"

// Present reports whether the environment has keys of kafka-rest.
func Present(environ []string) bool {
	for _, e := range environ {
		if _, ok := fromEnvironment(e); ok {
			return true
		}
	}
	return false
}

// Load reads the file, which may be "", and the environment, which wins, on
// top of base. The faults carry the names of keys.
func Load(file string, environ []string, base Config) (Config, []connector.Fault, error) {
	props, lines := map[string]string{}, map[string]int{}
	if file != "" {
		data, err := os.ReadFile(file)
		if err != nil {
			return base, nil, fmt.Errorf("read the properties of kafka-rest: %w", redact.File(err))
		}
		if props, lines, err = readProperties(string(data)); err != nil {
			return base, nil, fmt.Errorf("read the properties of kafka-rest in %s: %w", file, err)
		}
	}
	for _, e := range environ {
		if kv, ok := fromEnvironment(e); ok {
			key, value, _ := strings.Cut(kv, "=")
			props[key] = value
			delete(lines, key)
		}
	}
	cfg, faults := read(props, base)
	cfg.Lines = lines
	return cfg, faults, nil
}

// ofTheImage are variables of the container image that are no keys.
var ofTheImage = []string{"OPTS", "HEAP_OPTS", "JMX_OPTS", "JMX_PORT", "JMX_HOSTNAME", "JVM_PERFORMANCE_OPTS", "LOG4J_OPTS", "GC_LOG_OPTS"}

// fromEnvironment returns key=value of a variable: as in the container image
// an underscore is a dot, two are a dash and three an underscore.
func fromEnvironment(e string) (string, bool) {
	name, value, _ := strings.Cut(e, "=")
	name, ok := strings.CutPrefix(name, EnvPrefix)
	if !ok || name == "" || slices.Contains(ofTheImage, name) || strings.HasPrefix(name, "LOG4J_") || strings.HasPrefix(name, "CUB_") {
		return "", false
	}
	key := strings.NewReplacer("___", "_", "__", "-", "_", ".").Replace(strings.ToLower(name))
	return key + "=" + value, true
}

// read is Load for keys that are there already.
func read(props map[string]string, base Config) (Config, []connector.Fault) {
	r := &reading{Config: base, props: props, used: map[string]bool{}, ignored: map[string][]string{}}
	r.listeners()
	r.protection()
	r.kafka()
	r.registry()
	r.limits()
	for _, key := range slices.Sorted(maps.Keys(props)) {
		if !r.used[key] {
			r.key(key, strings.TrimSpace(props[key]))
		}
	}
	r.notes()
	for _, f := range r.Rest.Validate() {
		r.fault(keyOf(restPaths, f.Path), "%s", f.Message)
	}
	return r.Config, append(r.faults, underKeys(r.HTTP.Validate())...)
}

// CheckFiles reports the stores of the listener that cannot be used.
func (c *Config) CheckFiles() []connector.Fault { return underKeys(c.HTTP.CheckFiles()) }

// underKeys names faults of the HTTP server by the keys of kafka-rest.
func underKeys(faults []connector.Fault) []connector.Fault {
	for i, f := range faults {
		if f.Path == "listen" {
			faults[i].Path = "listeners"
		}
		if name, ok := strings.CutPrefix(f.Path, "tls."); ok {
			faults[i].Path = "ssl." + name
		}
		faults[i].Path = keyOf(httpPaths, faults[i].Path)
	}
	return faults
}

// reading is the state of one read.
type reading struct {
	Config
	props   map[string]string
	used    map[string]bool
	ignored map[string][]string // keys by reason
	faults  []connector.Fault
	secure  bool // the listener speaks https
}

func (r *reading) fault(key, format string, args ...any) {
	r.faults = append(r.faults, connector.Fault{Path: key, Message: fmt.Sprintf(format, args...)})
}

func (r *reading) ignore(key, reason string) { r.ignored[reason] = append(r.ignored[reason], key) }

// take returns a key's value and notes that it was seen.
func (r *reading) take(key string) (string, bool) {
	v, given := r.props[key]
	r.used[key] = true
	return strings.TrimSpace(v), given
}

// notes makes the one warning.
func (r *reading) notes() {
	var parts []string
	for _, reason := range slices.Sorted(maps.Keys(r.ignored)) {
		keys := r.ignored[reason]
		slices.Sort(keys)
		parts = append(parts, strings.Join(keys, ", ")+" ("+reason+")")
	}
	slices.Sort(parts)
	r.Warning = strings.Join(parts, "; ")
}
