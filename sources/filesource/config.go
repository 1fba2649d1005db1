// Package filesource reads files: JSON lines, CSV or text, plain or
// compressed, one or many by a pattern. It keeps its position, so that a run
// that was killed goes on behind the last record that was acknowledged.
package filesource

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/formats"
)

// Config are the keys of a file block.
type Config struct {
	Path           string `mapstructure:"path" required:"true" doc:"file, or a pattern such as data/*.ndjson.gz; ** stands for folders at any depth, {a,b} for one of them"`
	Take           string `mapstructure:"take" enum:"all,new" doc:"all reads each file from its start in each run; new reads files not taken yet and what was added to the others; default all for runs that end. A stream follows the files"`
	Compression    string `mapstructure:"compression" enum:"auto,none,gzip,zstd,bzip2" doc:"auto goes by the end of the name (.gz, .zst, .bz2) and by the first bytes of the content"`
	formats.Config `mapstructure:",squash"`
}

// What a run takes of files that an earlier one has read.
const (
	TakeAll = "all"
	TakeNew = "new"
)

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	return Config{Take: TakeAll, Compression: "auto", Config: formats.DefaultConfig()}
}

// Validate reports values that cannot work.
func (c *Config) Validate() []connector.Fault {
	if c.Format == "" {
		c.Format = formatOf(c.Path)
	}
	if c.Delimiter == "," && strings.HasSuffix(plainName(c.Path), ".tsv") {
		c.Delimiter = "\t"
	}
	faults := c.Config.Validate()
	if wrong := checkPattern(c.Path); wrong != "" {
		faults = append(faults, connector.Fault{Path: "path", Message: wrong})
	}
	return faults
}

// CheckFiles reports that nothing is there to read. dir is where relative
// paths start.
func (c *Config) CheckFiles(dir string) []connector.Fault {
	path := c.Path
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if strings.ContainsAny(path, meta) {
		return nil // files may come later
	}
	if err := readable(path); err != nil {
		message := "cannot be read: " + reason(err)
		if os.IsNotExist(err) {
			message += connector.LookedAt(c.Path, dir, "the project's folder")
		}
		return []connector.Fault{{Path: "path", Message: message}}
	}
	return nil
}

// What cannot be read here, and what can be done about it.
const (
	aFolder   = "it is a folder; name the files in it by a pattern such as folder/*.ndjson"
	notAsFile = "only files can be read here, not pipes and devices; use stdin or exec"
)

// readable opens and closes a file. Nothing else is opened: a pipe would wait
// for whoever writes to it.
func readable(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errors.New(aFolder)
	case !info.Mode().IsRegular():
		return errors.New(notAsFile)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

func reason(err error) string {
	if os.IsNotExist(err) {
		return "there is no such file"
	}
	if os.IsPermission(err) {
		return "permission denied"
	}
	return err.Error()
}

// formatOf guesses by the name: csv and tsv, txt and log, and JSON lines for
// the rest.
func formatOf(path string) string {
	switch filepath.Ext(plainName(path)) {
	case ".csv", ".tsv":
		return formats.CSV
	case ".txt", ".log":
		return formats.Text
	default:
		return formats.NDJSON
	}
}

// suffixes are the ends that compression adds to names.
var suffixes = map[string]string{".gz": formats.Gzip, ".zst": formats.Zstd, ".bz2": formats.Bzip2}

// plainName is the name without the end that compression adds.
func plainName(path string) string {
	path = strings.ToLower(path)
	if suffixes[filepath.Ext(path)] != "" {
		return strings.TrimSuffix(path, filepath.Ext(path))
	}
	return path
}

// compressionOf returns what a file is compressed with.
func (c *Config) compressionOf(path string) string {
	if c.Compression != "auto" {
		return c.Compression
	}
	if named := suffixes[strings.ToLower(filepath.Ext(path))]; named != "" {
		return named
	}
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return formats.None // a pipe would wait for whoever writes to it
	}
	f, err := os.Open(path)
	if err != nil {
		return formats.None
	}
	defer f.Close()
	begin := make([]byte, formats.MagicBytes)
	n, _ := f.ReadAt(begin, 0)
	return formats.Compression(begin[:n])
}

// packed reports that what is read of a file is not what is stored.
func (c *Config) packed(path string) bool {
	return c.Recoded() || c.compressionOf(path) != formats.None
}
