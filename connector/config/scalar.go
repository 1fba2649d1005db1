package config

import (
	"math"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

// typed returns the value of a scalar in the type that YAML gives it.
func typed(tag, text string) any {
	var v any
	y := yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: text}
	if err := y.Decode(&v); err != nil {
		return text
	}
	return v
}

// tagFor is the type of the scalar where a field of another type than text
// waits for it.
func (n *Node) tagFor() string {
	if n.loose {
		return plainTag(n.text)
	}
	return n.tag
}

func (n *Node) plain() any {
	switch n.tag {
	case "!!int", "!!float", "!!bool":
		return typed(n.tag, n.text)
	default:
		return n.text
	}
}

// number returns the value of a whole number that fits into type t.
func (n *Node) number(t reflect.Type) (any, bool) {
	if n.kind != Scalar || n.tagFor() != "!!int" {
		return nil, false
	}
	zero := reflect.Zero(t)
	switch v := reflect.ValueOf(typed("!!int", n.text)); {
	case v.CanInt() && zero.CanInt():
		return v.Int(), !zero.OverflowInt(v.Int())
	case v.CanInt() && zero.CanUint():
		return uint64(v.Int()), v.Int() >= 0 && !zero.OverflowUint(uint64(v.Int()))
	case v.CanUint() && zero.CanUint():
		return v.Uint(), !zero.OverflowUint(v.Uint())
	default:
		return nil, false
	}
}

// float returns the value of a finite number.
func (n *Node) float() (float64, bool) {
	if n.kind != Scalar {
		return 0, false
	}
	switch n.tagFor() {
	case "!!int", "!!float":
	default:
		return 0, false
	}
	v := reflect.ValueOf(typed(n.tagFor(), n.text))
	var f float64
	switch {
	case v.CanInt():
		f = float64(v.Int())
	case v.CanUint():
		f = float64(v.Uint())
	case v.CanFloat():
		f = v.Float()
	default:
		return 0, false
	}
	return f, !math.IsInf(f, 0) && !math.IsNaN(f)
}

// boolean accepts true and false, and unquoted the yes, no, on and off that
// YAML 1.1 (and so Mage) knows.
func (n *Node) boolean() (v, ok bool) {
	if n.kind != Scalar || (n.quoted && !n.loose) {
		return false, false
	}
	switch strings.ToLower(n.text) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	default:
		return false, false
	}
}

// found says in words what stands where something else was wanted, without its
// text.
func (n *Node) found() string {
	if n.kind != Scalar {
		return n.kind.String()
	}
	var kind string
	switch n.tag {
	case "!!int":
		kind = "a whole number"
	case "!!float":
		kind = "a decimal number"
	case "!!bool":
		kind = "true or false"
	default:
		kind = "text"
	}
	switch {
	case n.quoted && plainTag(n.text) != "!!str":
		kind += "; remove the quotes"
	case n.filled:
		kind += " (from outside the file)"
	}
	return kind
}
