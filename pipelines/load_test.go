package pipelines_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/pipelines"
)

// files writes files into a new folder and makes it the current one, so that
// positions read as they do for users.
func files(t *testing.T, texts map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range texts {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, name, text)
	}
}

// inHere is text with HERE in place of the current folder.
func inHere(t *testing.T, text string) string {
	t.Helper()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(text, here, "HERE")
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

const (
	reads  = "  - {type: data_loader, connector_type: stdin}\n"
	prints = "  - {type: data_exporter, connector_type: stdout}\n"
)

// TestBadFiles are the messages for what can be wrong in one file p.yaml, all
// of them at once.
func TestBadFiles(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"nothing", "", `p.yaml:1:1: a pipeline needs a list of blocks: a data_loader and a data_exporter at least`},
		{"no blocks", "name: a\n", `p.yaml:1:1: a pipeline needs a list of blocks: a data_loader and a data_exporter at least`},
		{"blocks are a map", "blocks: {a: b}\n", `p.yaml:1:1: a pipeline needs a list of blocks: a data_loader and a data_exporter at least`},
		{"a block is a text", "blocks:\n  - stdin\n" + prints, `p.yaml:2:5: a block is a map with type and connector_type`},
		{"unknown keys", "nam: a\nblocks:\n" + reads + "  - {type: data_exporter, connector_type: stdout, formt: json}\n", `
p.yaml:1:1: unknown key "nam" in the pipeline; did you mean "name"?
p.yaml:4:51: unknown key "formt" in connector stdout; did you mean "format"?`},
		{"a duplicate key", "blocks:\n  - {type: data_loader, connector_type: stdin, format: text, format: csv}\n" + prints, `p.yaml:2:62: duplicate key "format"; it is set in line 2 already`},
		{"a duplicate key on top", "name: a\nname: b\nblocks:\n" + reads + prints, `p.yaml:2:1: duplicate key "name"; it is set in line 1 already`},
		{"wrong types", "retry: {attempts: many, delay: soon}\nblocks:\n  - {type: data_loader, connector_type: exec, command: {a: b}}\n  - {type: data_exporter, connector_type: stdout, batch_size: ten, timeout_ms: [1]}\n", `
p.yaml:1:19: attempts must be a whole number, not text
p.yaml:1:32: delay is not a duration; write it like 500ms, 30s or 1h30m
p.yaml:3:56: command must be a list, not a map
p.yaml:4:63: batch_size must be a whole number, not text
p.yaml:4:80: timeout_ms must be a whole number, not a list`},
		{"values out of range", "retry: {attempts: -1, factor: 0.5}\nblocks:\n" + reads + "  - {type: data_exporter, connector_type: stdout, batch_size: 0, timeout_ms: -1}\n", `
p.yaml:1:19: attempts must be 0 or more
p.yaml:1:31: factor must be between 1 and 100
p.yaml:4:63: batch_size must be between 1 and 100000 records
p.yaml:4:78: timeout_ms must be between 0 and 600000 ms`},
		{"a factor that is no number", "retry: {factor: .nan}\nblocks:\n" + reads + prints, `p.yaml:1:17: factor must be a finite number`},
		{"a bad enum", "blocks:\n  - {type: data_loader, connector_type: stdin, format: jsn}\n" + prints, `p.yaml:2:56: format must be one of ndjson, csv, text`},
		{"an unknown type", "blocks:\n  - {type: loader, connector_type: stdin}\n" + prints, `p.yaml:2:12: type must be one of data_loader, transformer, data_exporter`},
		{"an unknown connector", "blocks:\n  - {type: data_loader, connector_type: fil}\n" + prints, `p.yaml:2:41: unknown connector_type for a data_loader; did you mean "file"?; there are exec, file, kafka, mock, stdin`},
		{"a connector of another type", "blocks:\n  - {type: data_loader, connector_type: stdout}\n" + prints, `p.yaml:2:41: unknown connector_type for a data_loader; there are exec, file, kafka, mock, stdin`},
		{"missing keys", "blocks:\n  - {type: data_loader, connector_type: file}\n  - {connector_type: stdout}\n", `
p.yaml:2:5: missing key "path" in connector file
p.yaml:3:5: missing key "type" in the block`},
		{"an empty value", "blocks:\n  - {type: data_loader, connector_type: file, path: \"\"}\n" + prints, `p.yaml:2:53: path must not be empty`},
		{"no such file, and a folder", "blocks:\n  - {type: data_loader, connector_type: file, path: no.csv}\n  - {name: b, type: data_loader, connector_type: file, path: .}\n  - {type: data_exporter, connector_type: stdout, upstream_blocks: [file, b]}\n", `
p.yaml:2:53: cannot be read: there is no such file; looked at "HERE/no.csv", as relative paths start at the project's folder
p.yaml:3:62: cannot be read: it is a folder; name the files in it by a pattern such as folder/*.ndjson`},
		{"cyclic blocks", "blocks:\n" + reads +
			"  - {name: a, type: transformer, connector_type: expression, filter: \"true\", upstream_blocks: [b]}\n" +
			"  - {name: b, type: transformer, connector_type: expression, filter: \"true\", upstream_blocks: [a]}\n" +
			"  - {type: data_exporter, connector_type: stdout, upstream_blocks: [stdin]}\n", `p.yaml:4:78: cyclic blocks: "a" reads, over others, from itself`},
		{"a block of itself", "blocks:\n" + reads + "  - {name: a, type: data_exporter, connector_type: stdout, upstream_blocks: [a]}\n", `p.yaml:3:60: block "a" cannot read from itself`},
		{"no such upstream block", "blocks:\n" + reads + "  - {type: data_exporter, connector_type: stdout, upstream_blocks: [stdn, stdin, stdin]}\n", `
p.yaml:3:51: "stdin" is named twice
p.yaml:3:51: no block is named "stdn"; did you mean "stdin"?`},
		{"an exporter below an exporter", "blocks:\n" + reads + prints + prints, `p.yaml:4:5: block "stdout_2" stands below the exporter "stdout"; name its upstream_blocks`},
		{"names of blocks", "blocks:\n  - {name: \"a/../../../x\", type: data_loader, connector_type: stdin}\n  - {name: \".\", type: data_exporter, connector_type: stdout}\n", `
p.yaml:2:6: a block's name is 1 to 128 letters, digits, dots, dashes and underscores, and begins with a letter or a digit
p.yaml:3:6: a block's name is 1 to 128 letters, digits, dots, dashes and underscores, and begins with a letter or a digit`},
		{"two blocks of one name", "blocks:\n  - {name: x, type: data_loader, connector_type: stdin}\n  - {name: x, type: data_exporter, connector_type: stdout}\n", `p.yaml:3:6: block name "x" is used twice; names are unique in a pipeline`},
		{"no exporter", "blocks:\n" + reads, `p.yaml:2:5: nothing reads from block "stdin"; add a data_exporter below it`},
		{"no loader", "blocks:\n" + prints, `p.yaml:2:5: block "stdout" has nothing to read from: put a data_loader above it or name upstream_blocks`},
		{"no loader anywhere", "blocks:\n  - {name: a, type: transformer, connector_type: expression, filter: \"true\", upstream_blocks: [b]}\n  - {name: b, type: data_exporter, connector_type: stdout, upstream_blocks: [a]}\n", `p.yaml:2:78: "b" is a data_exporter; nothing can be read from it`},
		{"a loader that reads", "blocks:\n" + reads + "  - {name: b, type: data_loader, connector_type: stdin, upstream_blocks: [stdin]}\n" + prints, `p.yaml:3:57: a data_loader reads from no other block`},
		{"broken UTF-8", "name: a\xff\nblocks:\n" + reads + prints, `p.yaml:1:8: not valid UTF-8; save the file as UTF-8`},
		{"broken YAML", "blocks:\n  - {type: data_loader\n", `p.yaml:3:1: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping that begins in line 2`},
		{"a bad name", "name: a/b\nblocks:\n" + reads + prints, `p.yaml:1:1: a pipeline's name is 1 to 128 letters, digits, dots, dashes and underscores, and begins with a letter or a digit`},
		{"bad schedules", "schedule: {cron: \"* * *\", timezone: Europe/Berln, overlap: skp, misfire: some, jitter: -1s}\nblocks:\n" + reads + prints, `
p.yaml:1:18: bad cron expression "* * *": has 3 fields; write 5 fields (minute, hour, day of month, month, day of week), 6 with the seconds first, or @hourly, @daily, @weekly, @monthly, @yearly, @every 10m
p.yaml:1:37: unknown time zone "Europe/Berln"; use an IANA name such as Europe/Berlin
p.yaml:1:60: overlap must be one of skip, queue, cancel; did you mean skip?
p.yaml:1:74: misfire must be one of latest, all, none
p.yaml:1:88: jitter cannot be used: a duration cannot be negative`},
		{"a bad expression", "blocks:\n" + reads + "  - {type: transformer, connector_type: expression, filter: \"data.a ==\", key: \"nothing.b\"}\n" + prints, `
p.yaml:3:61: filter: column 9 of the expression: unexpected token EOF
p.yaml:3:79: key: column 1 of the expression: unknown name nothing`},
		{"a bad block does not hide the graph", "blocks:\n" + reads + "  - {name: x, type: transformer, connector_type: expression, filtr: a, key: nothing.b}\n  - {name: x, type: data_exporter, connector_type: stdout, format: xml}\n", `
p.yaml:3:62: unknown key "filtr" in connector expression; did you mean "filter"?
p.yaml:3:77: key: column 1 of the expression: unknown name nothing
p.yaml:4:6: block name "x" is used twice; names are unique in a pipeline
p.yaml:4:68: format must be one of value, json`},
		{"a bad key does not hide files", "blocks:\n  - {type: data_loader, connector_type: file, path: no.csv, formt: csv}\n  - {type: data_exporter, connector_type: stdout, upstream_blocks: [stdin]}\n", `
p.yaml:2:53: cannot be read: there is no such file; looked at "HERE/no.csv", as relative paths start at the project's folder
p.yaml:2:61: unknown key "formt" in connector file; did you mean "format"?
p.yaml:3:51: no block is named "stdin"`},
		{"a name that is misspelled", "blocks:\n  - {nam: in, type: data_loader, connector_type: stdin}\n  - {type: data_exporter, connector_type: stdout, upstream_blocks: [in]}\n", `p.yaml:2:6: unknown key "nam" in connector stdin; did you mean "name"?`},
		{"one typo, one message", "blocks:\n" + reads + "  - {type: data_exporter, connector_type: kafka, bootstrap_servr: \"b:1\", topic: t}\n", `p.yaml:3:50: unknown key "bootstrap_servr" in connector kafka; did you mean "bootstrap_server"?`},
		{"a protocol that is misspelled", "blocks:\n" + reads + "  - {type: data_exporter, connector_type: kafka, bootstrap_server: \"b:1\", topic: t, security_protocol: SASL_SLL, sasl_config: {mechanism: SCRAM, username: u}}\n", `
p.yaml:3:104: security_protocol must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; did you mean SASL_SSL?
p.yaml:3:139: mechanism must be one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI, AWS_MSK_IAM`},
		{"a command that is one text", "blocks:\n  - {type: data_loader, connector_type: exec, command: python3 extract.py}\n" + prints, `p.yaml:2:56: it is one word with spaces in it, and no program has that name; write each argument by itself, such as [python3, extract.py]`},
		{"a cluster that is missing", "blocks:\n" + reads + "  - {type: data_exporter, connector_type: kafka, topic: t}\n", `p.yaml:3:5: bootstrap_server is missing, and the project has no clusters; name the brokers here as host:port, or under clusters in headrace.yaml`},
		{"dead letters in a word that is none", "blocks:\n" + reads + "  - {type: data_exporter, connector_type: stdout, dead_letter: orders}\n", `p.yaml:3:64: dead_letter is not a place for dead letters; write none, or a map with topic or path`},
		{"dead letters of all kinds", "blocks:\n" + reads + "  - {type: data_exporter, connector_type: stdout, dead_letter: {topic: a, path: b}}\n", `p.yaml:3:64: dead_letter: topic, path and none exclude each other; keep one`},
		{"a dead-letter topic without Kafka", "blocks:\n" + reads + "  - {type: data_exporter, connector_type: stdout, dead_letter: {topic: a}}\n", `p.yaml:3:64: a topic needs a kafka exporter; write a path`},
		{"a variable that is not set", "blocks:\n  - {type: data_loader, connector_type: file, path: \"${NO_SUCH_VARIABLE}\"}\n  - {type: data_exporter, connector_type: file, path: \"{{ env_var('NO_SUCH_VARIABLE') }}\"}\n", `
p.yaml:2:53: environment variable NO_SUCH_VARIABLE is not set; set it, or give a default with ${NO_SUCH_VARIABLE:-default}
p.yaml:3:55: environment variable NO_SUCH_VARIABLE is not set; set it, or give a default with ${NO_SUCH_VARIABLE:-default}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files(t, map[string]string{"p.yaml": tc.text})
			_, problems := pipelines.Load([]string{"p.yaml"}, pipelines.Options{})
			got := ""
			if err := problems.Err(); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(strings.TrimSpace(tc.want), inHere(t, got)); diff != "" {
				t.Errorf("messages (-want +got):\n%s", diff)
			}
		})
	}
}
