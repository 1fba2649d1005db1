package pipelines_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/pipelines"
)

const good = "blocks:\n" + reads + prints

// TestWhatIsFound lists the pipelines at some paths of one folder.
func TestWhatIsFound(t *testing.T) {
	tree := map[string]string{
		"project/headrace.yaml": "", "project/pipelines/a.yaml": good, "project/pipelines/b.yml": "name: named\n" + good,
		"project/pipelines/.hidden.yaml": "not: ours", "project/pipelines/notes.txt": "", "project/pipelines/sub/c.yaml": "not: ours",
		"project/other.yaml": "not: ours",
		"loose/x.yaml":       good, "loose/compose.yaml": "services: {}\n", "loose/headrace.yaml": "state: {path: elsewhere}\n",
		"empty/readme.txt": "",
	}
	for _, tc := range []struct {
		paths            string
		names            string
		dir, file, state string
	}{
		{"project", "a named", "project", "project/headrace.yaml", "project/.headrace"},
		{"project/pipelines", "a named", "project", "project/headrace.yaml", "project/.headrace"},
		{"project/pipelines/a.yaml", "a", "project", "project/headrace.yaml", "project/.headrace"},
		{"project/pipelines/a.yaml project", "a named", "project", "project/headrace.yaml", "project/.headrace"},
		{"project/headrace.yaml", "", "project", "project/headrace.yaml", "project/.headrace"},
		{"loose", "x", "loose", "loose/headrace.yaml", "loose/elsewhere"},
		{"loose/x.yaml project/pipelines/a.yaml", "a x", "loose", "loose/headrace.yaml", "loose/elsewhere"},
		{"empty", "", "empty", "", "empty/.headrace"},
	} {
		t.Run(tc.paths, func(t *testing.T) {
			files(t, tree)
			p, problems := pipelines.Load(strings.Fields(tc.paths), pipelines.Options{})
			if err := problems.Err(); err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, d := range p.Pipelines {
				names = append(names, d.Name)
			}
			got := fmt.Sprintf("%s|%s|%s|%s", strings.Join(names, " "), p.Dir, p.File, p.StateDir())
			if want := fmt.Sprintf("%s|%s|%s|%s", tc.names, tc.dir, tc.file, tc.state); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
}

// TestBadProjects are projects of several files; all that is wrong is told.
func TestBadProjects(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		paths string
		want  string
	}{
		{"the project file", map[string]string{"headrace.yaml": "clusters:\n  main: {bootstrap_server: \"b:9092\", security_protocol: SASL}\n  other: {client_id: a}\n" +
			"stat: {}\nstate: {kind: kafka, path: a}\n", "p.yaml": good}, ".", `
headrace.yaml:2:57: security_protocol must be one of PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL; did you mean SSL?
headrace.yaml:3:10: cluster other needs a bootstrap_server; name the brokers as host:port, or run with --embedded
headrace.yaml:4:1: unknown key "stat" in the project file; did you mean "state"?
headrace.yaml:5:15: kind must be one of file`},
		{"two of one name", map[string]string{"pipelines/a.yaml": "name: x\n" + good, "pipelines/b.yaml": "name: x\n" + good}, ".",
			"pipelines/b.yaml: pipeline name x is used in pipelines/a.yaml too; names are unique in a project"},
		{"paths that are not there", map[string]string{"p.yaml": good}, "p.yaml no.yaml nor/this", `
no.yaml: cannot be read: there is no such file or folder; looked at "HERE/no.yaml", as relative paths start at the current folder
nor/this: cannot be read: there is no such file or folder; looked at "HERE/nor/this", as relative paths start at the current folder`},
		{"one bad file does not hide another", map[string]string{"pipelines/a.yaml": "nam: x\n" + good, "pipelines/b.yaml": "{", "pipelines/c.yaml": good}, ".", `
pipelines/a.yaml:1:1: unknown key "nam" in the pipeline; did you mean "name"?
pipelines/b.yaml:2:1: not valid YAML: did not find expected node content while parsing a flow node`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files(t, tc.files)
			_, problems := pipelines.Load(strings.Fields(tc.paths), pipelines.Options{})
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

// TestTheDefaultCluster asks which brokers a block without connection keys uses.
func TestTheDefaultCluster(t *testing.T) {
	const block = "  - {name: to_kafka, type: data_exporter, connector_type: kafka, topic: t%s}\n"
	for _, tc := range []struct{ name, project, keys, want, problem string }{
		{name: "the first of the file", project: "clusters:\n  z: {bootstrap_server: \"z:1\"}\n  a: {bootstrap_server: \"a:1\"}\n", want: "z:1"},
		{name: "the embedded one", want: "embedded:1"},
		{name: "the embedded one under a name", project: "clusters:\n  dev: {}\n  z: {bootstrap_server: \"z:1\"}\n", want: "embedded:1"},
		{name: "the embedded one with keys", project: "clusters: {dev: {client_id: me}}\n", want: "embedded:1 me"},
		{name: "the embedded one with security", project: "clusters: {dev: {security_protocol: SSL}}\n",
			problem: "headrace.yaml:1:17: bootstrap_server is missing"},
		{name: "the block's own", project: "clusters: {z: {bootstrap_server: \"z:1\"}}\n", keys: ", bootstrap_server: \"own:1\"", want: "own:1"},
		{name: "by a name of the block's own", project: "clusters: {z: {bootstrap_server: \"z:1\", client_id: all}}\n", keys: ", client_id: me, api_version: 0.10.2", want: "z:1 me"},
		{name: "half of its own", project: "clusters: {z: {bootstrap_server: \"z:1\"}}\n", keys: ", security_protocol: SSL",
			problem: "p.yaml:3:5: bootstrap_server is missing; give one or more brokers as host:port"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			files(t, map[string]string{"headrace.yaml": tc.project, "p.yaml": "blocks:\n" + reads + fmt.Sprintf(block, tc.keys)})
			p, problems := pipelines.Load([]string{"p.yaml"}, pipelines.Options{Bootstrap: []string{"embedded:1"}})
			if err := problems.Err(); tc.problem != "" || err != nil {
				if err == nil || !strings.Contains(err.Error(), tc.problem) {
					t.Errorf("%v, want %q", err, tc.problem)
				}
				return
			}
			var used []string
			for _, c := range p.Connections() {
				if len(c.UsedBy) > 0 {
					used = append(used, c.Settings.BootstrapServer...)
					if c.Settings.ClientID != "" {
						used = append(used, c.Settings.ClientID)
					}
				}
			}
			if fmt.Sprint(used) != "["+tc.want+"]" {
				t.Errorf("%v, want %s", used, tc.want)
			}
		})
	}
}

// mageBlock is the exporter block of Mage's documentation, with all its keys.
const mageBlock = `connector_type: kafka
bootstrap_server: "localhost:9092"
topic: test_topic
api_version: "0.10.2"
batch_size: 100
timeout_ms: 500

# Optional, with default value false
security_protocol: "SSL"
ssl_config:
  cafile: "CARoot.pem"
  certfile: "certificate.pem"
  keyfile: "key.pem"
  password: "{{ env_var('KEY_PASSWORD') }}"
  check_hostname: true
`

func TestLoadExport(t *testing.T) {
	t.Setenv("KEY_PASSWORD", "secret")
	loader := map[string]any{"type": "data_loader", "connector_type": "stdin"}
	files(t, map[string]string{"block.yaml": strings.Split(mageBlock, "\n# Optional")[0], "wrong.yaml": "connector_type: kafka\ntopc: a\n"})
	p, problems := pipelines.LoadExport(pipelines.Export{Reader: loader, BlockFile: "block.yaml", Keys: map[string]string{"topic": "other"}}, pipelines.Options{})
	if err := problems.Err(); err != nil {
		t.Fatal(err)
	}
	d := p.Pipelines[0]
	if d.Name != pipelines.ExportName || len(d.Blocks) != 2 || len(d.Warnings) == 0 || !strings.Contains(d.Warnings[0], "api_version") {
		t.Errorf("%+v", d)
	}
	if c := p.Connections(); len(c) != 1 || len(c[0].Topics) != 1 || c[0].Topics[0].Name != "other" {
		t.Errorf("a flag stands above the file: %+v", c)
	}
	_, problems = pipelines.LoadExport(pipelines.Export{Reader: loader, BlockFile: "wrong.yaml"}, pipelines.Options{})
	if err := problems.Err(); err == nil || !strings.HasPrefix(err.Error(), `wrong.yaml:2:1: unknown key "topc" in connector kafka; did you mean "topic"?`) {
		t.Errorf("%v", err)
	}
	write(t, "block.yaml", mageBlock)
	_, problems = pipelines.LoadExport(pipelines.Export{Reader: loader, BlockFile: "block.yaml"}, pipelines.Options{})
	if err := problems.Err(); err == nil || !strings.Contains(err.Error(), "CARoot.pem") || strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "unknown key") {
		t.Errorf("the files are missing, and nothing else: %v", err)
	}
}
