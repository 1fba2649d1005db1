package config

import (
	"maps"
	"slices"
)

// With returns a copy of a map in which key has a value given outside the file,
// on the command line for example; it stands at the map's own place and is
// typed by its text. A Null node becomes a map; a node of another kind is
// returned as it is, so that Decode reports it.
func (n *Node) With(key, value string) *Node {
	out := &Node{kind: Map}
	switch {
	case n == nil:
	case n.kind == Null || n.kind == Map:
		*out = *n
		out.kind = Map
	default:
		return n
	}
	out.index = maps.Clone(out.index)
	if out.index == nil {
		out.index = make(map[string]int)
	}
	out.keys, out.items = slices.Clone(out.keys), slices.Clone(out.items)
	scalar := &Node{kind: Scalar, pos: out.pos, masker: out.masker, text: value, tag: "!!str", loose: true}
	if i, ok := out.index[key]; ok {
		out.items[i] = scalar
		return out
	}
	out.add(mapKey{text: key, pos: out.pos}, scalar)
	return out
}
