package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxBody is the largest body that DecodeBody reads when the server set no
// smaller limit. It is far above any administrative request.
const MaxBody = 8 << 20

// byteOrderMark is what some editors and shells put in front of UTF-8.
var byteOrderMark = []byte("\ufeff")

// DecodeBody reads the request's one JSON value into v by the rules of the
// original: an unknown field is 422, broken JSON and a wrong type are 400, and
// no body, blanks or null give the error missing. A nil missing leaves v as it
// was. The error is an *Error, or one of reading the body.
func DecodeBody(r *http.Request, v any, missing *Error) error {
	data, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return err
		}
		return Errorf(http.StatusBadRequest, "Bad Request: reading the body: the connection ended early")
	}
	if data = bytes.TrimSpace(bytes.TrimPrefix(data, byteOrderMark)); len(data) == 0 || bytes.Equal(data, []byte("null")) {
		if missing != nil {
			return missing
		}
		return nil
	}
	return Decode(data, v)
}

// Decode is DecodeBody for bytes that are there already. The names of fields
// are case-sensitive; of a name that is there twice the last one counts.
func Decode(data []byte, v any) error {
	dec := jsontext.NewDecoder(bytes.NewReader(data), jsontext.AllowDuplicateNames(true))
	if err := json.UnmarshalDecode(dec, v, json.RejectUnknownMembers(true)); err != nil {
		return decodeError(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return Errorf(http.StatusBadRequest, "Bad Request: there is more than one JSON value in the body")
	}
	return nil
}

func decodeError(err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var meaning *json.SemanticError
	if errors.As(err, &meaning) {
		switch {
		case errors.Is(err, json.ErrUnknownName):
			return Errorf(http.StatusUnprocessableEntity, "Unrecognized field: %s", meaning.JSONPointer.LastToken())
		case meaning.JSONPointer == "":
			return Errorf(http.StatusBadRequest, "Bad Request: the body cannot be %s", kindName(meaning.JSONKind))
		default:
			return Errorf(http.StatusBadRequest, "Bad Request: %s cannot be %s", meaning.JSONPointer, kindName(meaning.JSONKind))
		}
	}
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		return Errorf(http.StatusBadRequest, "Bad Request: the body is not JSON: %v at byte %d", syntax.Err, syntax.ByteOffset)
	}
	return Errorf(http.StatusBadRequest, "Bad Request: the body is not JSON: it ends early")
}

func kindName(k jsontext.Kind) string {
	switch k {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case '0':
		return "this number"
	case 't', 'f':
		return "a boolean"
	default:
		return "null"
	}
}

// Missing is the answer to a body that lacks a field it needs.
func Missing(field string) *Error {
	return Errorf(http.StatusBadRequest, "Bad Request: missing required property '%s'", field)
}

// Text is a JSON string. Like the original it also takes a number or a
// boolean, as its text: configuration values are often written so.
type Text string

// JSONSchema describes what is read.
func (Text) JSONSchema() map[string]any {
	return map[string]any{"type": []string{"string", "number", "boolean"}}
}

// UnmarshalJSON reads a string, a number, a boolean or null.
func (t *Text) UnmarshalJSON(data []byte) error {
	switch data[0] {
	case '"':
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		*t = Text(s)
	case '{', '[':
		return Errorf(http.StatusBadRequest, "Bad Request: a string is needed, not an object or array")
	default:
		if !bytes.Equal(data, []byte("null")) {
			*t = Text(data)
		}
	}
	return nil
}

// Int is a JSON integer. Like the original it also takes a string that holds
// one.
type Int int64

// JSONSchema describes what is read.
func (Int) JSONSchema() map[string]any {
	return map[string]any{"anyOf": []any{map[string]any{"type": "integer"}, map[string]any{"type": "string", "pattern": `^\s*-?[0-9]+\s*$`}}}
}

// UnmarshalJSON reads an integer, or a string that holds one.
func (i *Int) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" {
		return nil
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return Errorf(http.StatusBadRequest, "Bad Request: an integer is needed")
	}
	*i = Int(n)
	return nil
}

// Int32 returns the number, or a 400 that names the field when it does not fit.
func (i Int) Int32(field string) (int32, error) {
	if int64(int32(i)) != int64(i) {
		return 0, fmt.Errorf("reading the body: %w", Errorf(http.StatusBadRequest, "Bad Request: %s is out of range", field))
	}
	return int32(i), nil
}
