package doctor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/headrace/headrace/connector/kafka"
)

// The two requests that a broker answers before anybody has logged in are
// written by hand: the client library keeps their answers to itself.
const (
	keyMetadata      = 3
	keySASLHandshake = 17
	keyAPIVersions   = 18

	maxAnswer = 1 << 20
)

// errNotKafka is an answer that no broker gives.
var errNotKafka = errors.New("the answer is not one of Kafka's protocol")

// ask sends a request of the given kind and version with body, and returns the
// answer behind its correlation id.
func ask(conn net.Conn, key, version uint16, body []byte) ([]byte, error) {
	const client, correlation = "headrace-doctor", 1
	req := make([]byte, 4, 32+len(body))
	req = binary.BigEndian.AppendUint16(req, key)
	req = binary.BigEndian.AppendUint16(req, version)
	req = binary.BigEndian.AppendUint32(req, correlation)
	req = binary.BigEndian.AppendUint16(req, uint16(len(client)))
	req = append(req, client...)
	req = append(req, body...)
	binary.BigEndian.PutUint32(req, uint32(len(req)-4))
	if _, err := conn.Write(req); err != nil {
		return nil, err
	}
	var head [8]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return nil, err
	}
	if err := kafka.CheckFrame([4]byte(head[:4])); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 4 || size > maxAnswer || binary.BigEndian.Uint32(head[4:]) != correlation {
		return nil, errNotKafka
	}
	answer := make([]byte, size-4)
	_, err := io.ReadFull(conn, answer)
	return answer, err
}

// apiVersions returns how many kinds of requests a broker answers.
func apiVersions(conn net.Conn) (kinds int, err error) {
	answer, err := ask(conn, keyAPIVersions, 0, nil)
	if err != nil {
		return 0, err
	}
	if len(answer) < 6 {
		return 0, errNotKafka
	}
	if code := int16(binary.BigEndian.Uint16(answer)); code != 0 {
		return 0, fmt.Errorf("the broker answers with error %d", code)
	}
	return int(binary.BigEndian.Uint32(answer[2:])), nil
}

// openToAll reports whether a broker answers a request that needs a login where
// SASL is used: metadata of no topic, in a version that every broker has.
func openToAll(conn net.Conn) bool {
	_, err := ask(conn, keyMetadata, 4, make([]byte, 5)) // no topics, none to be made
	return err == nil
}

// The error codes of SaslHandshake.
const (
	codeUnsupportedMechanism = 33
	codeIllegalState         = 34 // the listener does not use SASL
)

// handshake asks for a mechanism and returns the broker's error code and the
// mechanisms that it offers.
func handshake(conn net.Conn, mechanism string) (code int16, offered []string, err error) {
	body := binary.BigEndian.AppendUint16(nil, uint16(len(mechanism)))
	answer, err := ask(conn, keySASLHandshake, 1, append(body, mechanism...))
	if err != nil {
		return 0, nil, err
	}
	if len(answer) < 6 {
		return 0, nil, errNotKafka
	}
	code = int16(binary.BigEndian.Uint16(answer))
	n := int32(binary.BigEndian.Uint32(answer[2:]))
	for rest := answer[6:]; n > 0; n-- {
		if len(rest) < 2 || len(rest) < 2+int(binary.BigEndian.Uint16(rest)) {
			return 0, nil, errNotKafka
		}
		size := int(binary.BigEndian.Uint16(rest))
		offered = append(offered, oneLine(string(rest[2:2+size])))
		rest = rest[2+size:]
	}
	return code, offered, nil
}
