package kafkarest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy"
)

func base() Config {
	cfg := gateway.DefaultConfig()
	cfg.Listen = "127.0.0.1:9999" // as a project file says
	return Config{HTTP: cfg, Rest: restproxy.DefaultSettings(), Producer: kafka.DefaultProducerSettings()}
}

// load reads properties as a file.
func load(t testing.TB, text string, environ ...string) (Config, []connector.Fault) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "kafka-rest.properties")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, faults, err := Load(file, environ, base())
	if err != nil {
		t.Fatal(err)
	}
	return cfg, faults
}

func ms(n int64) connector.Duration { return connector.Duration(time.Duration(n) * time.Millisecond) }

// TestKeysWithEffect has each key of the original's documentation that is
// honoured, with a value that is not its default.
func TestKeysWithEffect(t *testing.T) {
	for text, check := range map[string]func(c *Config) bool{
		"bootstrap.servers=SASL_SSL://a:1,SASL_SSL://b:2\nclient.sasl.mechanism=PLAIN\nclient.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=\"u\" password=\"p\";": func(c *Config) bool {
			return cmp.Equal(c.Cluster.BootstrapServer, []string{"a:1", "b:2"}) && c.Cluster.SecurityProtocol == "SASL_SSL" && c.Cluster.SASL.Mechanism == "PLAIN"
		},
		"listeners=http://0.0.0.0:8099": func(c *Config) bool { return c.HTTP.Listen == "0.0.0.0:8099" && c.HTTP.AllowAnonymous },
		"listeners=http://[::1]:8099":   func(c *Config) bool { return c.HTTP.Listen == "[::1]:8099" },
		"port=8099":                     func(c *Config) bool { return c.HTTP.Listen == "0.0.0.0:8099" },
		"host.name=127.0.0.1":           func(c *Config) bool { return c.HTTP.Listen == "127.0.0.1:8082" && c.Rest.HostName == "127.0.0.1" },
		"advertised.listeners=http://x:1,https://y:2": func(c *Config) bool {
			return cmp.Equal(c.Rest.AdvertisedListeners, []string{"http://x:1", "https://y:2"})
		},
		"id=r1": func(c *Config) bool { return c.Rest.ID == "r1" },
		"schema.registry.url=http://a:1,http://b:2": func(c *Config) bool { return cmp.Equal(c.Registry.URLs(), []string{"http://a:1", "http://b:2"}) },
		"schema.registry.url=":                      func(c *Config) bool { return c.Registry != nil && len(c.Registry.URLs()) == 0 },
		"schema.registry.url=https://a:1\nschema.registry.basic.auth.credentials.source=USER_INFO\nschema.registry.basic.auth.user.info=u:p:w": func(c *Config) bool {
			return c.Registry.Username == "u" && c.Registry.Password == "p:w"
		},
		"schema.registry.url=https://a:1\nschema.registry.ssl.truststore.location=t.jks\nschema.registry.ssl.truststore.password=x": func(c *Config) bool {
			return c.Registry.TLS.Truststore.Location == "t.jks" && c.Registry.TLS.Truststore.Type == "JKS"
		},
		"api.v2.enable=false": func(c *Config) bool { return !c.Rest.V2 },
		"api.v3.enable=false": func(c *Config) bool { return !c.Rest.V3 },
		"api.endpoints.allowlist=api.v3.topics.*, b": func(c *Config) bool {
			return cmp.Equal(c.Rest.Allow, []string{"api.v3.topics.*", "b"})
		},
		"api.endpoints.blocklist=api.v3.clusters.list": func(c *Config) bool { return cmp.Equal(c.Rest.Block, []string{"api.v3.clusters.list"}) },
		"confluent.resource.name.authority=x":          func(c *Config) bool { return c.Rest.Authority == "x" },
		"compression.enable=false":                     func(c *Config) bool { return !c.HTTP.Compression },
		"idle.timeout.ms=77":                           func(c *Config) bool { return c.HTTP.IdleTimeout == ms(77) },
		"shutdown.graceful.ms=77":                      func(c *Config) bool { return c.HTTP.DrainTimeout == ms(77) },
		"server.connection.limit=77":                   func(c *Config) bool { return c.HTTP.MaxConnections == 77 },
		"server.connection.limit=0":                    func(c *Config) bool { return c.HTTP.MaxConnections == 16384 },
		"http2.enabled=false":                          func(c *Config) bool { return !c.HTTP.HTTP2 },

		"consumer.auto.offset.reset=earliest": func(c *Config) bool { return c.Rest.ConsumerReset == "earliest" },
		"consumer.enable.auto.commit=false":   func(c *Config) bool { return !c.Rest.ConsumerCommit },
		"consumer.instance.timeout.ms=77":     func(c *Config) bool { return c.Rest.ConsumerIdle == ms(77) },
		"consumer.request.timeout.ms=77":      func(c *Config) bool { return c.Rest.ConsumerWait == ms(77) },
		"consumer.request.max.bytes=77":       func(c *Config) bool { return c.Rest.ConsumerMaxBytes == 77 },
		"fetch.min.bytes=77":                  func(c *Config) bool { return c.Rest.ConsumerMinBytes == 77 },

		"bootstrap.servers=a:1\nproducer.acks=1":                                                                           func(c *Config) bool { return c.Producer.Acks == "1" },
		"bootstrap.servers=a:1\nproducer.batch.size=4096":                                                                  func(c *Config) bool { return c.Producer.StickyBytes == 4096 },
		"bootstrap.servers=a:1\nproducer.partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner":        func(c *Config) bool { return c.Producer.Partitioner == "round_robin" },
		"bootstrap.servers=a:1\nproducer.partitioner.class=org.apache.kafka.clients.producer.UniformStickyPartitioner":     func(c *Config) bool { return c.Producer.Partitioner == "sticky" },
		"bootstrap.servers=a:1\nproducer.partitioner.class=org.apache.kafka.clients.producer.internals.DefaultPartitioner": func(c *Config) bool { return c.Producer.Partitioner == "default" },
		"bootstrap.servers=a:1\nclient.compression.type=zstd":                                                              func(c *Config) bool { return c.Producer.CompressionType == "zstd" },
		"bootstrap.servers=a:1\nproducer.max.request.size=77":                                                              func(c *Config) bool { return c.Producer.MaxMessageBytes == 77 },
		"bootstrap.servers=a:1\nproducer.enable.idempotence=false":                                                         func(c *Config) bool { return !*c.Producer.Idempotence },
		"bootstrap.servers=a:1\nproducer.delivery.timeout.ms=77":                                                           func(c *Config) bool { return c.Producer.DeliveryTimeoutMS == 77 },
		"bootstrap.servers=a:1\nclient.client.id=x":                                                                        func(c *Config) bool { return c.Cluster.ClientID == "x" },
		"api.v3.produce.batch.maximum.entries=50":                                                                          func(c *Config) bool { return c.Rest.MaxBatchEntries == 50 },
		"api.v3.produce.request.size.limit.max.bytes=77":                                                                   func(c *Config) bool { return c.Rest.MaxRecordBytes == 77 },
		"streaming.connection.max.duration.ms=77":                                                                          func(c *Config) bool { return c.Rest.StreamMax == ms(77) },
		"streaming.connection.max.duration.grace.period.ms=77":                                                             func(c *Config) bool { return c.Rest.StreamGrace == ms(77) },
		"null.request.body.always.publishes.empty.record=true":                                                             func(c *Config) bool { return c.Rest.NullIsTombstone },
		"rate.limit.enable=true": func(c *Config) bool {
			return c.Rest.Requests.PerSecond == 50 && c.Rest.Requests.PerCluster == 50
		},
		"rate.limit.enable=true\nrate.limit.permits.per.sec=7\nrate.limit.per.cluster.permits.per.sec=8\nrate.limit.timeout.ms=9\nrate.limit.default.cost=2\nrate.limit.costs=api.v3.clusters.*=1,api.v3.brokers.list=0": func(c *Config) bool {
			return cmp.Equal(c.Rest.Requests, restproxy.RequestLimit{PerSecond: 7, PerCluster: 8, Wait: ms(9), DefaultCost: 2, Costs: map[string]int{"api.v3.clusters.*": 1, "api.v3.brokers.list": 0}})
		},
		"rate.limit.permits.per.sec=7": func(c *Config) bool { return c.Rest.Requests.PerSecond == 0 }, // off
		"api.v3.produce.rate.limit.enabled=true\napi.v3.produce.rate.limit.max.requests.per.sec=1\napi.v3.produce.rate.limit.max.requests.global.per.sec=2\napi.v3.produce.rate.limit.max.bytes.per.sec=3\napi.v3.produce.rate.limit.max.bytes.global.per.sec=4": func(c *Config) bool {
			return c.Rest.Records == restproxy.RecordLimit{PerCluster: 1, Global: 2, BytesPerCluster: 3, BytesGlobal: 4}
		},
		"access.control.allow.origin=http://a,http://b": func(c *Config) bool { return len(c.HTTP.CORS.AllowedOrigins) == 2 },
		"access.control.allow.methods=GET,POST":         func(c *Config) bool { return len(c.HTTP.CORS.AllowedMethods) == 2 },
		"access.control.allow.headers=X-A":              func(c *Config) bool { return c.HTTP.CORS.AllowedHeaders[0] == "X-A" },
		"access.control.expose.headers=X-B":             func(c *Config) bool { return c.HTTP.CORS.ExposedHeaders[0] == "X-B" },
		"response.http.headers.config=add X-Foo: bar, set X-Bar: baz": func(c *Config) bool {
			return c.HTTP.Headers["X-Foo"] == "bar" && c.HTTP.Headers["X-Bar"] == "baz"
		},
		"response.http.headers.config=\"add Cache-Control: no-cache, no-store\", add X-XSS-Protection: 1; mode=block": func(c *Config) bool {
			return c.HTTP.Headers["Cache-Control"] == "no-cache, no-store" && c.HTTP.Headers["X-XSS-Protection"] == "1; mode=block"
		},
		"listeners=https://0.0.0.0:8082\nssl.keystore.location=k.jks\nssl.keystore.password=p\nssl.key.password=q\nssl.truststore.location=t.p12\nssl.truststore.password=r\nssl.truststore.type=PKCS12\nssl.client.authentication=REQUESTED": func(c *Config) bool {
			return c.HTTP.Listen == "0.0.0.0:8082" && cmp.Equal(c.HTTP.TLS, &gateway.TLS{Clients: "requested",
				Keystore:   &tlsstore.StoreSettings{Type: "JKS", Location: "k.jks", Password: "p", KeyPassword: "q"},
				Truststore: &tlsstore.StoreSettings{Type: "PKCS12", Location: "t.p12", Password: "r"}})
		},
		"listeners=https://127.0.0.1:8082\nssl.keystore.location=k.jks\nssl.client.auth=true":           func(c *Config) bool { return c.HTTP.TLS.Clients == "required" },
		"listeners=https://127.0.0.1:8082\nssl.keystore.location=k.jks\nssl.client.authentication=NONE": func(c *Config) bool { return c.HTTP.TLS.Clients == "" },
		"nosniff.prevention.enable=true": func(c *Config) bool { return c.HTTP.Headers["X-Content-Type-Options"] == "nosniff" },
		"hsts.header.enable=true":        func(c *Config) bool { return c.HTTP.Headers["Strict-Transport-Security"] != "" },
		"authentication.method=NONE":     func(c *Config) bool { return !c.HTTP.AllowAnonymous },
	} {
		t.Run(strings.ReplaceAll(text, "\n", " "), func(t *testing.T) {
			cfg, faults := load(t, text)
			if len(faults) > 0 || cfg.Warning != "" || !check(&cfg) {
				t.Errorf("%v %q %+v", faults, cfg.Warning, cfg)
			}
		})
	}
}

