package protobuf

import (
	"bytes"
	"encoding/binary"
	"regexp"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/schema/jsonpath"
)

// appendIndexes writes the path to a message type: the number of indexes, then
// the indexes, as zigzag varints; the usual path [0] is the one byte 0.
// https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
func appendIndexes(dst []byte, path []int) []byte {
	if len(path) == 1 && path[0] == 0 {
		return append(dst, 0)
	}
	dst = binary.AppendVarint(dst, int64(len(path)))
	for _, i := range path {
		dst = binary.AppendVarint(dst, int64(i))
	}
	return dst
}

// maxPath bounds the indexes that are read: messages nest no deeper.
const maxPath = maxBraces

func readIndexes(data []byte) (path []int, rest []byte, err error) {
	bad := connector.Errorf(connector.Invalid, "the message indexes before the Protobuf data are broken")
	count, n := binary.Varint(data)
	if n <= 0 || count < 0 || count > maxPath {
		return nil, nil, bad
	}
	data = data[n:]
	if count == 0 {
		return []int{0}, data, nil
	}
	for range count {
		i, n := binary.Varint(data)
		if n <= 0 || i < 0 || i > 1<<20 {
			return nil, nil, bad
		}
		path = append(path, int(i))
		data = data[n:]
	}
	return path, data, nil
}

// Encode appends the message indexes and the Protobuf bytes of a JSON text to
// dst. An error is of kind Invalid and names the JSON path.
func (m *Message) Encode(dst, value []byte) ([]byte, error) {
	msg := m.kind.New().Interface()
	o := protojson.UnmarshalOptions{Resolver: m.schema.types, RecursionLimit: MaxDepth}
	if err := o.Unmarshal(value, msg); err != nil {
		return dst, explain(value, err)
	}
	out, err := proto.MarshalOptions{Deterministic: true}.MarshalAppend(append(dst, m.header...), msg)
	if err != nil {
		return dst, connector.Errorf(connector.Invalid, "$: does not fit message %s", m.Name())
	}
	return out, nil
}

var position = regexp.MustCompile(`\(line (\d+):(\d+)\)`)

// explain says what is wrong and where. The library's own text may show
// values, which are not ours to show.
func explain(value []byte, err error) error {
	text := err.Error()
	at := len(value)
	if p := position.FindStringSubmatch(text); p != nil {
		at = offset(value, p[1], p[2])
	}
	what := "the value does not fit the schema"
	switch {
	case strings.Contains(text, "max recursion depth"):
		what, at = "nested deeper than "+strconv.Itoa(MaxDepth)+" levels", 0
	case strings.Contains(text, "unknown field"):
		what = "the message has no such field"
	case strings.Contains(text, "duplicate"):
		what = "the field or key is there twice"
	case strings.Contains(text, "is already set"):
		what = "another field of the same oneof is set"
	case strings.Contains(text, "required field"):
		what, at = "a required field is missing", 0
	case strings.Contains(text, "invalid value for "):
		_, kind, _ := strings.Cut(text, "invalid value for ")
		kind, _, _ = strings.Cut(kind, " ")
		what = "the value is no " + kind
	case strings.Contains(text, "google.protobuf.Any"), strings.Contains(text, "unable to resolve"):
		what = "@type names no message that the schema knows"
	case strings.Contains(text, "syntax error"), strings.Contains(text, "unexpected EOF"):
		what = "not JSON, or a value of another kind than the schema's"
	}
	return connector.Errorf(connector.Invalid, "%s: %s", jsonpath.At(value, at), what)
}

