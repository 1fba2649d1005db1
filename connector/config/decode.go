package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/mitchellh/mapstructure"

	"github.com/headrace/headrace/internal/redact"
)

// Decode fills the struct that dst points to and returns everything that is
// wrong: unknown keys, wrong types, values that an enum does not list, missing
// keys, and the faults of Validate. Keys named in ignore are left alone; they
// belong to the caller. Whatever is right is stored even when there are
// problems. A null value leaves the default. Lists and maps replace those that
// dst holds.
//
// Beyond what the tags say: a string takes an unquoted number as it is written,
// a []string also a text with commas, a field of type *Node the node itself,
// any the plain value, and a struct that implements encoding.TextUnmarshaler a
// text or a map. Validate is called on dst, on structs embedded in it, and on
// those that the document sets; a fault at a place that has a problem already
// is not reported.
//
// A nil Node decodes to nothing and has no problems.
func (n *Node) Decode(dst any, ignore ...string) Problems {
	if n == nil || n.broken {
		return nil
	}
	target := reflect.ValueOf(dst)
	if target.Kind() != reflect.Pointer || target.IsNil() || target.Elem().Kind() != reflect.Struct {
		return Problems{n.Problem("cannot decode into %T; a pointer to a struct is needed", dst)}
	}
	d := &decoder{root: n, bad: make(map[string]bool)}
	if input, ok := d.object(place{node: n, label: "the file"}, target.Elem(), ignore); ok {
		d.store(input, dst)
	}
	d.validate(n, target, "", 0)
	return d.problems.Sort()
}

// maxListed is how many known keys a message lists.
const maxListed = 16

// decoder checks a document against Go types and makes the input for
// mapstructure, which then cannot fail.
type decoder struct {
	root     *Node
	problems Problems
	bad      map[string]bool // paths that have a problem
}

// place is where the decoder stands: the node, its path from the root, the
// name that messages use, and the values allowed there.
type place struct {
	node  *Node
	path  string
	label string
	enum  []string
}

func (p place) child(node *Node, key string) place {
	path := key
	if p.path != "" {
		path = p.path + "." + key
	}
	return place{node: node, path: path, label: key}
}

func (p place) item(i int) place {
	suffix := fmt.Sprintf("[%d]", i)
	return place{node: p.node.items[i], path: p.path + suffix, label: p.label + suffix, enum: p.enum}
}

func (d *decoder) fail(p place, format string, args ...any) (any, bool) {
	d.bad[p.path] = true
	d.problems = append(d.problems, p.node.Problem("%s "+format, append([]any{p.label}, args...)...))
	return nil, false
}

// within names the map that a key stands in: " in connector kafka".
func (d *decoder) within(p place) string {
	var names []string
	if p.path != "" {
		names = append(names, redact.Name(p.path))
	}
	if d.root.name != "" {
		names = append(names, d.root.name)
	}
	if len(names) == 0 {
		return ""
	}
	return " in " + strings.Join(names, " of ")
}

// value returns the node at p as input for a Go value like v. It is false when
// there is nothing to store.
func (d *decoder) value(p place, v reflect.Value) (any, bool) {
	n, t := p.node, v.Type()
	switch {
	case n.broken:
		d.bad[p.path] = true
		return nil, false
	case t == nodeType:
		return n, true
	case n.kind == Null:
		return nil, false
	case t.Kind() == reflect.Pointer:
		return d.value(p, current(v))
	case t == durationType:
		return d.duration(p)
	case readsText(t) && (n.kind == Scalar || t.Kind() != reflect.Struct):
		return d.text(p, v)
	}
	switch t.Kind() {
	case reflect.Struct:
		return d.object(p, v, nil)
	case reflect.Map:
		return d.table(p, t)
	case reflect.Slice:
		return d.list(p, t)
	case reflect.Interface:
		return d.anything(p)
	default:
		return d.scalar(p, v)
	}
}

func (d *decoder) object(p place, v reflect.Value, ignore []string) (any, bool) {
	switch p.node.kind {
	case Map, Null:
	default:
		if p.path == "" && d.root.name != "" {
			p.label = d.root.name
		}
		return d.fail(p, "must be a map of keys, not %s", p.node.found())
	}
	known := fields(v)
	names := slices.Clone(ignore)
	for _, f := range known {
		names = append(names, f.key)
	}
	out := make(map[string]any, len(p.node.keys))
	meant := make(map[string]bool)
	for i, key := range p.node.keys {
		at := slices.IndexFunc(known, func(f field) bool { return f.key == key.text })
		switch {
		case slices.Contains(ignore, key.text):
		case at < 0:
			d.unknown(p, key, names, meant)
		default:
			child := p.child(p.node.items[i], key.text)
			child.enum = known[at].enum
			if input, ok := d.value(child, known[at].value); ok {
				out[key.text] = input
				// A value that can change while the process runs: who uses it reads it
				// again from where it came from.
				if to := known[at].reread; to != "" && child.node.source != "" {
					if _, given := p.node.index[to]; !given {
						out[to] = child.node.source
					}
				}
			}
		}
	}
	for _, f := range known {
		if f.required && !meant[f.key] && f.value.IsZero() {
			d.require(p, f.key)
		}
	}
	return out, true
}

func (d *decoder) unknown(p place, key mapKey, names []string, meant map[string]bool) {
	message := fmt.Sprintf("unknown key %s%s", redact.Key(key.text), d.within(p))
	if near, ok := nearest(key.text, names); ok {
		message += fmt.Sprintf("; did you mean %q?", near)
		meant[near] = true
		d.bad[p.child(nil, near).path] = true
	} else if len(names) > maxListed {
		message += `; "headrace schema" lists the known keys`
	} else if len(names) > 0 {
		sorted := slices.Sorted(slices.Values(names))
		message += "; known keys: " + strings.Join(slices.Compact(sorted), ", ")
	}
	d.problems = append(d.problems, Problem{key.pos, message})
}

func (d *decoder) require(p place, key string) {
	child := p.child(p.node.Get(key), key)
	switch {
	case d.bad[child.path]:
	case child.node.Kind() == Null:
		d.bad[child.path] = true
		d.problems = append(d.problems, p.node.KeyProblem(key, "missing key %q%s", key, d.within(p)))
	case !child.node.broken && child.node.text == "" && len(child.node.items) == 0:
		d.fail(child, "must not be empty")
	}
}

// store hands the checked input to mapstructure. Its errors print values, so
// they are not passed on; they can only mean a field of a type that is not
// supported.
func (d *decoder) store(input, dst any) {
	md, err := mapstructure.NewDecoder(&mapstructure.DecoderConfig{
		Result:     dst,
		Squash:     true,
		MatchName:  func(key, name string) bool { return key == name },
		DecodeHook: prepare,
	})
	if err == nil {
		err = md.Decode(input)
	}
	if err != nil {
		d.problems = append(d.problems, d.root.Problem("cannot store the values in %T; one of its fields has a type that is not supported", dst))
	}
}

// prepare empties lists, maps and interfaces, which mapstructure would merge,
// and sets the defaults of structs that were just made.
func prepare(from, to reflect.Value) (any, error) {
	if to.CanSet() {
		switch to.Kind() {
		case reflect.Slice, reflect.Map, reflect.Interface:
			to.SetZero()
		case reflect.Struct:
			if d, ok := to.Addr().Interface().(Defaulter); ok && to.IsZero() {
				d.SetDefaults()
			}
		}
	}
	return from.Interface(), nil
}
