package config_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
)

func parse(t *testing.T, src string) *config.Node {
	t.Helper()
	node, problems := config.Parse("f.yaml", []byte(src), environment(nil, nil))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return node
}

func TestNode(t *testing.T) {
	n := parse(t, "name: orders\nblocks:\n  - {a: 1}\n  - ~\nempty:\nflag: off\n")
	if diff := cmp.Diff([]string{"name", "blocks", "empty", "flag"}, n.Keys()); diff != "" {
		t.Error(diff)
	}
	kinds := []config.Kind{n.Kind(), n.Get("name").Kind(), n.Get("blocks").Kind(), n.Get("empty").Kind(), n.Get("absent").Kind()}
	if diff := cmp.Diff([]config.Kind{config.Map, config.Scalar, config.List, config.Null, config.Null}, kinds); diff != "" {
		t.Error(diff)
	}
	items := n.Get("blocks").Items()
	if len(items) != 2 || items[0].Position() != (config.Position{File: "f.yaml", Line: 3, Column: 5}) {
		t.Errorf("items %v", items)
	}
	if text, ok := n.Get("flag").Text(); !ok || text != "off" {
		t.Errorf("text %q %v", text, ok)
	}
	if _, ok := n.Get("blocks").Text(); ok {
		t.Error("a list has a text")
	}
	for want, problem := range map[string]config.Problem{
		"f.yaml:1:7: no 5":  n.Get("name").Problem("no %d", 5),
		"f.yaml:2:1: here":  n.KeyProblem("blocks", "here"),
		"f.yaml:1:1: there": n.KeyProblem("absent", "there"),
		"nowhere":           n.Get("absent").Problem("nowhere"),
	} {
		if problem.Error() != want {
			t.Errorf("got %q, want %q", problem, want)
		}
	}
}

func TestNilNode(t *testing.T) {
	var n *config.Node
	if n.Get("x") != nil || n.Keys() != nil || n.Items() != nil || n.Value() != nil || n.Named("x") != nil ||
		n.Position() != (config.Position{}) || n.Decode(new(block)).Err() != nil {
		t.Error("a nil node is not empty")
	}
}

func TestEmptyDocumentIsAnEmptyMap(t *testing.T) {
	for _, src := range []string{"", "# nothing\n", "---\n", "~", "{}"} {
		b := block{Topic: "t", Brokers: []string{"preset"}}
		if problems := parse(t, src).Decode(&b); len(problems) > 0 || b.Topic != "t" {
			t.Errorf("%q: %v", src, problems)
		}
	}
}

func TestMergeKeepsOwnKeys(t *testing.T) {
	n := parse(t, "base: &b {a: 1, b: 2}\nmore: &m {b: 3, c: 4}\nown:\n  <<: [*b, *m]\n  a: 9\n")
	want := map[string]any{"a": 9, "b": 2, "c": 4}
	if diff := cmp.Diff(want, n.Get("own").Value()); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsAreSortedAndOnce(t *testing.T) {
	at := func(file string, line, column int, message string) config.Problem {
		return config.Problem{Position: config.Position{File: file, Line: line, Column: column}, Message: message}
	}
	p := config.Problems{at("b", 1, 1, "x"), at("a", 10, 1, "x"), at("a", 9, 2, "x"), at("a", 9, 1, "y"), at("b", 1, 1, "x"), at("a", 0, 0, "whole")}
	const want = "a: whole\na:9:1: y\na:9:2: x\na:10:1: x\nb:1:1: x"
	if got := p.Err().Error(); got != want {
		t.Errorf("got\n%s", got)
	}
	var list config.Problems
	if !errors.As(p.Err(), &list) || len(list) != 5 {
		t.Errorf("As gives %v", list)
	}
	if err := config.Problems(nil).Err(); err != nil {
		t.Errorf("no problems are %v", err)
	}
}

// faulty reports faults at paths of every form.
type faulty struct {
	List   []store        `mapstructure:"list"`
	Dotted map[string]any `mapstructure:"dotted"`
	Typo   string         `mapstructure:"typo"`
	Any    *config.Node   `mapstructure:"any"`
}

func (f *faulty) Validate() []connector.Fault {
	return []connector.Fault{
		{Path: "list[1].location", Message: "must be another"},
		{Path: "list[1].password", Message: "is missing"},
		{Path: "list[7].type", Message: "is beyond the end"},
		{Path: "dotted.a.b", Message: "wrong"},
		{Path: "absent.key", Message: "names key itself"},
		{Path: "typo", Message: "is missing"},
		{Message: "one of list and dotted, not both"},
	}
}

func TestFaultsGetTheirPlace(t *testing.T) {
	n := parse(t, "x: 1\nlist:\n  - location: /a\n  - location: /b\ndotted:\n  a.b: 1\ntypoo: x\n")
	var f faulty
	got := n.Decode(&f, "x").Error()
	const want = `f.yaml:1:1: names key itself
f.yaml:1:1: one of list and dotted, not both
f.yaml:3:3: type is beyond the end
f.yaml:4:5: password is missing
f.yaml:4:15: location must be another
f.yaml:6:8: b: wrong
f.yaml:7:1: unknown key "typoo"; did you mean "typo"?`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeNeedsAStruct(t *testing.T) {
	n := parse(t, "a: 1")
	var number int
	for _, dst := range []any{nil, number, &number, block{}, (*block)(nil)} {
		if n.Decode(dst).Err() == nil {
			t.Errorf("%T was taken", dst)
		}
	}
	var strange struct {
		C chan int `mapstructure:"a"`
	}
	if n.Decode(&strange).Err() == nil {
		t.Error("a channel was taken")
	}
}

func TestWith(t *testing.T) {
	file := parse(t, "bootstrap_server: a\ntopic: b\nbatch_size: 1\n")
	changed := file.With("batch_size", "5").With("check_hostname", "false").With("api_version", "2.6").With("secret", "hunter22")
	var got block
	if problems := changed.Decode(&got); len(problems) > 0 {
		t.Fatal(problems)
	}
	no := false
	want := block{
		batching: batching{BatchSize: 5}, Brokers: []string{"a"}, Topic: "b",
		Check: &no, APIVersion: "2.6", Secret: "hunter22",
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(block{})); diff != "" {
		t.Error(diff)
	}
	if text, _ := file.Get("batch_size").Text(); text != "1" || file.Get("secret") != nil {
		t.Error("the node itself was changed")
	}
	for name, n := range map[string]*config.Node{"nil": nil, "empty": parse(t, "")} {
		if text, ok := n.With("a", "x").Get("a").Text(); !ok || text != "x" {
			t.Errorf("%s: %q", name, text)
		}
	}
	if got := parse(t, "[a]").With("a", "x").Kind(); got != config.List {
		t.Errorf("a list became %s", got)
	}
	if problems := file.With("batch_size", "many").Decode(new(block)); len(problems) != 1 {
		t.Errorf("problems %v", problems)
	}
}
