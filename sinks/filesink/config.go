// Package filesink writes records to a file, one line each. The file has its
// name only when it is complete: it is written beside it, synced and renamed.
package filesink

import (
	"github.com/headrace/headrace/connector"
)

// Config are the keys of a file exporter.
type Config struct {
	Path   string `mapstructure:"path" required:"true" doc:"the file; it is replaced when the run has ended"`
	Format string `mapstructure:"format" enum:"value,json" doc:"value: the value of each record on a line; json: data and metadata, as the file source reads them"`
	Append bool   `mapstructure:"append" doc:"add to the file as records come, instead of replacing it at the end"`
	Sync   bool   `mapstructure:"sync" doc:"force each batch to the disk before it is acknowledged, so that a crash of the machine loses nothing either"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config { return Config{Format: "value"} }

// Validate reports values that cannot work.
func (c *Config) Validate() []connector.Fault {
	var faults []connector.Fault
	if c.Path == "" {
		faults = append(faults, connector.Fault{Path: "path", Message: "must not be empty"})
	}
	if c.Format != "value" && c.Format != "json" {
		faults = append(faults, connector.Fault{Path: "format", Message: "must be value or json"})
	}
	return faults
}
