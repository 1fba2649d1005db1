// Package formats splits a stream of bytes into messages: JSON lines, CSV rows
// or text lines, in batches whose memory is reused once they are acknowledged.
// The sources that read bytes (files, standard input, commands) share it.
package formats

import (
	"fmt"
	"maps"
	"slices"

	"github.com/headrace/headrace/connector"
)

// The formats of a stream.
const (
	NDJSON = "ndjson"
	CSV    = "csv"
	Text   = "text"
)

// Config are the keys about records that every byte source has.
type Config struct {
	Format         string             `mapstructure:"format" enum:"ndjson,csv,text" doc:"how the input is divided into records"`
	Encoding       string             `mapstructure:"encoding" doc:"what the text is written in: utf-8, utf-16, utf-16le, utf-16be, latin1, windows-1252 or another name of the web; default utf-8"`
	MaxRecordBytes connector.ByteSize `mapstructure:"max_record_bytes" doc:"largest record; of a larger one the first 64KiB go to the dead letters"`
	Envelope       string             `mapstructure:"envelope" enum:"strict,loose" doc:"strict: a map is a message when its only keys are data and metadata; loose: Mage's rule, when it has a key data"`
	NullAs         string             `mapstructure:"null_as" enum:"tombstone,json" doc:"what a data of null with a key becomes"`
	Header         bool               `mapstructure:"header" doc:"csv: the first row of each file names the columns"`
	Columns        []string           `mapstructure:"columns" doc:"csv: names of the columns, for input without a header"`
	Types          map[string]string  `mapstructure:"types" doc:"csv: type of a column by name: string, int, float, bool or auto"`
	DefaultType    string             `mapstructure:"default_type" enum:"string,auto" doc:"csv: type of the other columns; auto makes numbers of what is written as one"`
	NullValues     []string           `mapstructure:"null_values" doc:"csv: texts that mean null, such as NA"`
	Delimiter      string             `mapstructure:"delimiter" doc:"csv: one character; default comma"`
}

// DefaultConfig returns the values of keys that are not written. Format "" is
// for the source to fill in.
func DefaultConfig() Config {
	return Config{MaxRecordBytes: 1 << 20, Envelope: "strict", NullAs: "tombstone", Header: true, DefaultType: "string", Delimiter: ","}
}

// maxRecordBytes bounds max_record_bytes: a record is held in memory whole.
const maxRecordBytes = 64 << 20

// Validate reports values that cannot work.
func (c *Config) Validate() []connector.Fault {
	var faults []connector.Fault
	fault := func(path, format string, args ...any) {
		faults = append(faults, connector.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	if c.MaxRecordBytes < 1 || c.MaxRecordBytes > maxRecordBytes {
		fault("max_record_bytes", "must be between 1 and 64MiB")
	}
	if _, ok := encodingOf(c.Encoding); !ok {
		fault("encoding", "is not known; there are utf-8, utf-16, utf-16le, utf-16be, latin1, windows-1252 and the other names of the web, such as shift_jis")
	}
	if len([]rune(c.Delimiter)) != 1 || c.Delimiter == `"` || c.Delimiter == "\n" || c.Delimiter == "\r" {
		fault("delimiter", "must be one character, and neither a quote nor a line end")
	}
	if !c.Header && c.Format == CSV && len(c.Columns) == 0 {
		fault("columns", "csv without a header needs the names of its columns")
	}
	for _, name := range sortedKeys(c.Types) {
		if _, ok := parseType(c.Types[name]); !ok {
			fault("types."+name, "unknown type; use string, int, float, bool or auto")
		}
	}
	return faults
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func (c *Config) envelope() Envelope {
	return Envelope{Loose: c.Envelope == "loose", NullAsJSON: c.NullAs == "json"}
}
