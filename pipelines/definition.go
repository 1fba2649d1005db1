// Package pipelines turns pipeline files into running exports: it reads the
// definitions, checks the graph of their blocks, and starts and stops sources,
// transformers and exporters in the right order. Which connectors exist is in
// builtin.go and nowhere else.
package pipelines

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/pipelines/schedule"
)

// Definition is a pipeline file, decoded and checked.
type Definition struct {
	Name     string
	File     string
	Schedule *schedule.Schedule // nil: a stream, or run with --once
	Retry    Retry
	Blocks   []*Block
	// BadSchedule is what is wrong with the schedule; it is part of what Load
	// returns.
	BadSchedule config.Problems
	// Missing are inputs that are not there now. They are part of what Load
	// returns too; a run without them fails, and no other.
	Missing config.Problems
	// Warnings are told once when the pipeline is loaded.
	Warnings []string

	fingerprint string // of the text and all that was resolved into it
}

// Block is one block of a pipeline, with its connector's settings decoded.
type Block struct {
	Name     string
	Type     BlockType
	Upstream []string

	node *config.Node
	part part // what the connector's settings were decoded into
}

// BlockType is Mage's word for what a block is.
type BlockType string

// The block types.
const (
	DataLoader   BlockType = "data_loader"
	Transformer  BlockType = "transformer"
	DataExporter BlockType = "data_exporter"
)

// Retry says what happens after a run that failed.
type Retry struct {
	Attempts int                `mapstructure:"attempts" doc:"runs after the first; a stream without a schedule is restarted without end"`
	Delay    connector.Duration `mapstructure:"delay" doc:"wait before the first retry"`
	Factor   float64            `mapstructure:"factor" doc:"each wait is this much longer than the one before"`
	MaxDelay connector.Duration `mapstructure:"max_delay" doc:"longest wait before one retry"`
}

// DefaultRetry returns the values of keys that are not written.
func DefaultRetry() Retry {
	return Retry{Delay: connector.Duration(5 * time.Second), Factor: 2, MaxDelay: connector.Duration(time.Minute)}
}

// Validate reports values that cannot work.
func (r *Retry) Validate() []connector.Fault {
	var faults []connector.Fault
	if r.Attempts < 0 {
		faults = append(faults, connector.Fault{Path: "attempts", Message: "must be 0 or more"})
	}
	if r.Factor < 1 || r.Factor > 100 {
		faults = append(faults, connector.Fault{Path: "factor", Message: "must be between 1 and 100"})
	}
	return faults
}

// Wait is the delay before the n-th retry, counted from 1.
func (r *Retry) Wait(n int) time.Duration {
	d := float64(r.Delay)
	for i := 1; i < n && d < float64(r.MaxDelay); i++ {
		d *= r.Factor
	}
	return time.Duration(min(d, float64(r.MaxDelay)))
}

// head is the part of the file that is not blocks.
type head struct {
	Name  string `mapstructure:"name" doc:"the pipeline's name; default the file's"`
	Retry Retry  `mapstructure:"retry" doc:"what happens after a run that failed"`
}

// blockHead are the keys that every block has.
type blockHead struct {
	Name          string   `mapstructure:"name" doc:"name of the block; default its connector_type, numbered"`
	Type          string   `mapstructure:"type" enum:"data_loader,transformer,data_exporter" required:"true" doc:"what the block does"`
	ConnectorType string   `mapstructure:"connector_type" required:"true" doc:"what it reads from, runs or writes to"`
	Upstream      []string `mapstructure:"upstream_blocks" doc:"blocks it reads from; default the block above"`
}

var blockKeys = []string{"name", "type", "connector_type", "upstream_blocks"}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)

// parse decodes a pipeline file; every problem of it is reported.
func (p *Project) parse(file string) (*Definition, config.Problems) {
	root, problems := config.ParseFile(file, p.resolver)
	if root == nil {
		return nil, problems
	}
	d, more := p.decode(file, root)
	return d, withoutEchoes(problems, more)
}

// withoutEchoes adds more to first, except where first has a problem already:
// a value that could not be resolved is not missing as well.
func withoutEchoes(first, more config.Problems) config.Problems {
	told := map[config.Position]bool{}
	for _, p := range first {
		told[p.Position] = true
	}
	for _, p := range more {
		if !told[p.Position] {
			first = append(first, p)
		}
	}
	return first
}

func (p *Project) decode(file string, root *config.Node) (*Definition, config.Problems) {
	h := head{Name: strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)), Retry: DefaultRetry()}
	problems := root.Named("the pipeline").Decode(&h, "schedule", "blocks")
	if !nameForm.MatchString(h.Name) {
		problems = append(problems, root.KeyProblem("name",
			"a pipeline's name is 1 to 128 letters, digits, dots, dashes and underscores, and begins with a letter or a digit"))
	}
	d := &Definition{Name: h.Name, File: file, Retry: h.Retry, fingerprint: fmt.Sprint(root.Value())}
	if node := root.Get("schedule"); node.Kind() != config.Null {
		s, more := decodeSchedule(node)
		d.Schedule, d.BadSchedule, problems = s, more, append(problems, more...)
		if s != nil && s.Remark() != "" {
			d.Warnings = append(d.Warnings, fmt.Sprintf("%s: %s", node.Position(), s.Remark()))
		}
	}
	items := root.Get("blocks").Items()
	if len(items) == 0 {
		return d, append(problems, root.KeyProblem("blocks", "a pipeline needs a list of blocks: a data_loader and a data_exporter at least"))
	}
	for _, item := range items {
		b, more := p.decodeBlock(d, item)
		problems = append(problems, more...)
		if b != nil {
			d.Blocks = append(d.Blocks, b)
		}
	}
	d.fingerprint += d.resolved()
	if len(d.Blocks) == len(items) { // a block without name or type would only cause echoes
		problems = append(problems, d.checkGraph()...)
	}
	return d, problems
}

