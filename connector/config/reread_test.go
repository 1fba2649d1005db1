package config_test

import (
	"testing"

	"github.com/headrace/headrace/connector"
)

// A value that is one ${file:…} brings along where it came from, for keys that
// are read again; anything else does not.
func TestWhereAValueCameFrom(t *testing.T) {
	type settings struct {
		Secret connector.Secret `mapstructure:"secret" reread:"secret_file"`
		File   string           `mapstructure:"secret_file"`
	}
	files := map[string]string{"/run/s": "first\n", "/run/t": "other"}
	for src, want := range map[string]settings{
		"secret: ${file:/run/s}\n":                      {"first", "/run/s"},
		"secret: \"${file:/run/s}\"\n":                  {"first", "/run/s"},
		"secret: x${file:/run/s}\n":                     {"xfirst", ""},
		"secret: ${file:/run/s}${file:/run/t}\n":        {"firstother", ""},
		"secret: ${S}\n":                                {"env", ""},
		"secret: plain\n":                               {"plain", ""},
		"secret_file: /run/t\nsecret: ${file:/run/s}\n": {"first", "/run/t"},
		"secret: $${file:/run/s}\n":                     {"${file:/run/s}", ""},
	} {
		var got settings
		if problems := decode(t, src, environment(map[string]string{"S": "env"}, files), &got); len(problems) > 0 || got != want {
			t.Errorf("%q: %q from %q, want %q from %q: %v", src, got.Secret.Reveal(), got.File, want.Secret.Reveal(), want.File, problems)
		}
	}
}
