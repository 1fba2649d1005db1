package produce

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway/restproxy/wire"
)

func (rec *recordV3) decodeTime(v jsontext.Value) {
	switch v.Kind() {
	case 'n':
	case '"':
		t, ok := wire.ParseTime(string(text(v)))
		if !ok {
			rec.fail(badData("timestamp is not an ISO-8601 instant such as 2022-04-22T14:48:47.650Z."))
		}
		rec.time = t
	case '0':
		t, ok := wire.ParseTime(string(v))
		if !ok {
			rec.fail(badData("timestamp is not a number of milliseconds."))
		}
		rec.time = t
	default:
		rec.fail(badData("timestamp must be a string."))
	}
}

func (b *batch) decodeHeaders(rec *recordV3) error {
	if kind := b.dec.PeekKind(); kind != '[' {
		if kind != 'n' {
			rec.fail(badData("headers must be an array."))
		}
		return b.dec.SkipValue()
	}
	if _, err := b.dec.ReadToken(); err != nil {
		return err
	}
	for b.dec.PeekKind() != ']' {
		if err := b.decodeHeader(rec); err != nil {
			return err
		}
	}
	_, err := b.dec.ReadToken()
	return err
}

func (b *batch) decodeHeader(rec *recordV3) error {
	if b.dec.PeekKind() != '{' {
		rec.fail(badData("a header must be an object."))
		return b.dec.SkipValue()
	}
	if _, err := b.dec.ReadToken(); err != nil {
		return err
	}
	var header connector.Header
	named := false
	for b.dec.PeekKind() != '}' {
		name, err := b.dec.ReadValue()
		if err != nil {
			return err
		}
		isName := string(name) == `"name"`
		if !isName && string(name) != `"value"` {
			if err := b.skipUnknown(rec, name); err != nil {
				return err
			}
			continue
		}
		v, err := b.dec.ReadValue()
		switch {
		case err != nil:
			return err
		case isName && v.Kind() == '"':
			header.Key, named = string(text(v)), true
		case isName:
			rec.fail(badData("the name of a header must be a string."))
		case v.Kind() == '"':
			if header.Value, err = decodeBase64(v); err != nil {
				rec.fail(badData("the value of a header is not a valid base64 string."))
			}
		case v.Kind() != 'n':
			rec.fail(badData("the value of a header must be a base64 string."))
		}
	}
	if !named {
		rec.fail(badData("a header needs a name."))
	}
	b.headers = append(b.headers, header)
	_, err := b.dec.ReadToken()
	return err
}