// offset finds line and column, counted from 1 in characters.
func offset(text []byte, line, column string) int {
	l, _ := strconv.Atoi(line) // digits, by the expression
	c, _ := strconv.Atoi(column)
	at := 0
	for ; l > 1; l-- {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	for ; c > 1 && at < len(text); c-- {
		at++
		for at < len(text) && text[at]&0xc0 == 0x80 {
			at++
		}
	}
	return at
}

// Decode appends the JSON of message indexes and Protobuf bytes to dst.
func (s *Schema) Decode(dst, data []byte) ([]byte, error) {
	path, data, err := readIndexes(data)
	if err != nil {
		return dst, err
	}
	m, err := s.at(path)
	if err != nil {
		return dst, err
	}
	if len(data) > MaxInput {
		return dst, connector.Errorf(connector.TooLarge, "a Protobuf message of %d bytes is larger than %d MiB", len(data), MaxInput>>20)
	}
	msg := m.kind.New()
	o := proto.UnmarshalOptions{Resolver: s.types, RecursionLimit: MaxDepth}
	if err := o.Unmarshal(data, msg.Interface()); err != nil {
		return dst, connector.Errorf(connector.Invalid, "the bytes are no message %s", m.Name())
	}
	if s.estimate(msg, MaxOutput, 0) <= 0 {
		return dst, connector.Errorf(connector.Invalid, "the message has more than %d MiB of JSON", MaxOutput>>20)
	}
	text, err := protojson.MarshalOptions{EmitDefaultValues: true, Resolver: s.types}.Marshal(msg.Interface())
	if err != nil {
		return dst, connector.Errorf(connector.Invalid, "a value in the message %s has no JSON form", m.Name())
	}
	return compact(dst, text), nil
}

// compact appends JSON without the blanks between tokens: protojson puts some
// there at random, so that nobody relies on its spelling.
func compact(dst, text []byte) []byte {
	inString := false
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case inString && c == '\\':
			dst = append(dst, c)
			i++
			c = text[i]
		case c == '"':
			inString = !inString
		case c == ' ' && !inString:
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// perField is about what a field with its default costs in JSON beside its name.
const perField = 8

// measure notes what the JSON of each message type costs when it is empty.
func (s *Schema) measure(list protoreflect.MessageDescriptors) {
	for i := range list.Len() {
		d := list.Get(i)
		size := 2
		for k := range d.Fields().Len() {
			size += len(d.Fields().Get(k).JSONName()) + perField
		}
		s.sizes[d.FullName()] = size
		s.measure(d.Messages())
	}
}

// estimate returns what is left of room when the message's JSON, fields with
// defaults included, is taken from it.
func (s *Schema) estimate(msg protoreflect.Message, room, depth int) int {
	if depth > MaxDepth {
		return 0
	}
	room -= s.sizes[msg.Descriptor().FullName()]
	if msg.Descriptor().FullName() == "google.protobuf.Any" {
		return s.estimateAny(msg, room, depth)
	}
	msg.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				room -= perField
				if f.MapValue().Message() != nil {
					room = s.estimate(v.Message(), room, depth+1)
				}
				return room > 0
			})
		case f.IsList():
			list := v.List()
			room -= perField * list.Len()
			for i := 0; f.Message() != nil && i < list.Len() && room > 0; i++ {
				room = s.estimate(list.Get(i).Message(), room, depth+1)
			}
		case f.Message() != nil:
			room = s.estimate(v.Message(), room, depth+1)
		case f.Kind() == protoreflect.StringKind:
			room -= len(v.String())
		case f.Kind() == protoreflect.BytesKind:
			room -= len(v.Bytes()) * 4 / 3
		}
		return room > 0
	})
	return room
}

// estimateAny looks into a google.protobuf.Any, whose JSON is that of the
// message in it.
func (s *Schema) estimateAny(msg protoreflect.Message, room, depth int) int {
	fields := msg.Descriptor().Fields()
	kind, err := s.types.FindMessageByURL(msg.Get(fields.ByName("type_url")).String())
	if err != nil {
		return room // it has no JSON, which marshalling reports
	}
	inner := kind.New()
	o := proto.UnmarshalOptions{Resolver: s.types, RecursionLimit: MaxDepth}
	if o.Unmarshal(msg.Get(fields.ByName("value")).Bytes(), inner.Interface()) != nil {
		return room
	}
	return s.estimate(inner, room, depth+1)
}
