package schema

import (
	"fmt"

	"github.com/headrace/headrace/connector"
)

// The strategies that name the subject of a schema, in the words of the Kafka
// REST Proxy.
const (
	TopicName       = "TOPIC_NAME"
	RecordName      = "RECORD_NAME"
	TopicRecordName = "TOPIC_RECORD_NAME"
)

// Ref names the schema of a key or value: by ID, by Version or by its Text;
// with none of them it is the latest version of the subject.
type Ref struct {
	Topic    string
	Key      bool
	Type     string // AVRO, PROTOBUF or JSON; needed with Text, else checked when it is set
	Subject  string // overrides Strategy
	Strategy string // TopicName (also ""), RecordName or TopicRecordName
	ID       int
	Version  int
	Text     string // looked up under the subject
	Message  string // the Protobuf message to write; "" is the first of the schema
	// LookupOnly does not register a Text that the subject lacks.
	LookupOnly bool
	// Plain takes JSON as other programs write it for Avro; see
	// avro.Schema.EncodePlain.
	Plain bool
}

// key tells one Ref from every other.
func (r Ref) key() string {
	texts := []string{r.Topic, r.Type, r.Subject, r.Strategy, r.Text, r.Message}
	return fmt.Sprintf("%q %d %d %t %t %t", texts, r.ID, r.Version, r.Key, r.LookupOnly, r.Plain)
}

// Used is the schema that bytes were written with.
type Used struct {
	Type    string
	Subject string
	ID      int
	Version int
}

// check compares the schema's type with the one that is wanted.
func (r *Ref) check(got string) error {
	if r.Type != "" && r.Type != got {
		return &SchemaError{connector.Errorf(connector.Invalid, "the schema is of type %s, not %s", got, r.Type)}
	}
	return nil
}

// subject is where the schema with a record's name belongs.
func (r *Ref) subject(record string) (string, error) {
	switch {
	case r.Subject != "":
		return r.Subject, nil
	case r.Strategy == RecordName || r.Strategy == TopicRecordName:
		if record == "" {
			return "", connector.Errorf(connector.Invalid, "subject name strategy %s needs a schema with a name: an Avro record, a Protobuf message or a JSON schema with a title", r.Strategy)
		}
		if r.Strategy == RecordName {
			return record, nil
		}
		return r.Topic + "-" + record, nil
	case r.Strategy != "" && r.Strategy != TopicName:
		return "", connector.Errorf(connector.Invalid, "there is no subject name strategy %s; there are %s, %s and %s", r.Strategy, TopicName, RecordName, TopicRecordName)
	case r.Topic == "":
		return "", connector.Errorf(connector.Invalid, "a record without topic has no subject; name it with subject")
	case r.Key:
		return r.Topic + "-key", nil
	default:
		return r.Topic + "-value", nil
	}
}
