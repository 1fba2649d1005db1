package transform

import (
	"reflect"
	"strconv"

	"github.com/expr-lang/expr/ast"
)

// A number whose text is not the one that would be written for it (1.0, 2e2)
// travels through an expression as a *float64, which operators look behind, so
// that its text is known where it comes out untouched. Functions that would not
// look behind it, in lists for instance, are given plain numbers by plainName.

// plainName is the function that makes numbers plain.
const plainName = "headrace_plain"

// carriers are the functions that only hand on what a list or a map holds; of
// predicates they look at true and false alone, or hand on what these make.
var carriers = map[string]bool{
	"filter": true, "map": true, "find": true, "findLast": true, "findIndex": true, "findLastIndex": true, "all": true, "any": true,
	"none": true, "one": true, "count": true, "reduce": true, "first": true, "last": true, "take": true, "reverse": true,
	"concat": true, "flatten": true, "keys": true, "values": true, "toPairs": true, "get": true, "len": true,
}

// plainer puts plainName before what is calculated with; part of ast.Visitor.
type plainer struct{ names int }

// Visit changes the arguments of functions and comparisons.
func (p *plainer) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BuiltinNode:
		if carriers[n.Name] {
			return
		}
		for i := range n.Arguments {
			if body, ok := n.Arguments[i].(*ast.PredicateNode); ok {
				body.Node = plain(body.Node)
			} else if n.Name != "groupBy" && n.Name != "sortBy" {
				n.Arguments[i] = plain(n.Arguments[i])
			}
		}
	case *ast.BinaryNode:
		_, listed := n.Right.(*ast.ArrayNode)
		switch n.Operator {
		case "==", "!=":
			if _, list := n.Left.(*ast.ArrayNode); list || listed || !scalar(n.Left) && !scalar(n.Right) {
				n.Left, n.Right = plain(n.Left), plain(n.Right)
			}
		case "in":
			if !scalar(n.Right) {
				n.Left, n.Right = plain(n.Left), plain(n.Right)
			}
		case "??":
			p.orElse(node, n)
		}
	case *ast.SliceNode:
		if n.From != nil {
			n.From = plain(n.From)
		}
		if n.To != nil {
			n.To = plain(n.To)
		}
	}
}

// orElse writes a ?? b as let x = a; x != nil ? x : b. The operator itself would
// look behind the number that it only chooses.
func (p *plainer) orElse(node *ast.Node, n *ast.BinaryNode) {
	p.names++
	name := "headrace_" + strconv.Itoa(p.names)
	chosen := &ast.ConditionalNode{
		Cond: &ast.BinaryNode{Operator: "!=", Left: &ast.IdentifierNode{Value: name}, Right: &ast.NilNode{}},
		Exp1: &ast.IdentifierNode{Value: name},
		Exp2: n.Right,
	}
	ast.Patch(node, &ast.VariableDeclaratorNode{Name: name, Value: n.Left, Expr: chosen})
}

// scalar reports that no number of a record can hide in the node's value, or
// only one that an operator looks behind.
func scalar(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.NilNode, *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.ConstantNode:
		return true
	case *ast.ArrayNode:
		for _, item := range n.Nodes {
			if !scalar(item) {
				return false
			}
		}
		return true
	}
	return false
}

// plain puts the call before a node, unless its type cannot hold such a number.
func plain(node ast.Node) ast.Node {
	if scalar(node) {
		return node
	}
	if t := node.Type(); t != nil {
		switch t.Kind() {
		case reflect.Interface, reflect.Slice, reflect.Map, reflect.Pointer:
		default:
			return node
		}
	}
	call := &ast.CallNode{
		Callee:    &ast.IdentifierNode{Value: plainName},
		Arguments: []ast.Node{&ast.IdentifierNode{Value: budgetName}, node},
	}
	call.SetLocation(node.Location())
	return call
}

// makePlain is what plainName calls.
func makePlain(params ...any) (any, error) {
	if !params[0].(*budget).odd {
		return params[1], nil
	}
	v, _ := plainValue(params[1])
	return v, nil
}

// plainValue returns v without *float64, and whether that is another value. What
// a record gave is not changed.
func plainValue(v any) (any, bool) {
	switch v := v.(type) {
	case *float64:
		return *v, true
	case []any:
		var out []any
		for i, item := range v {
			p, changed := plainValue(item)
			if changed && out == nil {
				out = append(make([]any, 0, len(v)), v[:i]...)
			}
			if out != nil {
				out = append(out, p)
			}
		}
		if out != nil {
			return out, true
		}
	case map[string]any:
		var out map[string]any
		for name, item := range v {
			p, changed := plainValue(item)
			if !changed {
				continue
			}
			if out == nil {
				out = make(map[string]any, len(v))
				for n, other := range v {
					out[n] = other
				}
			}
			out[name] = p
		}
		if out != nil {
			return out, true
		}
	}
	return v, false
}
