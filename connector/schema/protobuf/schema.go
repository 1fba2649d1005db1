// Package protobuf turns JSON into Protobuf and back by the JSON mapping of
// proto3 (https://protobuf.dev/programming-guides/json/), with schemas that
// are compiled while the program runs, as a Schema Registry has them. Fields
// that the schema does not know are refused; what is read back shows fields
// with default values too, as Java's JsonFormat in the Kafka REST Proxy does.
package protobuf

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/headrace/headrace/connector"
)

// Limits.
const (
	// MaxDepth bounds the nesting of messages, as in Java.
	MaxDepth = 100
	// MaxInput bounds the bytes of one message to decode, and MaxOutput its
	// JSON: fields that are not in the bytes are in the JSON.
	MaxInput  = 16 << 20
	MaxOutput = 64 << 20

	compileTimeout = 10 * time.Second
	maxBraces      = 64 // nesting in the text of a schema
)

// Reference is a file that another one imports by name.
type Reference struct{ Name, Text string }

// Schema is a compiled file. It is safe for concurrent use.
type Schema struct {
	file     protoreflect.FileDescriptor
	types    *dynamicpb.Types
	messages map[protoreflect.FullName]*Message
	first    *Message
	sizes    map[protoreflect.FullName]int // of each message's JSON when it is empty
}

// Message is one message type of a schema.
type Message struct {
	schema *Schema
	kind   protoreflect.MessageType
	header []byte // the message indexes
}

const fileName = "headrace-schema.proto"

// Parse compiles the text of a .proto file, or its FileDescriptorProto in
// base64, which some registries answer with. An error is of kind Invalid.
func Parse(text string, references ...Reference) (*Schema, error) {
	files := map[string]string{fileName: text}
	for name, builtin := range builtins {
		files[name] = builtin
	}
	for _, r := range references {
		files[r.Name] = r.Text
	}
	for name, text := range files {
		if braces(text) > maxBraces {
			return nil, connector.Errorf(connector.Invalid, "the Protobuf schema %s is nested deeper than %d levels", name, maxBraces)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), compileTimeout)
	defer cancel()
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(resolver(files)),
		MaxParallelism: 1,
	}
	compiled, err := compiler.Compile(ctx, fileName)
	if err != nil {
		return nil, connector.Errorf(connector.Invalid, "the Protobuf schema is not valid: %w", cleaned(err))
	}
	file := compiled[0]
	if file.Messages().Len() == 0 {
		return nil, connector.Errorf(connector.Invalid, "the Protobuf schema has no message")
	}
	var known protoregistry.Files
	if err := collect(&known, file); err != nil {
		return nil, connector.Errorf(connector.Invalid, "the Protobuf schema is not valid: %w", err)
	}
	s := &Schema{file: file, types: dynamicpb.NewTypes(&known), messages: map[protoreflect.FullName]*Message{},
		sizes: map[protoreflect.FullName]int{}}
	known.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		s.measure(f.Messages())
		return true
	})
	s.index(file.Messages(), nil)
	s.first = s.messages[file.Messages().Get(0).FullName()]
	return s, nil
}

// resolver answers with texts and file descriptors.
type resolver map[string]string

func (r resolver) FindFileByPath(path string) (protocompile.SearchResult, error) {
	text, ok := r[path]
	if !ok {
		return protocompile.SearchResult{}, protoregistry.NotFound
	}
	if raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text)); err == nil && len(raw) > 0 {
		var d descriptorpb.FileDescriptorProto
		if proto.Unmarshal(raw, &d) == nil {
			d.Name = proto.String(path)
			return protocompile.SearchResult{Proto: &d}, nil
		}
	}
	return protocompile.SearchResult{Source: io.Reader(strings.NewReader(text))}, nil
}

// braces is the deepest nesting of a text, comments and strings included.
func braces(text string) int {
	deepest, depth := 0, 0
	for _, c := range []byte(text) {
		switch c {
		case '{', '[', '(', '<':
			depth++
			deepest = max(deepest, depth)
		case '}', ']', ')', '>':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}

// cleaned keeps the first fault of a compilation and its line.
func cleaned(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	line = strings.TrimPrefix(line, fileName+":")
	if strings.Contains(line, "could not resolve path") || errors.Is(err, protoregistry.NotFound) {
		return fmt.Errorf("%s; an imported file must be one of the schema's references", line)
	}
	return errors.New(line)
}

// collect registers a file and all that it imports.
func collect(known *protoregistry.Files, file protoreflect.FileDescriptor) error {
	if _, err := known.FindFileByPath(file.Path()); err == nil {
		return nil
	}
	for i := range file.Imports().Len() {
		imported := file.Imports().Get(i).FileDescriptor
		if imported.IsPlaceholder() {
			continue
		}
		if err := collect(known, imported); err != nil {
			return err
		}
	}
	return known.RegisterFile(file)
}

// index makes a Message of each type in the list. Their indexes are those of
// the messages in the text, as in Java: the entries of maps, which a compiler
// adds, do not count.
func (s *Schema) index(list protoreflect.MessageDescriptors, path []int) {
	for i, d := range written(list) {
		own := append(slices.Clone(path), i)
		s.messages[d.FullName()] = &Message{schema: s, kind: dynamicpb.NewMessageType(d), header: appendIndexes(nil, own)}
		s.index(d.Messages(), own)
	}
}

// written are the messages of a list that the text has.
func written(list protoreflect.MessageDescriptors) []protoreflect.MessageDescriptor {
	var out []protoreflect.MessageDescriptor
	for i := range list.Len() {
		if d := list.Get(i); !d.IsMapEntry() {
			out = append(out, d)
		}
	}
	return out
}

// First is the first message of the file, which is written unless another one
// is asked for.
func (s *Schema) First() *Message { return s.first }

// Message returns the message type with the full name, or nil.
func (s *Schema) Message(name string) *Message { return s.messages[protoreflect.FullName(name)] }

// Name is the full name of the message type.
func (m *Message) Name() string { return string(m.kind.Descriptor().FullName()) }

// at returns the message type at a path of indexes.
func (s *Schema) at(path []int) (*Message, error) {
	list := s.file.Messages()
	var d protoreflect.MessageDescriptor
	for _, i := range path {
		messages := written(list)
		if i >= len(messages) {
			return nil, connector.Errorf(connector.Invalid, "the message indexes name no message of the Protobuf schema")
		}
		d = messages[i]
		list = d.Messages()
	}
	return s.messages[d.FullName()], nil
}
