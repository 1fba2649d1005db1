package kafkarest

import (
	"maps"
	"net"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/internal/redact"
)

// listeners reads where to serve.
func (r *reading) listeners() {
	listeners, given := r.take("listeners")
	port, portGiven := r.take("port")
	host, hostGiven := r.take("host.name")
	if hostGiven {
		r.Rest.HostName = host
	}
	if all := split(listeners); given && len(all) > 0 {
		u, err := url.Parse(all[0])
		switch {
		case err != nil || u.Host == "" || u.Port() == "":
			r.fault("listeners", "must be a list of URLs with a port, such as http://0.0.0.0:8082")
			return
		case u.Scheme != "http" && u.Scheme != "https":
			r.fault("listeners", "must begin with http:// or https://")
			return
		}
		r.secure = u.Scheme == "https"
		if len(all) > 1 {
			r.ignore("listeners", "only the first one, "+all[0]+", is served")
		}
		r.HTTP.Listen = net.JoinHostPort(u.Hostname(), u.Port())
	} else if portGiven || hostGiven {
		if host == "" {
			host = "0.0.0.0"
		}
		if port == "" {
			port = "8082"
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			r.fault("port", "must be a port")
			return
		}
		r.HTTP.Listen = net.JoinHostPort(host, port)
	}
	if r.props["bootstrap.servers"] != "" && !given && !portGiven && !hostGiven && r.HTTP.Listen == gateway.DefaultConfig().Listen {
		r.ignore("listeners", "not set: only this machine is served, at "+r.HTTP.Listen+", not every address as by the original")
	}
	// The original serves everybody who reaches it.
	r.HTTP.AllowAnonymous = r.HTTP.AllowAnonymous || given || portGiven || hostGiven
}

// protection reads the keys of authentication and TLS. What the original
// protects must not be open here: those that cannot be honoured are faults.
// It comes behind listeners.
func (r *reading) protection() {
	if method, ok := r.take("authentication.method"); ok && !strings.EqualFold(method, "NONE") && method != "" {
		r.fault("authentication.method", "%s is not taken over from the properties: callers would not be asked; set http.authentication in headrace.yaml and remove the key", method)
	}
	r.https()
}

// clients are the prefixes of keys of Kafka's clients.
var clients = []string{"client.", "producer.", "consumer.", "admin."}

// ownKey reports whether a key with a client's prefix is one of kafka-rest.
func ownKey(key string) bool {
	return restPaths[key] != "" || httpPaths[key] != "" || keys[key] != nil || without[key] != ""
}

// kafka reads the connection, and what the producer is told.
func (r *reading) kafka() {
	for key := range r.props {
		for _, prefix := range clients {
			if strings.HasPrefix(key, prefix) && !ownKey(key) {
				r.used[key] = true
			}
		}
	}
	bootstrap, given := r.take("bootstrap.servers")
	if !given || bootstrap == "" {
		return
	}
	props := maps.Clone(r.props)
	var protocol string
	props["bootstrap.servers"], protocol = brokers(bootstrap)
	if _, set := props["client.security.protocol"]; !set && protocol != "" {
		props["client.security.protocol"] = protocol
	}
	settings, faults := kafka.FromJava(props, "client.")
	if len(faults) == 0 {
		faults = kafka.JavaFaults(settings.CheckFiles())
	}
	for _, f := range faults {
		if f.Path != "bootstrap.servers" {
			f.Path = "client." + f.Path
		}
		r.faults = append(r.faults, f)
	}
	r.Cluster = &settings
	r.producer()
	r.others()
}

// brokers drops the prefixes of SASL_SSL://host:9093 and returns them.
func brokers(list string) (plain, protocol string) {
	var hosts []string
	for _, b := range split(list) {
		if scheme, host, ok := strings.Cut(b, "://"); ok {
			protocol, b = strings.ToUpper(scheme), host
		}
		hosts = append(hosts, b)
	}
	return strings.Join(hosts, ","), protocol
}

// producerPaths are the settings of the producer by the keys of Kafka's
// clients.
var producerPaths = map[string]string{
	"acks":                   "acks",
	"compression.type":       "compression_type",
	"max.request.size":       "max_message_bytes",
	"delivery.timeout.ms":    "delivery_timeout_ms",
	"compression.gzip.level": "compression_level",
	"compression.zstd.level": "compression_level",
	"compression.lz4.level":  "compression_level",
	"enable.idempotence":     "idempotence",
	"batch.size":             "partitioner_sticky_bytes", // KIP-794: what a record without a key moves on by
	"partitioner.class":      "partitioner",
}