// TestKeysWithoutEffect has all the others: the warning names each one with
// the reason, and nothing changes.
func TestKeysWithoutEffect(t *testing.T) {
	for line := range strings.SplitSeq(`kafka.rest.resource.extension.class=x
debug=true
response.mediatype.default=x
response.mediatype.preferred=x
metrics.jmx.prefix=x
metric.reporters=x
thread.pool.min=1
thread.pool.max=1
proxy.protocol.enabled=true
use.custom.request.logging=true
consumer.threads=1
consumer.iterator.timeout.ms=1
consumer.iterator.backoff.ms=1
simpleconsumer.pool.size.max=1
simpleconsumer.pool.timeout.ms=1
producer.threads=1
api.v3.produce.response.thread.pool.size=1
rate.limit.backend=guava
rate.limit.per.cluster.cache.expiry.ms=1
api.v3.produce.rate.limit.cache.expiry.ms=1
dos.filter.enabled=true
dos.filter.max.requests.per.sec=1
dos.filter.max.requests.per.connection.per.sec=1
dos.filter.delay.ms=1
access.control.skip.options=false
reject.options.request=true
csrf.prevention.enable=true
authentication.realm=x
authentication.roles=x
authentication.skip.paths=x
ssl.keystore.location=x
ssl.keystore.password=x
ssl.key.password=x
ssl.truststore.location=x
ssl.truststore.password=x
client.timeout.ms=1
client.init.timeout.ms=1
confluent.rest.auth.propagate.method=SSL
confluent.rest.auth.ssl.principal.mapping.rules=DEFAULT
rest.servlet.initializor.classes=x
confluent.metadata.bootstrap.server.urls=x
public.key.path=x
confluent.metadata.http.auth.credentials.provider=x
confluent.metadata.basic.auth.user.info=x
confluent.license=x
no.such.key=1
producer.linger.ms=5
consumer.fetch.max.bytes=5
admin.retries=5
schema.registry.max.schemas.per.subject=5
schema.registry.basic.auth.user.info=u:p`, "\n") {
		t.Run(line, func(t *testing.T) {
			cfg, faults := load(t, "bootstrap.servers=a:1\n"+line)
			key, _, _ := strings.Cut(line, "=")
			if len(faults) > 0 || !strings.HasPrefix(cfg.Warning, key+" (") {
				t.Errorf("%v %q", faults, cfg.Warning)
			}
			cfg.Warning, cfg.Cluster, cfg.Lines = "", nil, nil
			if diff := cmp.Diff(base(), cfg); diff != "" {
				t.Errorf("it has an effect: %s", diff)
			}
		})
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		"listeners=https://0.0.0.0:8082": "ssl.keystore.location",
		"listeners=ftp://0.0.0.0:8082":   "listeners",
		"listeners=https://a:1\nssl.keystore.location=k\nssl.client.authentication=MAYBE": "ssl.client.authentication",
		"listeners=https://a:1\nssl.keystore.location=k\nssl.keystore.type=ZIP":           "ssl.keystore.type",
		"listeners=0.0.0.0:8082":                                "listeners",
		"port=abc":                                              "port",
		"authentication.method=BASIC":                           "authentication.method",
		"ssl.client.authentication=REQUIRED":                    "ssl.client.authentication",
		"ssl.client.auth=true":                                  "ssl.client.auth",
		"api.v2.enable=maybe":                                   "api.v2.enable",
		"consumer.auto.offset.reset=first":                      "consumer.auto.offset.reset",
		"consumer.instance.timeout.ms=5m":                       "consumer.instance.timeout.ms",
		"consumer.instance.timeout.ms=-5":                       "consumer.instance.timeout.ms",
		"api.v3.produce.batch.maximum.entries=51":               "api.v3.produce.batch.maximum.entries",
		"fetch.min.bytes=10000001":                              "fetch.min.bytes",
		"advertised.listeners=host":                             "advertised.listeners",
		"response.http.headers.config=X: y":                     "response.http.headers.config",
		"rate.limit.enable=true\nrate.limit.permits.per.sec=x":  "rate.limit.permits.per.sec",
		"rate.limit.enable=true\nrate.limit.costs=a":            "rate.limit.costs",
		"bootstrap.servers=a:1\nclient.security.protocol=X":     "client.security.protocol",
		"bootstrap.servers=a:1\nclient.ssl.nonsense=X":          "client.ssl.nonsense",
		"bootstrap.servers=a:1\nproducer.acks=7":                "producer.acks",
		"bootstrap.servers=a:1\nproducer.security.protocol=SSL": "producer.security.protocol",
	} {
		t.Run(text, func(t *testing.T) {
			_, faults := load(t, text)
			if len(faults) == 0 || faults[0].Path != want || strings.Contains(faults[0].Message, "%!") {
				t.Errorf("got %v, want %s", faults, want)
			}
		})
	}
}