// decodeSchedule reads the map, or a plain cron expression in its place. A
// wrong value does not hide what is wrong with the others.
func decodeSchedule(node *config.Node) (*schedule.Schedule, config.Problems) {
	cfg := schedule.DefaultConfig()
	var problems config.Problems
	if expr, ok := node.Text(); ok {
		cfg.Cron = expr
	} else if problems = node.Named("schedule").Decode(&cfg); len(problems) > 0 && cfg.Cron == "" {
		return nil, problems
	}
	s, faults := schedule.New(cfg)
	for _, f := range faults {
		problems = append(problems, keyProblem(node, f.Path, f.Message))
	}
	return s, problems
}

// keyProblem places message at a key's value, also inside of maps: a.b. Without
// one it stands at the map that is there and begins with the rest of the key.
func keyProblem(node *config.Node, key, message string) config.Problem {
	at, rest := valueAt(node, key)
	if rest != "" && at.Kind() == config.Map {
		message = rest + " " + message
	}
	return at.Problem("%s", message)
}

// valueAt is the value at a key of node, also inside of maps; rest is the part
// of the key that is not there.
func valueAt(node *config.Node, key string) (at *config.Node, rest string) {
	at, rest = node, key
	for rest != "" {
		name, tail, _ := strings.Cut(rest, ".")
		value := at.Get(name)
		if value.Kind() == config.Null {
			break
		}
		at, rest = value, tail
	}
	return at, rest
}

// decodeBlock returns no Block when its place in the graph cannot be known.
func (p *Project) decodeBlock(d *Definition, node *config.Node) (*Block, config.Problems) {
	if node.Kind() != config.Map {
		return nil, config.Problems{node.Problem("a block is a map with type and connector_type")}
	}
	var h blockHead
	problems := node.Named("the block").Decode(&h, otherKeys(node, blockKeys)...)
	if len(problems) > 0 {
		return nil, problems
	}
	switch {
	case h.Name == "":
		h.Name = d.unusedName(h.ConnectorType)
	case !nameForm.MatchString(h.Name):
		problems = append(problems, node.KeyProblem("name",
			"a block's name is 1 to 128 letters, digits, dots, dashes and underscores, and begins with a letter or a digit"))
	}
	b := &Block{Name: h.Name, Type: BlockType(h.Type), Upstream: h.Upstream, node: node}
	made, problem := newPart(b.Type, h.ConnectorType, node)
	if problem != nil {
		return nil, config.Problems{*problem}
	}
	b.part = made
	more := node.Named("connector "+h.ConnectorType).Decode(b.part.settings(), blockKeys...)
	broken := len(more) > 0
	more = withoutEchoes(more, p.prepare(b, broken))
	missing := p.missing(b, broken)
	d.Missing = append(d.Missing, missing...)
	problems = append(problems, withoutEchoes(more, missing)...)
	if len(problems) > 0 && misspelled(node) {
		return nil, problems
	}
	for _, w := range b.part.warnings() {
		d.Warnings = append(d.Warnings, fmt.Sprintf("%s: block %s: %s", node.Position(), b.Name, w))
	}
	return b, problems
}

// prepare fills in what the project gives to a block. Next to problems of the
// block itself, only what is wrong with a value that is there counts: a key
// that seems to be missing may be the one that could not be read.
func (p *Project) prepare(b *Block, broken bool) config.Problems {
	return faultsAt(b, b.part.prepare(&p.blocks), broken)
}

// missing are the inputs of a block that are not there.
func (p *Project) missing(b *Block, broken bool) config.Problems {
	return faultsAt(b, b.part.missing(&p.blocks), broken)
}

func faultsAt(b *Block, faults []connector.Fault, broken bool) config.Problems {
	var problems config.Problems
	for _, f := range faults {
		if _, rest := valueAt(b.node, f.Path); broken && rest != "" {
			continue
		}
		problems = append(problems, keyProblem(b.node, f.Path, f.Message))
	}
	return problems
}

// misspelled reports a key that may be meant as one of blockKeys: what the
// block is called or reads from is not known then.
func misspelled(node *config.Node) bool {
	return slices.ContainsFunc(otherKeys(node, blockKeys), func(key string) bool {
		return config.DidYouMean(key, blockKeys) != ""
	})
}

// unusedName is the default name of a block: its connector, numbered from the
// second on.
func (d *Definition) unusedName(connectorType string) string {
	name := connectorType
	for n := 2; ; n++ {
		taken := false
		for _, b := range d.Blocks {
			taken = taken || b.Name == name
		}
		if !taken {
			return name
		}
		name = fmt.Sprintf("%s_%d", connectorType, n)
	}
}

func otherKeys(node *config.Node, keys []string) []string {
	var other []string
next:
	for _, k := range node.Keys() {
		for _, known := range keys {
			if k == known {
				continue next
			}
		}
		other = append(other, k)
	}
	return other
}
