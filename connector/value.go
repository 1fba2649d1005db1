package connector

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Fault is one thing wrong with a decoded configuration. Path names the key
// relative to the struct that was validated, such as "ssl_config.cafile" or
// "headers[1].name"; "" is the struct itself. Message says what is wrong and
// what to do, without the value when that may be a secret.
type Fault struct {
	Path    string
	Message string
}

// Validator is implemented by configuration structs. Validate reports every
// fault at once and needs no network. The loader turns paths into positions.
type Validator interface {
	Validate() []Fault
}

// Secret is a string that prints as "******" in every format. Reveal is the
// only way to the text.
type Secret string

const masked = "******"

// Reveal returns the secret text.
func (s Secret) Reveal() string { return string(s) }

// String masks the text; an empty secret prints as "".
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return masked
}

// Format masks the text for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalText masks the text in JSON and YAML.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText keeps the text as it is.
func (s *Secret) UnmarshalText(b []byte) error { *s = Secret(b); return nil }

// Duration is written as "30s", "10m" or "1h30m" in configuration files.
type Duration time.Duration

// UnmarshalText reads the form of time.ParseDuration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("not a duration; write it like 500ms, 30s or 1h30m")
	}
	if v < 0 {
		return fmt.Errorf("a duration cannot be negative")
	}
	*d = Duration(v)
	return nil
}

// MarshalText writes the form of time.Duration.String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// ByteSize is written as a number of bytes or with a unit: 512, 64KiB, 10MiB,
// 1GB.
type ByteSize int64

var byteUnits = []struct {
	suffix string
	factor float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"KB", 1e3}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

// UnmarshalText reads a count of bytes with an optional unit.
func (s *ByteSize) UnmarshalText(b []byte) error {
	text, factor := strings.TrimSpace(string(b)), 1.0
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(text, u.suffix); ok {
			text, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 || v*factor > 1<<62 {
		return fmt.Errorf("not a size; write it like 1048576, 64KiB or 10MiB")
	}
	*s = ByteSize(v * factor)
	return nil
}

// MarshalText writes the number of bytes.
func (s ByteSize) MarshalText() ([]byte, error) {
	return strconv.AppendInt(nil, int64(s), 10), nil
}
