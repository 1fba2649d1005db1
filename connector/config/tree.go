package config

import (
	"fmt"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/headrace/headrace/internal/redact"
)

// tree turns YAML's nodes into ours: aliases and merge keys written out within
// bounds, keys checked, scalars resolved.
type tree struct {
	file     string
	resolver *Resolver
	problems Problems
	open     map[*yaml.Node]bool // alias targets that are being written out
	nodes    int
	inserted int
	full     bool // a bound was passed and reported
}

func (t *tree) problem(at *yaml.Node, format string, args ...any) {
	t.problems = append(t.problems, Problem{t.position(at), fmt.Sprintf(format, args...)})
}

func (t *tree) position(n *yaml.Node) Position { return Position{t.file, n.Line, n.Column} }

func (t *tree) node(y *yaml.Node, depth int) *Node {
	n := &Node{pos: t.position(y), masker: t.resolver.Masker}
	if t.nodes++; t.nodes > maxNodes || depth > maxDepth {
		n.broken = true
		if !t.full {
			t.full = true
			t.problem(y, "too many values, with aliases written out, or too deeply nested; split the file")
		}
		return n
	}
	switch y.Kind {
	case yaml.AliasNode:
		return t.alias(y, n, depth)
	case yaml.MappingNode:
		t.mapping(y, n, depth)
	case yaml.SequenceNode:
		n.kind = List
		t.checkTag(y, n, "!!seq")
		for _, item := range y.Content {
			if t.full {
				break
			}
			n.items = append(n.items, t.node(item, depth+1))
		}
	default:
		t.scalar(y, n)
	}
	return n
}

func (t *tree) alias(y *yaml.Node, n *Node, depth int) *Node {
	if t.open[y.Alias] || y.Alias == nil {
		t.problem(y, "an alias stands inside its own anchor; write the value out")
		n.broken = true
		return n
	}
	t.open[y.Alias] = true
	defer delete(t.open, y.Alias)
	return t.node(y.Alias, depth+1)
}

func (t *tree) mapping(y *yaml.Node, n *Node, depth int) {
	n.kind, n.index = Map, make(map[string]int, len(y.Content)/2)
	t.checkTag(y, n, "!!map")
	if template(y) {
		t.problem(y, `put text with {{ }} in quotes: "{{ … }}"`)
		n.broken = true
		return
	}
	// An anchor on the map itself may be used inside it: that is a cycle.
	if y.Anchor != "" && !t.open[y] {
		t.open[y] = true
		defer delete(t.open, y)
	}
	var merges []*yaml.Node
	for i := 0; i+1 < len(y.Content) && !t.full; i += 2 {
		key, val := y.Content[i], y.Content[i+1]
		if key.Kind == yaml.ScalarNode && key.Tag == "!!merge" {
			merges = append(merges, val)
			continue
		}
		if text, ok := t.key(key, n); ok {
			n.add(mapKey{text, t.position(key)}, t.node(val, depth+1))
		}
	}
	for _, m := range merges {
		t.merge(m, n, depth+1)
	}
}

// template reports whether y is what YAML makes of an unquoted {{ x }}: a map
// whose only key is a map.
func template(y *yaml.Node) bool {
	return len(y.Content) == 2 && y.Style&yaml.FlowStyle != 0 &&
		y.Content[0].Kind == yaml.MappingNode && y.Content[0].Style&yaml.FlowStyle != 0
}

func (t *tree) key(key *yaml.Node, in *Node) (string, bool) {
	switch {
	case key.Kind == yaml.AliasNode && key.Alias != nil && key.Alias.Kind == yaml.ScalarNode:
		key = key.Alias
	case key.Kind != yaml.ScalarNode:
		t.problem(key, "a key must be a single word or text, not a list or map")
		return "", false
	}
	if i, double := in.index[key.Value]; double {
		t.problem(key, "duplicate key %s; it is set in line %d already", redact.Key(key.Value), in.keys[i].pos.Line)
		return "", false
	}
	if strings.Contains(key.Value, "${") || strings.Contains(key.Value, "{{") {
		t.problem(key, "a key cannot hold ${…} or {{ … }}; only values can")
		return "", false
	}
	return key.Value, true
}

func (n *Node) add(key mapKey, val *Node) {
	n.index[key.text] = len(n.keys)
	n.keys = append(n.keys, key)
	n.items = append(n.items, val)
}

// merge adds the keys of a "<<" value that n does not set itself.
func (t *tree) merge(y *yaml.Node, n *Node, depth int) {
	from := t.node(y, depth)
	maps := []*Node{from}
	if from.kind == List {
		maps = from.items
	}
	for _, m := range maps {
		if m.kind != Map {
			if !m.broken {
				t.problem(y, "<< takes a map, or a list of maps")
			}
			continue
		}
		for i, key := range m.keys {
			if _, set := n.index[key.text]; !set {
				n.add(key, m.items[i])
			}
		}
	}
}

// checkTag refuses tags of the application's own and tags that do not fit.
func (t *tree) checkTag(y *yaml.Node, n *Node, want string) {
	if y.Tag != "" && y.ShortTag() != want {
		t.problem(y, "%s is not supported here; %s", tagName(y.ShortTag()), tagAdvice)
		n.broken = true
	}
}

const tagAdvice = `leave it out, or put text that begins with ! in quotes: "!…"`

// tagName names a tag of YAML itself. Another may be a secret that begins with
// an exclamation mark.
func tagName(tag string) string {
	if strings.HasPrefix(tag, "!!") && redact.Shape(tag[2:]) == "" && !redact.Suspicious(tag[2:]) {
		return "tag " + tag
	}
	return "a tag"
}

func (t *tree) scalar(y *yaml.Node, n *Node) {
	n.kind, n.tag = Scalar, y.ShortTag()
	n.quoted = y.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle) != 0
	tagged := y.Style&yaml.TaggedStyle != 0
	switch n.tag {
	case "!!null":
		n.kind = Null
		return
	case "!!str", "!!int", "!!float", "!!bool", "!!timestamp":
	case "!!merge":
		n.tag = "!!str"
	default:
		t.problem(y, "%s is not supported; %s", tagName(n.tag), tagAdvice)
		n.broken = true
		return
	}
	e := t.resolver.expand(y.Value)
	for _, fault := range e.faults {
		t.problem(y, "%s", fault)
		n.broken = true
	}
	if t.inserted += len(e.text); e.filled && t.inserted > maxInserted {
		t.problem(y, "what ${…} brings in comes to more than %d bytes", maxInserted)
		n.broken, t.full = true, true
	}
	n.text, n.filled, n.source = e.text, e.filled, e.source
	n.loose = e.filled && e.whole && n.quoted
	if e.filled && !n.quoted && !tagged {
		n.tag = plainTag(n.text)
	}
}

// plainTag is the type that YAML gives to unquoted text. Text from outside is
// never null: an empty variable is an empty text. It is read as YAML only if
// it can be nothing but a number or a switch.
func plainTag(text string) string {
	var document yaml.Node
	if len(text) > 64 || !plainText.MatchString(text) || yaml.Load([]byte(text), &document) != nil {
		return "!!str"
	}
	if len(document.Content) != 1 || document.Content[0].Kind != yaml.ScalarNode {
		return "!!str"
	}
	switch tag := document.Content[0].ShortTag(); tag {
	case "!!int", "!!float", "!!bool":
		return tag
	default:
		return "!!str"
	}
}

var plainText = regexp.MustCompile(`^[-+.0-9A-Za-z_]+$`)
