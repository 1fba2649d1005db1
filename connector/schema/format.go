package schema

import (
	"os"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
)

// Formats are the keys of an exporter block that say what records are written
// as.
type Formats struct {
	ValueFormat string    `mapstructure:"value_format" enum:"json,avro,protobuf,jsonschema" doc:"what values are written as; default as they are"`
	KeyFormat   string    `mapstructure:"key_format" enum:"string,avro,protobuf,jsonschema" doc:"what keys are written as; default as they are"`
	ValueSchema Subject   `mapstructure:"value_schema" doc:"schema of the values; default the latest version of subject TOPIC-value"`
	KeySchema   Subject   `mapstructure:"key_schema" doc:"schema of the keys; default the latest version of subject TOPIC-key"`
	Registry    *Settings `mapstructure:"schema_registry" doc:"Schema Registry of this block; default the project's"`
}

// Subject names the schema of keys or values. Without id, version, text and
// file it is the latest version of the subject.
type Subject struct {
	Subject  string `mapstructure:"subject" doc:"subject, instead of what subject_name_strategy makes of the topic"`
	Strategy string `mapstructure:"subject_name_strategy" enum:"TOPIC_NAME,RECORD_NAME,TOPIC_RECORD_NAME" doc:"how the subject is named; default TOPIC_NAME"`
	ID       int    `mapstructure:"id" doc:"id of the schema"`
	Version  int    `mapstructure:"version" doc:"version of the subject"`
	Text     string `mapstructure:"text" doc:"the schema itself, registered under the subject when it is not there"`
	File     string `mapstructure:"file" doc:"file with the schema itself"`
	Message  string `mapstructure:"message" doc:"full name of the Protobuf message to write; default the schema's first"`
	Plain    bool   `mapstructure:"plain_json" doc:"Avro of JSON as other programs write it: union values without their branch, absent fields by their defaults"`
	Register *bool  `mapstructure:"register" doc:"register a text or file that the subject lacks; default true"`
}

// The formats with a schema, by the names that files and media types use. In
// capitals they are those of the Kafka REST Proxy.
const (
	FormatAvro       = "avro"
	FormatProtobuf   = "protobuf"
	FormatJSONSchema = "jsonschema"
)

// formatTypes are the registry's names of the formats.
var formatTypes = map[string]string{FormatAvro: Avro, FormatProtobuf: Protobuf, FormatJSONSchema: JSONSchema}

// TypeOf is the registry's name of a format, "" for one without schema.
func TypeOf(format string) string { return formatTypes[format] }

// FormatOf is the format of a registry's type, "" for one that is not known.
func FormatOf(kind string) string {
	for format, t := range formatTypes {
		if t == kind {
			return format
		}
	}
	return ""
}

// SetDefaults is for a schema_registry in a block.
func (s *Settings) SetDefaults() { *s = DefaultSettings() }

// Enabled reports whether keys or values need a registry.
func (f *Formats) Enabled() bool {
	return TypeOf(f.ValueFormat) != "" || TypeOf(f.KeyFormat) != ""
}

// Faults reports keys that do not go together.
func (f *Formats) Faults() []connector.Fault {
	var faults []connector.Fault
	for _, s := range []struct {
		key    string
		format string
		schema *Subject
	}{{"value", f.ValueFormat, &f.ValueSchema}, {"key", f.KeyFormat, &f.KeySchema}} {
		if message := s.schema.fault(TypeOf(s.format)); message != "" {
			faults = append(faults, connector.Fault{Path: s.key + "_schema", Message: message})
		}
	}
	return faults
}

func (s *Subject) fault(kind string) string {
	ways := 0
	for _, given := range []bool{s.ID != 0, s.Version != 0, s.Text != "", s.File != ""} {
		if given {
			ways++
		}
	}
	switch {
	case *s == (Subject{}):
		return ""
	case kind == "":
		return "needs a format of avro, protobuf or jsonschema"
	case ways > 1:
		return "id, version, text and file exclude each other; keep one"
	case s.ID < 0 || s.Version < 0:
		return "id and version must be more than 0"
	case s.Subject != "" && s.Strategy != "":
		return "subject and subject_name_strategy exclude each other; keep one"
	case s.Message != "" && kind != Protobuf:
		return "message is for the format protobuf"
	case s.Plain && kind != Avro:
		return "plain_json is for the format avro"
	case ways == 0 && (s.Strategy == RecordName || s.Strategy == TopicRecordName), s.Version != 0 && s.Subject == "" && s.Strategy != "" && s.Strategy != TopicName:
		return "subject_name_strategy " + s.Strategy + " needs id, text or file: the record's name is in the schema"
	default:
		return ""
	}
}

// maxFile bounds the file of a schema.
const maxFile = 1 << 20

// PrepareIn reads the files of schemas and fills in the registry that the
// project shares as Settings.
func (f *Formats) PrepareIn(p *block.Project) []connector.Fault {
	project, _ := block.Shared[Settings](p)
	var faults []connector.Fault
	for key, s := range map[string]*Subject{"value_schema": &f.ValueSchema, "key_schema": &f.KeySchema} {
		if s.File == "" {
			continue
		}
		text, err := os.ReadFile(p.Path(s.File))
		switch {
		case err != nil:
			faults = append(faults, connector.Fault{Path: key, Message: "file cannot be read: " + fileReason(err)})
		case len(text) > maxFile:
			faults = append(faults, connector.Fault{Path: key, Message: "file is larger than 1 MiB"})
		default:
			s.Text = string(text)
		}
	}
	switch {
	case !f.Enabled():
	case f.Registry != nil && !f.Registry.IsZero():
		faults = append(faults, f.Registry.CheckFiles()...)
	case project.IsZero():
		key := "value_format"
		if TypeOf(f.ValueFormat) == "" {
			key = "key_format"
		}
		faults = append(faults, connector.Fault{Path: key, Message: "needs a Schema Registry; write schema_registry: {url: …} in the block or in headrace.yaml"})
	default:
		f.Registry = &project
	}
	return faults
}

func fileReason(err error) string {
	if os.IsNotExist(err) {
		return "it does not exist"
	}
	return err.Error()
}

// ref is what the registry is asked for, for a topic.
func (s *Subject) ref(topic string, key bool, kind string) Ref {
	return Ref{Topic: topic, Key: key, Type: kind, Subject: s.Subject, Strategy: s.Strategy, ID: s.ID, Version: s.Version,
		Text: s.Text, Message: s.Message, Plain: s.Plain, LookupOnly: s.Register != nil && !*s.Register}
}
