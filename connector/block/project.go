package block

import (
	"path/filepath"
	"reflect"
	"time"

	"github.com/headrace/headrace/connector"
)

// Project is what the blocks of a project share.
type Project struct {
	Dir      string // where relative paths start
	StateDir string
	shared   map[reflect.Type]any
}

// Share lets every block of the project have v, one value of each type: the
// settings of the default cluster, of the Schema Registry.
func Share[T any](p *Project, v T) {
	if p.shared == nil {
		p.shared = map[reflect.Type]any{}
	}
	p.shared[reflect.TypeFor[T]()] = v
}

// Shared returns what the project shares of a type.
func Shared[T any](p *Project) (v T, ok bool) {
	v, ok = p.shared[reflect.TypeFor[T]()].(T)
	return v, ok
}

// Path returns path as seen from Dir.
func (p *Project) Path(path string) string {
	if path == "" || p.Dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.Dir, path)
}

// What the configuration of a connector may implement beside
// connector.Validator. All of it is called on a pointer to the configuration,
// after it was decoded.
type (
	// Preparer fills in what the project gives and reports what is wrong then.
	Preparer interface {
		Prepare(p *Project) []connector.Fault
	}
	// FileChecker reports inputs that are not there. It is asked by validate; a
	// run without them fails, and no other.
	FileChecker interface {
		CheckFiles(dir string) []connector.Fault
	}
	// Describer says in words where a part of a source's position is. The state
	// keeps the positions of sources whose configuration is one; the others have
	// none, or their broker keeps them.
	Describer interface {
		Describe(part string, at []byte) (string, error)
	}
	// Warner returns what is told when a pipeline is loaded.
	Warner interface {
		Warnings() []string
	}
	// User declares what the connector reaches, for doctor and plan.
	User interface {
		Uses() []Use
	}
	// Targeter names the topic, queue or file that records go to which name
	// none themselves; it is written into dead letters.
	Targeter interface {
		Target() string
	}
)

// Use is something that a connector reaches. Uses with equal settings are one
// connection.
type Use struct {
	Settings any // of the connection: kafka.Settings, httpclient.Settings, …
	Topics   []Topic
}

// Topic is a topic and what is done with it.
type Topic struct {
	Name        string
	Read, Write bool
}

// TopicOpener is an exporter's configuration that can write dead letters to a
// topic, beside the records themselves.
type TopicOpener interface {
	OpenTopic(topic string, env Env) (connector.Sink, error)
}

// Retrier is the configuration of a sink whose client does not try again by
// itself: the exporter does, as the policy says.
type Retrier interface {
	RetryPolicy() Retry
}

// Retry says how long a record is tried again that failed for a reason that may
// pass.
type Retry struct {
	Timeout  connector.Duration `mapstructure:"timeout" doc:"the longest a record is tried; then the run fails"`
	Delay    connector.Duration `mapstructure:"delay" doc:"wait before the second attempt; it doubles with each further one, unless the destination says how long"`
	MaxDelay connector.Duration `mapstructure:"max_delay" doc:"the longest wait between two attempts"`
}

// DefaultRetry returns the values of keys that are not written.
func DefaultRetry() Retry {
	return Retry{Timeout: connector.Duration(2 * time.Minute), Delay: connector.Duration(200 * time.Millisecond), MaxDelay: connector.Duration(30 * time.Second)}
}