// partitioners are the classes of Kafka's own client, by their simple names.
var partitioners = map[string]string{
	"RoundRobinPartitioner":    "round_robin",
	"UniformStickyPartitioner": "sticky",
	"DefaultPartitioner":       "default",
}

// partitioner is what a class name stands for; another one stays as it is, and
// is no value then.
func partitioner(class string) string {
	if ours, ok := partitioners[class[strings.LastIndexByte(class, '.')+1:]]; ok {
		return ours
	}
	return class
}

// producer reads producer.*; client.* holds for it too, and the former wins.
func (r *reading) producer() {
	for _, prefix := range []string{"client.", "producer."} {
		for key, path := range producerPaths {
			if v, given := r.props[prefix+key]; given {
				if key == "partitioner.class" {
					v = partitioner(strings.TrimSpace(v))
				}
				if err := put(at(reflect.ValueOf(&r.Producer).Elem(), path), key, strings.TrimSpace(v)); err != nil {
					r.fault(prefix+key, "%v, not %s", err, redact.Quote(v))
				}
			}
		}
	}
	for _, f := range r.Producer.Validate() {
		key := "producer." + strings.ReplaceAll(f.Path, "_", ".")
		for theirs, ours := range producerPaths {
			if ours == f.Path && (r.props["producer."+theirs] != "" || r.props["client."+theirs] != "") {
				key = "producer." + theirs // as it stands in the file
			}
		}
		r.fault(key, "%s", f.Message)
	}
}

// connectionKey reports whether a key of Kafka's clients says how to connect.
func connectionKey(key string) bool {
	for _, prefix := range []string{"ssl.", "sasl.", "security."} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return key == "bootstrap.servers" || key == "client.id"
}

// others names the client keys that have no effect. Connections are shared, so
// one kind of client cannot have its own.
func (r *reading) others() {
	for key, value := range r.props {
		for _, prefix := range clients {
			name, ok := strings.CutPrefix(key, prefix)
			if !ok || ownKey(key) {
				continue
			}
			switch {
			case prefix == "client." && connectionKey(name), (prefix == "client." || prefix == "producer.") && producerPaths[name] != "":
			case connectionKey(name) && r.props["client."+name] == value:
			case connectionKey(name):
				r.fault(key, "all clients share one connection: set client.%s, and remove this key", name)
			default:
				r.ignore(key, "set for the client by itself")
			}
		}
	}
}

// limitsWhenOn are the values of the original's limits where they are switched
// on and nothing else is said.
var limitsWhenOn = map[string]float64{
	"request_limit.per_second": 50, "request_limit.per_cluster": 50, "request_limit.default_cost": 1,
	"record_limit.per_cluster": 10_000, "record_limit.global": 10_000,
	"record_limit.bytes_per_cluster": 10_000_000, "record_limit.bytes_global": 10_000_000,
}

// limits reads the keys of rate limits, which count only where the limit is
// switched on.
func (r *reading) limits() {
	for switched, section := range map[string]string{"rate.limit.enable": "request_limit.", "api.v3.produce.rate.limit.enabled": "record_limit."} {
		on, _ := r.take(switched)
		for key, path := range restPaths {
			if !strings.HasPrefix(path, section) {
				continue
			}
			if value, _ := r.take(key); strings.EqualFold(on, "true") {
				setting, _ := r.setting(key)
				r.limit(setting, key, value, limitsWhenOn[path])
			}
		}
	}
}

func (r *reading) limit(setting reflect.Value, key, value string, otherwise float64) {
	if costs, ok := setting.Addr().Interface().(*map[string]int); ok {
		r.costs(costs, key, value)
		return
	}
	n := otherwise
	if value != "" {
		var err error
		if n, err = strconv.ParseFloat(value, 64); err != nil || !(n >= 0 && n <= 1e15) {
			r.fault(key, "must be a number, not %s", redact.Quote(value))
			n = otherwise
		}
	}
	switch to := setting.Addr().Interface().(type) {
	case *float64:
		*to = n
	case *int:
		*to = int(min(n, 1e9))
	case *connector.Duration:
		*to = connector.Duration(min(n, 1e9) * float64(time.Millisecond))
	}
}

func (r *reading) costs(into *map[string]int, key, value string) {
	costs := map[string]int{}
	for _, entry := range split(value) {
		name, cost, ok := strings.Cut(entry, "=")
		n, err := strconv.Atoi(strings.TrimSpace(cost))
		if !ok || err != nil || n < 0 {
			r.fault(key, "must be a list such as api.v3.clusters.*=1,api.v3.brokers.list=2")
			return
		}
		costs[strings.TrimSpace(name)] = n
	}
	if len(costs) > 0 {
		*into = costs
	}
}
