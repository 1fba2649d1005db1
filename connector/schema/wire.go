package schema

import (
	"encoding/binary"

	"github.com/headrace/headrace/connector"
)

// headerSize is the zero byte and the id before the data.
const headerSize = 5

// appendHeader writes what stands before the data of a schema.
func appendHeader(dst []byte, id int) []byte {
	return binary.BigEndian.AppendUint32(append(dst, 0), uint32(id))
}

// Split reads the id before the data.
func Split(encoded []byte) (id int, data []byte, err error) {
	switch {
	case len(encoded) < headerSize:
		return 0, nil, connector.Errorf(connector.Invalid, "not in the Schema Registry's wire format: %d bytes are less than its %d", len(encoded), headerSize)
	case encoded[0] != 0:
		return 0, nil, connector.Errorf(connector.Invalid, "not in the Schema Registry's wire format: the first byte is %d instead of 0", encoded[0])
	}
	return int(int32(binary.BigEndian.Uint32(encoded[1:]))), encoded[headerSize:], nil
}
