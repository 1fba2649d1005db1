package kafkarest

import (
	"strings"

	"github.com/headrace/headrace/internal/redact"
)

// setter puts the value of one key into the configuration; its error says what
// the value should be.
type setter func(r *reading, value string) error

type wanted string

func (w wanted) Error() string { return "must be " + string(w) }

func split(value string) []string {
	var out []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// header adds a header to every answer where the value is true.
func header(name, value string) setter {
	return func(r *reading, text string) error {
		if on, err := boolean(text); err != nil || !on {
			return err
		}
		r.addHeader(name, value)
		return nil
	}
}

func (r *reading) addHeader(name, value string) {
	headers := map[string]string{name: value}
	for k, v := range r.HTTP.Headers {
		headers[k] = v
	}
	r.HTTP.Headers = headers
}

// quoted is split where an entry with a comma stands in quotation marks.
func quoted(value string) []string {
	in := false
	parts := strings.FieldsFunc(value, func(c rune) bool {
		in = in != (c == '"')
		return c == ',' && !in
	})
	var out []string
	for _, item := range parts {
		if item = strings.TrimSpace(strings.ReplaceAll(item, `"`, "")); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// responseHeaders reads "add X-Foo: bar, set X-Bar: baz".
func responseHeaders(r *reading, value string) error {
	for _, entry := range quoted(value) {
		action, rest, _ := strings.Cut(entry, " ")
		name, content, ok := strings.Cut(rest, ":")
		if strings.HasSuffix(action, "Date") {
			return wanted("without dates: addDate and setDate are not supported")
		}
		if !ok || action != "add" && action != "set" {
			return wanted(`a list such as add X-Foo: bar, "set X-Bar: b, c" with quotation marks around what has commas`)
		}
		r.addHeader(strings.TrimSpace(name), strings.TrimSpace(content))
	}
	return nil
}

// keys are those that are no value of one setting.
var keys = map[string]setter{
	"response.http.headers.config": responseHeaders,
	"nosniff.prevention.enable":    header("X-Content-Type-Options", "nosniff"),
	"hsts.header.enable":           header("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
}

// The reasons that several keys share.
const (
	noPlugin   = "Java plug-ins cannot be loaded; callers' identities are http.authentication's"
	noPool     = "there are no thread pools"
	byAccept   = "answers follow the Accept header"
	metrics    = "metrics are at /-/metrics"
	noMetadata = "there is no Confluent metadata service"
	identities = "see http.authentication"
	ownLimits  = "calls of Kafka have limits of their own"
	tenants    = "limits are kept for the last 1000 clusters"
	noPolling  = "reads wait for Kafka and do not poll"
)

// without are keys that have no effect, and why. A key that ends in a dot
// stands for all that begin with it.
var without = map[string]string{
	"kafka.rest.resource.extension.class": noPlugin,
	"rest.servlet.initializor.classes":    noPlugin,
	"debug":                               "stack traces are never sent to clients",
	"response.mediatype.default":          byAccept,
	"response.mediatype.preferred":        byAccept,
	"metrics.jmx.prefix":                  metrics,
	"metric.reporters":                    metrics,
	"metrics.":                            metrics,
	"thread.pool.min":                     noPool,
	"thread.pool.max":                     noPool,
	"request.queue.capacity":              noPool,
	"consumer.threads":                    noPool,
	"producer.threads":                    noPool,

	"api.v3.produce.response.thread.pool.size":  noPool,
	"proxy.protocol.enabled":                    "the PROXY protocol is not spoken",
	"use.custom.request.logging":                "requests are counted in the metrics",
	"consumer.iterator.timeout.ms":              noPolling,
	"consumer.iterator.backoff.ms":              noPolling,
	"simpleconsumer.pool.size.max":              "there is no pool of v1",
	"simpleconsumer.pool.timeout.ms":            "there is no pool of v1",
	"rate.limit.backend":                        "there is one rate limiter",
	"rate.limit.per.cluster.cache.expiry.ms":    tenants,
	"api.v3.produce.rate.limit.cache.expiry.ms": tenants,
	"dos.filter.":                               "use rate.limit.enable, or the limits of the server in front",
	"access.control.skip.options":               "OPTIONS never needs a name",
	"reject.options.request":                    "OPTIONS tells the methods of a path and nothing else",
	"csrf.prevention.enable":                    "there are no cookies that could be abused",
	"client.timeout.ms":                         ownLimits,
	"client.init.timeout.ms":                    ownLimits,
	"confluent.metadata.":                       noMetadata,
	"public.key.path":                           noMetadata,
	"confluent.license":                         "no license is needed",
	"confluent.telemetry.":                      "nothing is reported to anybody",
	"authentication.realm":                      identities,
	"authentication.roles":                      identities,
	"authentication.skip.paths":                 identities,
	"zookeeper.connect":                         "Kafka is reached by bootstrap.servers",

	"confluent.rest.auth.propagate.method":            "see http.propagate_principal",
	"confluent.rest.auth.ssl.principal.mapping.rules": "see http.authentication of type mtls",
}

// key puts one key into the configuration.
func (r *reading) key(key, value string) {
	set, known := keys[key]
	if setting, ok := r.setting(key); ok {
		set, known = func(_ *reading, value string) error { return put(setting, key, value) }, true
	}
	if known {
		if err := set(r, value); err != nil {
			r.fault(key, "%v, not %s", err, redact.Quote(value))
		}
		return
	}
	if reason := whyNot(key); reason != "" {
		r.ignore(key, reason)
		return
	}
	r.ignore(key, "not a key of kafka-rest")
}

func whyNot(key string) string {
	if reason := without[key]; reason != "" {
		return reason
	}
	for prefix, reason := range without {
		if strings.HasSuffix(prefix, ".") && strings.HasPrefix(key, prefix) {
			return reason
		}
	}
	return ""
}