func TestEnvironment(t *testing.T) {
	environ := []string{"PATH=/bin", "KAFKA_REST_ID=from-env", "KAFKA_REST_BOOTSTRAP_SERVERS=a:1", "KAFKA_REST_HEAP_OPTS=-Xmx1g", "KAFKA_REST_LOG4J_ROOT_LOGLEVEL=INFO",
		"KAFKA_REST_API_V3_PRODUCE_BATCH_MAXIMUM_ENTRIES=20", "KAFKA_REST_CLIENT_SECURITY_PROTOCOL=PLAINTEXT", "KAFKA_REST_LISTENERS=http://127.0.0.1:1"}
	cfg, faults := load(t, "id=from-file\nhost.name=h", environ...)
	if len(faults) > 0 || cfg.Warning != "" {
		t.Fatal(faults, cfg.Warning)
	}
	if cfg.Rest.ID != "from-env" || cfg.Rest.HostName != "h" || cfg.Rest.MaxBatchEntries != 20 || cfg.Cluster.BootstrapServer[0] != "a:1" || cfg.HTTP.Listen != "127.0.0.1:1" {
		t.Errorf("%+v", cfg)
	}
	if Present([]string{"PATH=x", "KAFKA_REST_HEAP_OPTS=x"}) || !Present(environ) {
		t.Error("whether there are keys is not told")
	}
}

