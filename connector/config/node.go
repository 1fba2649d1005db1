package config

import (
	"fmt"
	"slices"
)

// Kind says what a Node is.
type Kind uint8

// The kinds of node.
const (
	Null   Kind = iota // nothing, ~ or null: the key counts as absent
	Scalar             // one value
	List
	Map
)

// String returns the kind in the words of the messages.
func (k Kind) String() string {
	switch k {
	case Scalar:
		return "a single value"
	case List:
		return "a list"
	case Map:
		return "a map"
	default:
		return "nothing"
	}
}

// Node is a part of a parsed document with its place. Nodes are not changed
// after Parse and may be read concurrently. Every method works on a nil Node,
// which is the Null node of an absent key.
type Node struct {
	kind   Kind
	pos    Position
	name   string
	masker *Masker
	broken bool // a problem was reported for it already

	keys  []mapKey // of a Map, in the order of the file
	index map[string]int
	items []*Node // of a List; of a Map, the values beside keys

	text   string // of a Scalar, after interpolation
	tag    string // its YAML type: !!str, !!int …
	quoted bool
	filled bool   // some of the text came from outside the file
	source string // the file of a ${file:…} that is the whole text
	loose  bool   // quoted, as YAML wants it, around one ${…} or {{ }}: typed by its text
}

type mapKey struct {
	text string
	pos  Position
}

// Kind returns what the node is.
func (n *Node) Kind() Kind {
	if n == nil {
		return Null
	}
	return n.kind
}

// Position returns where the node begins.
func (n *Node) Position() Position {
	if n == nil {
		return Position{}
	}
	return n.pos
}

// Get returns the value of a key of a map, nil if it is absent.
func (n *Node) Get(key string) *Node {
	if i, ok := n.find(key); ok {
		return n.items[i]
	}
	return nil
}

func (n *Node) find(key string) (int, bool) {
	if n == nil || n.kind != Map {
		return 0, false
	}
	i, ok := n.index[key]
	return i, ok
}

// Keys returns the keys of a map in the order of the file.
func (n *Node) Keys() []string {
	if n == nil {
		return nil
	}
	keys := make([]string, len(n.keys))
	for i, k := range n.keys {
		keys[i] = k.text
	}
	return keys
}

// Items returns the items of a list.
func (n *Node) Items() []*Node {
	if n == nil || n.kind != List {
		return nil
	}
	return slices.Clone(n.items)
}

// Text returns the text of a scalar as it stands in the file, after
// interpolation, whatever its type. It may be a secret.
func (n *Node) Text() (string, bool) {
	if n == nil || n.kind != Scalar || n.broken {
		return "", false
	}
	return n.text, true
}

// Value returns the node as plain Go values: string, int, uint64, float64,
// bool, nil, []any and map[string]any.
func (n *Node) Value() any {
	switch n.Kind() {
	case Scalar:
		return n.plain()
	case List:
		list := make([]any, len(n.items))
		for i, item := range n.items {
			list[i] = item.Value()
		}
		return list
	case Map:
		m := make(map[string]any, len(n.items))
		for i, item := range n.items {
			m[n.keys[i].text] = item.Value()
		}
		return m
	default:
		return nil
	}
}

// Named returns the same node under a name such as "connector kafka", which
// messages about its keys show.
func (n *Node) Named(name string) *Node {
	if n == nil {
		return nil
	}
	named := *n
	named.name = name
	return &named
}

// Problem returns a problem at the place of the node.
func (n *Node) Problem(format string, args ...any) Problem {
	return Problem{Position: n.Position(), Message: fmt.Sprintf(format, args...)}
}

// KeyProblem returns a problem at the place of a key, or at the place of the
// node when it has no such key.
func (n *Node) KeyProblem(key, format string, args ...any) Problem {
	p := n.Problem(format, args...)
	if i, ok := n.find(key); ok {
		p.Position = n.keys[i].pos
	}
	return p
}
