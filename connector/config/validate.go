package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector"
)

// validate reports the faults of v, a pointer to what n was decoded into, and
// of the structs in it.
func (d *decoder) validate(n *Node, v reflect.Value, path string, depth int) {
	if depth > maxDepth {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		d.check(v, path)
		d.validateParts(n, v.Elem(), path, depth)
	case reflect.Struct, reflect.Slice, reflect.Map:
		if v.CanAddr() {
			d.validate(n, v.Addr(), path, depth)
			return
		}
		addressed := reflect.New(v.Type())
		addressed.Elem().Set(v)
		d.validate(n, addressed, path, depth)
	}
}

func (d *decoder) validateParts(n *Node, v reflect.Value, path string, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		d.validate(n, v, path, depth+1)
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			key, options, _ := strings.Cut(f.Tag.Get("mapstructure"), ",")
			if squashed(f, options) {
				d.validate(n, v.Field(i), path, depth+1)
			} else if child := n.Get(key); f.IsExported() && child.Kind() != Null && f.Type != nodeType {
				d.validate(child, v.Field(i), place{path: path}.child(nil, key).path, depth+1)
			}
		}
	case reflect.Slice:
		// Items that could not be stored are left out, so that the others
		// would be taken for their neighbours: they wait for the next run.
		if items := n.Items(); len(items) == v.Len() {
			for i, item := range items {
				d.validate(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i), depth+1)
			}
		}
	case reflect.Map:
		for i := 0; n.Kind() == Map && v.Type().Key().Kind() == reflect.String && i < len(n.keys); i++ {
			key := n.keys[i].text
			if val := v.MapIndex(reflect.ValueOf(key).Convert(v.Type().Key())); val.IsValid() {
				d.validate(n.items[i], val, place{path: path}.child(nil, key).path, depth+1)
			}
		}
	}
}

// check calls Validate. A struct embedded under a private name cannot be
// called through reflection; its Validate is promoted to the struct around it.
func (d *decoder) check(v reflect.Value, path string) {
	if !v.CanInterface() {
		return
	}
	if checked, ok := v.Interface().(connector.Validator); ok {
		for _, f := range checked.Validate() {
			d.fault(path, f)
		}
	}
}

// fault reports a fault of the struct at base.
func (d *decoder) fault(base string, f connector.Fault) {
	path := f.Path
	switch {
	case path == "":
		path = base
	case base != "" && !strings.HasPrefix(path, "["):
		path = base + "." + path
	case base != "":
		path = base + path
	}
	for bad := range d.bad {
		if bad != "" && f.Path != "" && (path == bad || strings.HasPrefix(path, bad+".") || strings.HasPrefix(path, bad+"[")) {
			return
		}
	}
	d.problems = append(d.problems, d.lookup(path).Problem("%s", faultText(f)))
}

var predicate = regexp.MustCompile(`^(?:must|is|are|has|have|cannot|can|needs|takes|does|excludes|wants|may|holds)\b`)

// faultText puts the key before a message that does not name it.
func faultText(f connector.Fault) string {
	label := f.Path[strings.LastIndexByte(f.Path, '.')+1:]
	switch {
	case label == "" || strings.Contains(f.Message, label):
		return f.Message
	case predicate.MatchString(f.Message):
		return label + " " + f.Message
	default:
		return label + ": " + f.Message
	}
}

// lookup returns the node at a path such as "headers[1].name", or the nearest
// one above it. Keys that hold dots themselves are found too.
func (d *decoder) lookup(path string) *Node {
	n := d.root
	for path != "" {
		if index, rest, ok := cutIndex(path); ok && n.kind == List {
			if index >= len(n.items) {
				break
			}
			n, path = n.items[index], strings.TrimPrefix(rest, ".")
			continue
		}
		child, rest := longestKey(n, path)
		if child == nil {
			break
		}
		n, path = child, rest
	}
	return n
}

func cutIndex(path string) (index int, rest string, ok bool) {
	inner, rest, closed := strings.Cut(strings.TrimPrefix(path, "["), "]")
	index, err := strconv.Atoi(inner)
	return index, rest, strings.HasPrefix(path, "[") && closed && err == nil && index >= 0
}

// longestKey finds the key of n that the longest part of path names.
func longestKey(n *Node, path string) (*Node, string) {
	for end := len(path); end > 0; end = strings.LastIndexAny(path[:end], ".[") {
		if child := n.Get(path[:end]); child != nil {
			return child, strings.TrimPrefix(path[end:], ".")
		}
	}
	return nil, ""
}