func TestOneWarning(t *testing.T) {
	cfg, _ := load(t, "thread.pool.max=1\nthread.pool.min=2\ndebug=true\n# a comment\nlisteners=http://127.0.0.1:1,http://127.0.0.1:2")
	const want = "debug (stack traces are never sent to clients); listeners (only the first one, http://127.0.0.1:1, is served); thread.pool.max, thread.pool.min (there are no thread pools)"
	if cfg.Warning != want {
		t.Error(cfg.Warning)
	}
}

// TestNoListener: without listeners only this machine is served, and told so.
func TestNoListener(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, []byte("bootstrap.servers=a:1"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, faults, err := Load(file, nil, Config{HTTP: gateway.DefaultConfig(), Rest: restproxy.DefaultSettings(), Producer: kafka.DefaultProducerSettings()})
	if err != nil || len(faults) > 0 || cfg.HTTP.Listen != "127.0.0.1:8082" || !strings.HasPrefix(cfg.Warning, "listeners (not set: only this machine is served") {
		t.Error(err, faults, cfg.HTTP.Listen, cfg.Warning)
	}
}

func TestNoFile(t *testing.T) {
	if _, _, err := Load(filepath.Join(t.TempDir(), "none"), nil, base()); err == nil {
		t.Error("a file that is not there was read")
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("bootstrap.servers=a\nlisteners=http://a:1\nid=${x}")
	f.Add("rate.limit.enable=true\nrate.limit.costs=a=1,=,b")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, _, _ = Load(file, nil, base()) // it must not panic
	})
}
