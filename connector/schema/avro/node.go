package avro

import "strings"

type kind uint8

const (
	kindNull kind = iota
	kindBoolean
	kindInt
	kindLong
	kindFloat
	kindDouble
	kindBytes
	kindString
	kindRecord
	kindEnum
	kindArray
	kindMap
	kindUnion
	kindFixed
)

var primitives = map[string]kind{"null": kindNull, "boolean": kindBoolean, "int": kindInt, "long": kindLong,
	"float": kindFloat, "double": kindDouble, "bytes": kindBytes, "string": kindString}

// node is one type of a schema; those of named types are shared, so that a
// recursive schema is a graph with cycles.
type node struct {
	kind    kind
	name    string // the full name, of other types the type's
	fields  []field
	index   map[string]int // fields or symbols by name; nil when there are few
	symbols [][]byte
	labels  []label // of a union's branches
	item    *node   // of arrays and maps
	size    int     // of fixed
}

type field struct {
	name string
	head []byte // `"name":` as JSON
	node *node

	fallback    []byte // of EncodePlain, when hasFallback
	hasFallback bool
}

type label struct {
	name string
	head []byte // `{"name":`
	node *node
}

// fewNames is how many names are found by comparing them one after the other.
const fewNames = 8

func indexOf(names []string) map[string]int {
	if len(names) <= fewNames {
		return nil
	}
	index := make(map[string]int, len(names))
	for i, name := range names {
		index[name] = i
	}
	return index
}

// field returns the number of the field called name, or -1.
func (n *node) field(name []byte) int {
	if n.index != nil {
		if i, ok := n.index[string(name)]; ok {
			return i
		}
		return -1
	}
	for i := range n.fields {
		if n.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

func (n *node) symbol(name []byte) int {
	if n.index != nil {
		if i, ok := n.index[string(name)]; ok {
			return i
		}
		return -1
	}
	for i, s := range n.symbols {
		if string(s) == string(name) {
			return i
		}
	}
	return -1
}

// labelled returns the number of the branch called name, or -1.
func (n *node) labelled(name []byte) int {
	for i := range n.labels {
		if n.labels[i].name == string(name) {
			return i
		}
	}
	return -1
}

// branches lists a union's labels for an error.
func (n *node) branches() string {
	names := make([]string, len(n.labels))
	for i := range n.labels {
		names[i] = n.labels[i].name
	}
	return strings.Join(names, ", ")
}
