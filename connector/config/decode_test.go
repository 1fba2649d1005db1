package config_test

import (
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
)

// environment is a Resolver on fixed variables and files.
func environment(vars, files map[string]string) *config.Resolver {
	return &config.Resolver{
		LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if content, ok := files[path]; ok {
				return []byte(content), nil
			}
			return nil, &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
		},
		Masker: new(config.Masker),
	}
}

type store struct {
	Type     string           `mapstructure:"type" enum:"PEM,PKCS12,JKS" doc:"kind of store"`
	Location string           `mapstructure:"location" required:"true" doc:"file"`
	Password connector.Secret `mapstructure:"password" doc:"password of the store"`
}

type retry struct {
	Attempts int                `mapstructure:"attempts"`
	Delay    connector.Duration `mapstructure:"delay"`
}

func (r *retry) SetDefaults() { r.Attempts = 3 }

func (r *retry) Validate() []connector.Fault {
	if r.Attempts < 1 {
		return []connector.Fault{{Path: "attempts", Message: "must be at least 1"}}
	}
	return nil
}

type batching struct {
	BatchSize int `mapstructure:"batch_size" doc:"records per batch"`
	TimeoutMS int `mapstructure:"timeout_ms"`
}

func (b *batching) Validate() []connector.Fault {
	if b.BatchSize > 1000 {
		return []connector.Fault{{Path: "batch_size", Message: "must be at most 1000"}}
	}
	return nil
}

// cron is a text or a map.
type cron struct {
	Cron     string `mapstructure:"cron"`
	Timezone string `mapstructure:"timezone"`
}

func (c *cron) UnmarshalText(b []byte) error { c.Cron = string(b); return nil }

type block struct {
	batching
	Batching2  batching2          `mapstructure:",squash"`
	Brokers    []string           `mapstructure:"bootstrap_server" required:"true" doc:"brokers, host:port"`
	Topic      string             `mapstructure:"topic" required:"true"`
	APIVersion string             `mapstructure:"api_version"`
	Protocol   string             `mapstructure:"security_protocol" enum:"PLAINTEXT,SSL,SASL_PLAINTEXT,SASL_SSL"`
	Codecs     []string           `mapstructure:"codecs" enum:"none,gzip,lz4"`
	Check      *bool              `mapstructure:"check_hostname"`
	Trust      *store             `mapstructure:"truststore"`
	Stores     []store            `mapstructure:"stores"`
	Retry      *retry             `mapstructure:"retry"`
	Retries    map[string]retry   `mapstructure:"retries"`
	Headers    map[string]string  `mapstructure:"headers"`
	Secret     connector.Secret   `mapstructure:"secret"`
	Linger     connector.Duration `mapstructure:"linger"`
	Plain      time.Duration      `mapstructure:"plain"`
	Max        connector.ByteSize `mapstructure:"max_bytes"`
	Ratio      float64            `mapstructure:"ratio"`
	Small      int8               `mapstructure:"small"`
	Port       uint16             `mapstructure:"port"`
	Any        any                `mapstructure:"any"`
	Extra      map[string]any     `mapstructure:"extra"`
	Raw        *config.Node       `mapstructure:"raw"`
	Schedule   cron               `mapstructure:"schedule"`
}

type batching2 struct {
	Squashed bool `mapstructure:"squashed"`
}

func decode(t *testing.T, src string, r *config.Resolver, dst any, ignore ...string) config.Problems {
	t.Helper()
	node, problems := config.Parse("block.yaml", []byte(src), r)
	if node == nil {
		return problems
	}
	return append(problems, node.Named("connector kafka").Decode(dst, ignore...)...).Sort()
}

func TestDecodeFillsTheStruct(t *testing.T) {
	got := block{}
	got.TimeoutMS = 500
	got.Codecs = []string{"none", "gzip", "lz4"}
	p := decode(t, `
bootstrap_server: a:1, b:2
topic: orders
api_version: 2.6
batch_size: ${N}
squashed: true
security_protocol: sasl_ssl
codecs: [LZ4]
check_hostname: no
truststore: {type: pem, location: /x, password: hunter22}
stores: [{location: /a}, {location: /b, type: jks}]
retry: {delay: 3s}
retries: {a: {delay: 1s, attempts: 7}}
headers: {a: 1, "b.c": true}
linger: 1m
plain: 2s
max_bytes: 64KiB
ratio: 1
small: -128
port: 65535
any: [1, x, {y: 1.5}, null]
extra: {deep: {er: 0x10}, none: ~}
secret: null
schedule: "@hourly"
`, environment(map[string]string{"N": "12"}, nil), &got)
	if len(p) > 0 {
		t.Fatal(p)
	}
	no := false
	want := block{
		batching: batching{BatchSize: 12, TimeoutMS: 500}, Batching2: batching2{Squashed: true},
		Brokers: []string{"a:1", "b:2"}, Topic: "orders", APIVersion: "2.6", Protocol: "SASL_SSL",
		Codecs: []string{"lz4"}, Check: &no,
		Trust:   &store{Type: "PEM", Location: "/x", Password: "hunter22"},
		Stores:  []store{{Location: "/a"}, {Location: "/b", Type: "JKS"}},
		Retry:   &retry{Attempts: 3, Delay: connector.Duration(3 * time.Second)},
		Retries: map[string]retry{"a": {Attempts: 7, Delay: connector.Duration(time.Second)}},
		Headers: map[string]string{"a": "1", "b.c": "true"},
		Linger:  connector.Duration(time.Minute), Plain: 2 * time.Second, Max: 64 << 10,
		Ratio: 1, Small: -128, Port: 65535,
		Any:      []any{1, "x", map[string]any{"y": 1.5}, nil},
		Extra:    map[string]any{"deep": map[string]any{"er": 16}, "none": nil},
		Schedule: cron{Cron: "@hourly"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
		t.Error(diff)
	}
}
