package transform

import "github.com/expr-lang/expr/ast"

// wanted is what expressions look at in a value: all of it, or some members.
type wanted struct {
	whole bool
	names []string
	below []*wanted
	uses  int // how often the value is named, and not a member of it
}

// of returns what is wanted of a member.
func (w *wanted) of(name string) *wanted {
	for i, n := range w.names {
		if n == name {
			return w.below[i]
		}
	}
	m := &wanted{}
	w.names, w.below = append(w.names, name), append(w.below, m)
	return m
}

// settle decides what is wanted whole once all is counted.
func (w *wanted) settle() {
	w.whole = w.whole || w.uses > 0
	for _, m := range w.below {
		m.settle()
	}
}

// reads are the variables that expressions name, and what they take of data.
type reads struct {
	data                  *wanted // nil: nothing
	key, metadata, source bool
}

// look adds what the expression reads.
func (r *reads) look(node ast.Node) { ast.Walk(&node, r) }

// Visit notes the variables; part of ast.Visitor. What stands below a node is
// visited before it, so a member is counted off what it is a member of.
func (r *reads) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		switch n.Value {
		case "data":
			r.ofData().uses++
		case "key":
			r.key = true
		case "metadata":
			r.metadata = true
		case "source":
			r.source = true
		case "$env":
			r.key, r.metadata, r.source, r.ofData().whole = true, true, true, true
		}
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok {
			if base := r.place(n.Node); base != nil {
				base.uses--
				base.of(name.Value).uses++
			}
		}
	}
}

func (r *reads) ofData() *wanted {
	if r.data == nil {
		r.data = &wanted{}
	}
	return r.data
}

// place returns what is wanted of data.a.b; nil for another expression.
func (r *reads) place(node ast.Node) *wanted {
	switch n := node.(type) {
	case *ast.IdentifierNode:
		if n.Value == "data" {
			return r.ofData()
		}
	case *ast.ChainNode:
		return r.place(n.Node)
	case *ast.MemberNode:
		if name, ok := n.Property.(*ast.StringNode); ok {
			if base := r.place(n.Node); base != nil {
				return base.of(name.Value)
			}
		}
	}
	return nil
}
