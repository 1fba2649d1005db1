package config

import (
	"encoding"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// scalar checks a value of one of Go's basic kinds.
func (d *decoder) scalar(p place, v reflect.Value) (any, bool) {
	switch v.Kind() {
	case reflect.String:
		return d.str(p)
	case reflect.Bool:
		if b, ok := p.node.boolean(); ok {
			return b, true
		}
		return d.fail(p, "must be true or false, not %s", p.node.found())
	case reflect.Float32, reflect.Float64:
		if f, ok := p.node.float(); ok && !v.OverflowFloat(f) {
			return f, true
		}
		if p.node.kind == Scalar && p.node.tagFor() == "!!float" {
			return d.fail(p, "must be a finite number")
		}
		return d.fail(p, "must be a number, not %s", p.node.found())
	}
	if !v.CanInt() && !v.CanUint() {
		return d.fail(p, "cannot be set in a file: its type %s is not supported", v.Type())
	}
	if i, ok := p.node.number(v.Type()); ok {
		return i, true
	}
	if p.node.kind == Scalar && (p.node.tagFor() == "!!int" || digits.MatchString(p.node.text) && !p.node.quoted) {
		if v.CanUint() {
			return d.fail(p, "is out of range; it must be a whole number from 0 to %d", ^uint64(0)>>(64-v.Type().Bits()))
		}
		high := int64(^uint64(0) >> (65 - v.Type().Bits()))
		return d.fail(p, "is out of range; it must be a whole number from %d to %d", -high-1, high)
	}
	return d.fail(p, "must be a whole number, not %s", p.node.found())
}

var digits = regexp.MustCompile(`^[-+]?[0-9]+$`)

// str stores a text also when its enum does not list it: what goes with the
// value that was meant is then not called wrong for its sake as well.
func (d *decoder) str(p place) (any, bool) {
	if p.node.kind != Scalar {
		return d.fail(p, "must be text, not %s", p.node.found())
	}
	text, ok := d.allowed(p, p.node.text)
	if !ok {
		return p.node.text, true
	}
	p.learn(p.node.text)
	return text, true
}

// allowed returns the spelling of the enum for text, or text where there is no
// enum.
func (d *decoder) allowed(p place, text string) (any, bool) {
	if len(p.enum) == 0 {
		return text, true
	}
	for _, e := range p.enum {
		if strings.EqualFold(e, text) {
			return e, true
		}
	}
	hint := ""
	if near, ok := nearest(text, p.enum); ok {
		hint = "; did you mean " + near + "?"
	}
	return d.fail(p, "must be one of %s%s", strings.Join(p.enum, ", "), hint)
}

func (d *decoder) duration(p place) (any, bool) {
	var v connector.Duration
	if _, ok := d.text(p, reflect.ValueOf(&v).Elem()); !ok {
		return nil, false
	}
	parsed := reflect.New(reflect.TypeFor[connector.Duration]())
	if err := parsed.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(p.node.text)); err != nil {
		return nil, false
	}
	return time.Duration(parsed.Elem().Int()), true
}

// text lets the type read the scalar itself. What its error says is shown only
// if the type is one of package connector or the error does not repeat the text.
func (d *decoder) text(p place, v reflect.Value) (any, bool) {
	if p.node.kind != Scalar {
		return d.fail(p, "must be text, not %s", p.node.found())
	}
	text := p.node.text
	if v.Kind() == reflect.String && len(p.enum) > 0 {
		spelled, ok := d.allowed(p, text)
		if !ok {
			return nil, false
		}
		text = spelled.(string)
	}
	if v.Type() == secretType {
		p.node.masker.Add(text)
	} else {
		p.learn(text)
	}
	made := reflect.New(v.Type())
	made.Elem().Set(v)
	if err := made.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)); err != nil {
		ours := v.Type().PkgPath() == secretType.PkgPath()
		switch reason := err.Error(); {
		case !ours && (text == "" || len(text) > redact.MinSecret && strings.Contains(reason, text)):
		case strings.HasPrefix(reason, "not "):
			return d.fail(p, "is %s", reason)
		default:
			return d.fail(p, "cannot be used: %s", reason)
		}
		return d.fail(p, "is not a valid %s", strings.ToLower(v.Type().Name()))
	}
	return made.Elem().Interface(), true
}

func (d *decoder) list(p place, t reflect.Type) (any, bool) {
	elem := t.Elem()
	if p.node.kind == Scalar && elem.Kind() == reflect.String {
		return d.commaList(p)
	}
	if p.node.kind != List {
		return d.fail(p, "must be a list, not %s", p.node.found())
	}
	out := make([]any, 0, len(p.node.items))
	for i := range p.node.items {
		item := p.item(i)
		if item.node.kind == Null && !item.node.broken && elem.Kind() != reflect.Interface {
			d.fail(item, "is empty; remove it or give it a value")
			continue
		}
		input, ok := d.value(item, fresh(elem))
		if ok || elem.Kind() == reflect.Interface {
			out = append(out, input)
		}
	}
	return out, true
}

func (d *decoder) commaList(p place) (any, bool) {
	out := []any{}
	for part := range strings.SplitSeq(p.node.text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		v, ok := d.allowed(p, part)
		if !ok {
			return nil, false
		}
		p.learn(part)
		out = append(out, v)
	}
	return out, true
}

func (d *decoder) table(p place, t reflect.Type) (any, bool) {
	if t.Key().Kind() != reflect.String {
		return d.fail(p, "cannot be set in a file: its type %s is not supported", t)
	}
	if p.node.kind != Map {
		return d.fail(p, "must be a map, not %s", p.node.found())
	}
	out := make(map[string]any, len(p.node.keys))
	for i, key := range p.node.keys {
		p.node.masker.Open(key.text)
		child := p.child(p.node.items[i], key.text)
		child.label, child.enum = p.label+"."+redact.Name(key.text), p.enum
		if child.node.kind == Null && t.Elem().Kind() == reflect.String && !child.node.broken {
			d.fail(child, "is empty; remove it or give it a value")
			continue
		}
		input, ok := d.value(child, fresh(t.Elem()))
		if ok || t.Elem().Kind() == reflect.Interface {
			out[key.text] = input
		}
	}
	return out, true
}

func (d *decoder) anything(p place) (any, bool) {
	if broken(p.node) {
		d.bad[p.path] = true
		return nil, false
	}
	return p.node.Value(), true
}

func broken(n *Node) bool { return n.broken || slices.ContainsFunc(n.items, broken) }
