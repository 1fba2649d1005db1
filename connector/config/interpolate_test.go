package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
)

func TestInterpolation(t *testing.T) {
	r := environment(
		map[string]string{
			"PORT": "9092", "HOST": "broker.example", "EMPTY": "", "NULL": "null", "YES": "true",
			"TRICK": "${HOST}: {a: 1} # x", "ZERO": "0123", "RATE": "1e3",
		},
		map[string]string{"/run/secrets/pw": "line one\r\n", "/run/secrets/two": "a\nb\n\n"},
	)
	for name, c := range map[string]struct {
		yaml string
		want any
	}{
		"plain number":             {`v: ${PORT}`, 9092},
		"quoted number is text":    {`v: "${PORT}"`, "9092"},
		"plain switch":             {`v: ${YES}`, true},
		"plain decimal":            {`v: ${RATE}`, 1000.0},
		"null is text":             {`v: ${NULL}`, "null"},
		"empty is text":            {`v: ${EMPTY}`, ""},
		"several":                  {`v: ${HOST}:${PORT}`, "broker.example:9092"},
		"number with text":         {`v: ${PORT}ms`, "9092ms"},
		"default unused":           {`v: ${PORT:-1}`, 9092},
		"default, unset":           {`v: ${MISSING:-42}`, 42},
		"default, empty":           {`v: ${EMPTY:-x}`, "x"},
		"empty default":            {`v: ${MISSING:-}`, ""},
		"default with punctuation": {`v: "${MISSING:-a:b-c}"`, "a:b-c"},
		"escape":                   {`v: $${PORT}`, "${PORT}"},
		"escape and value":         {`v: $${PORT}=${PORT} $5 $$`, "${PORT}=9092 $5 $$"},
		"value is not looked into": {`v: ${TRICK}`, "${HOST}: {a: 1} # x"},
		"file":                     {`v: ${file:/run/secrets/pw}`, "line one"},
		"file, one newline only":   {`v: ${file:/run/secrets/two}`, "a\nb\n"},
		"block text":               {"v: |\n  host ${HOST}\n", "host broker.example\n"},
		"mage":                     {`v: "{{ env_var('HOST') }}"`, "broker.example"},
		"mage, double quotes":      {`v: '{{env_var("HOST")}}:{{ env_var("PORT") }}'`, "broker.example:9092"},
		"mage, default unused":     {`v: "{{ env_var('HOST', 'x') }}"`, "broker.example"},
		"mage, default":            {`v: "{{ env_var('MISSING', 'x, y') }}"`, "x, y"},
		"mage, named default":      {`v: "{{ env_var('MISSING', default=7) }}"`, "7"},
		"mage, empty is a value":   {`v: "{{ env_var('EMPTY', 'x') }}"`, ""},
		"mage, both kinds":         {`v: "{{ env_var('HOST') }}:${PORT}"`, "broker.example:9092"},
		"mage, plain braces":       {`v: "{{ '{{' }} x }}"`, "{{ x }}"},
		"left to the source":       {`v: "select {{ window.start }}, {{window.end}}, {{ cursor }}"`, "select {{ window.start }}, {{window.end}}, {{ cursor }}"},
		"cursor alone":             {`v: "{{ cursor }}"`, "{{ cursor }}"},
		"single braces":            {`v: "{a} {%b"`, "{a} {%b"},
		"leading zero in text":     {`v: "${ZERO}"`, "0123"},
		"in a list":                {"v: [\"${HOST}\", b]", []any{"broker.example", "b"}},
		"unquoted in block list":   {"v:\n  - ${PORT}", []any{9092}},
		"tagged as text":           {`v: !!str ${PORT}`, "9092"},
		"merge":                    {"v: {<<: {a: ${PORT}", nil},
	} {
		t.Run(name, func(t *testing.T) {
			node, problems := config.Parse("f.yaml", []byte(c.yaml), r)
			if c.want == nil {
				if node != nil || problems.Err() == nil {
					t.Fatal("bad YAML was taken")
				}
				return
			}
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			if diff := cmp.Diff(c.want, node.Get("v").Value()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestInterpolatedTypes(t *testing.T) {
	r := environment(map[string]string{"N": "12", "Z": "0123", "T": "yes", "LIST": "a:1,b:2"}, nil)
	var got block
	problems := decode(t, `
bootstrap_server: ${LIST}
topic: "${N}"
api_version: ${Z}
batch_size: "{{ env_var('N') }}"
port: "${N}"
ratio: "{{ env_var('N') }}"
check_hostname: "{{ env_var('T') }}"
secret: ${Z}
`, r, &got)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	yes := true
	want := block{
		batching: batching{BatchSize: 12}, Brokers: []string{"a:1", "b:2"}, Topic: "12", APIVersion: "0123",
		Port: 12, Ratio: 12, Check: &yes, Secret: "0123",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
		t.Error(diff)
	}
}

// What feeds a key that holds a secret is hidden, wherever it came from; what
// feeds another stays readable, wherever it came from, unless it looks like one.
func TestTheKeyDecidesWhatIsMasked(t *testing.T) {
	r := environment(
		map[string]string{"WORD": "orders-by-day", "SWITCH": "true", "UNUSED": "never-read", "TOKEN": "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "PW": "geheim-77"},
		map[string]string{"/pw": "from-a-file\n"},
	)
	var got block
	problems := decode(t, `
bootstrap_server: "${WORD}.example.com"
topic: ${WORD}
api_version: ${TOKEN}
headers: {a: "${file:/pw}", b: "${SWITCH}"}
secret: x${PW}
`, r, &got)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	text := "orders-by-day orders-by-day.example.com from-a-file true never-read xgeheim-77 ghp_16C7e42F292c6912E7710c838347Ae178B4a"
	if got, want := r.Masker.Mask(text), "orders-by-day orders-by-day.example.com ****** true never-read ****** ******"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A secret that is the name of a topic as well stays readable as that.
func TestNamesStayReadable(t *testing.T) {
	r := environment(map[string]string{"X": "warehouse"}, nil)
	var got block
	if problems := decode(t, "bootstrap_server: warehouse:9092\ntopic: ${X}\nsecret: ${X}\n", r, &got); len(problems) > 0 {
		t.Fatal(problems)
	}
	text := `write to warehouse at warehouse:9092`
	if got := r.Masker.Mask(text); got != text {
		t.Errorf("got %q", got)
	}
}

func TestInsertionsAreBounded(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	r := environment(nil, map[string]string{"/big": big, "/bigger": big + "x"})
	for name, c := range map[string]struct{ src, want string }{
		"one file":  {"a: ${file:/bigger}", "f.yaml:1:4: the file \"/bigger\" of a ${file:…} is larger than 1048576 bytes"},
		"all of it": {"a:\n" + strings.Repeat("- ${file:/big}\n", 1000), "f.yaml:10:3: what ${…} brings in comes to more than 8388608 bytes"},
		"one value": {"a: " + strings.Repeat("${file:/big}", 20), "f.yaml:1:4: what ${…} brings in comes to more than 8388608 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			node, problems := config.Parse("f.yaml", []byte(c.src), r)
			if diff := cmp.Diff(c.want, problems.Error()); diff != "" {
				t.Error(diff)
			}
			if text, ok := node.Get("a").Text(); ok {
				t.Errorf("a broken value gives a text of %d bytes", len(text))
			}
		})
	}
}

func TestParseFile(t *testing.T) {
	t.Setenv("HEADRACE_TEST_TOPIC", "orders")
	dir := t.TempDir()
	good := filepath.Join(dir, "good.yaml")
	secret := filepath.Join(dir, "secret")
	large := filepath.Join(dir, "large.yaml")
	for path, content := range map[string]string{
		good:   "\ufefftopic: ${HEADRACE_TEST_TOPIC}\nsecret: ${file:" + secret + "}\n",
		secret: "s3cret\n",
		large:  strings.Repeat("# \n", 400_000),
	} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node, problems := config.ParseFile(good, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	want := map[string]any{"topic": "orders", "secret": "s3cret"}
	if diff := cmp.Diff(want, node.Value()); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.yaml"): "cannot read the file: there is no such file",
		dir:                             "cannot read the file: is a directory",
		large:                           "cannot read the file: larger than 1048576 bytes",
	} {
		_, problems := config.ParseFile(path, nil)
		if got := problems.Error(); got != path+": "+want {
			t.Errorf("got %q, want %q", got, path+": "+want)
		}
	}
}

func TestForeignErrorsDoNotShowTheText(t *testing.T) {
	var dst struct {
		Echo echo             `mapstructure:"echo"`
		Also connector.Secret `mapstructure:"also"`
	}
	problems := decode(t, "echo: hunter22", nil, &dst)
	if got := problems.Error(); strings.Contains(got, "hunter22") || len(problems) != 1 {
		t.Errorf("got %q", got)
	}
}

// echo reads no text and repeats it, as parsers of the standard library do.
type echo struct{}

func (*echo) UnmarshalText(b []byte) error { return errors.New("cannot parse " + string(b)) }
