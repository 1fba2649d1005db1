package schema

import (
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
)

// Settings are the keys of schema_registry.
type Settings struct {
	httpclient.Settings `mapstructure:",squash"`

	Normalize bool               `mapstructure:"normalize" doc:"let the registry take schemas for the same that differ in spelling only"`
	Timeout   connector.Duration `mapstructure:"timeout" doc:"longest time of one call with its retries"`
	LatestTTL connector.Duration `mapstructure:"latest_ttl" doc:"how long the latest version of a subject is not asked for again"`
	CacheSize int                `mapstructure:"cache_size" doc:"schemas that are kept"`
}

// DefaultSettings returns the values of keys that are not written.
func DefaultSettings() Settings {
	return Settings{Timeout: connector.Duration(5 * time.Second), LatestTTL: connector.Duration(10 * time.Second), CacheSize: 1000}
}

// maxCacheSize bounds cache_size.
const maxCacheSize = 100_000

// Validate reports values that cannot work.
func (s *Settings) Validate() []connector.Fault {
	faults := s.Settings.Validate()
	for _, d := range []struct {
		key   string
		value connector.Duration
	}{{"timeout", s.Timeout}, {"latest_ttl", s.LatestTTL}} {
		if d.value <= 0 {
			faults = append(faults, connector.Fault{Path: d.key, Message: "must be more than 0"})
		}
	}
	if s.CacheSize < 1 || s.CacheSize > maxCacheSize {
		faults = append(faults, connector.Fault{Path: "cache_size", Message: "must be 1 to 100000"})
	}
	return faults
}

// IsZero reports whether no registry is named.
func (s *Settings) IsZero() bool { return len(s.URLs()) == 0 }

// Registry is an open registry.
type Registry struct {
	*Schemas
	http       *httpclient.Client
	unregister func()
}

// Open makes the client of checked settings that name a registry; it needs no
// network. name is what the registry is called in the log. The metrics of its
// tokens are in reg, which may be nil, until the registry is closed.
func Open(name string, s Settings, reg prometheus.Registerer, log *slog.Logger) (*Registry, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	http, err := httpclient.New(name, s.Settings, log)
	if err != nil {
		return nil, err
	}
	client, err := New(Config{URLs: s.URLs(), HTTP: http, Timeout: time.Duration(s.Timeout), Normalize: s.Normalize})
	if err != nil {
		return nil, errors.Join(err, http.Close())
	}
	remove, err := block.Register(reg, http.Collectors())
	if err != nil {
		return nil, errors.Join(err, http.Close())
	}
	schemas := NewSchemas(client, Limits{MaxSchemas: s.CacheSize, LatestTTL: time.Duration(s.LatestTTL)})
	return &Registry{Schemas: schemas, http: http, unregister: remove}, nil
}

// Close ends the renewal of tokens and closes idle connections.
func (r *Registry) Close() error {
	r.unregister()
	return r.http.Close()
}
