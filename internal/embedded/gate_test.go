package embedded_test

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/internal/embedded"
)

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// wire is a connection on which a test writes requests by hand.
type wire struct {
	net.Conn
	t *testing.T
}

func dial(t *testing.T, addr string) wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return wire{conn, t}
}

func (w wire) write(request kmsg.Request, correlation int32) {
	w.t.Helper()
	if _, err := w.Write(kmsg.NewRequestFormatter().AppendRequest(nil, request, correlation)); err != nil {
		w.t.Fatal(err)
	}
}

// read returns the correlation id and the body of the next response; an error
// means that the broker hung up.
func (w wire) read() (int32, []byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(w, size[:]); err != nil {
		return 0, nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(w, frame)
	return int32(binary.BigEndian.Uint32(frame)), frame[4:], err
}

// hungUp fails the test unless the broker ends the connection.
func (w wire) hungUp() {
	w.t.Helper()
	_, body, err := w.read()
	var timeout net.Error
	if err == nil || errors.As(err, &timeout) && timeout.Timeout() {
		w.t.Errorf("the broker answered %x, %v", body, err)
	}
}

func handshake(mechanism string) kmsg.Request {
	r := kmsg.NewPtrSASLHandshakeRequest()
	r.SetVersion(1)
	r.Mechanism = mechanism
	return r
}

func password(text string) kmsg.Request {
	r := kmsg.NewPtrSASLAuthenticateRequest()
	r.SetVersion(1)
	r.SASLAuthBytes = []byte(text)
	return r
}

func metadata() kmsg.Request {
	r := kmsg.NewPtrMetadataRequest()
	r.SetVersion(1)
	r.Topics = []kmsg.MetadataRequestTopic{}
	return r
}

// authenticated reads the response to password.
func (w wire) authenticated() *kmsg.SASLAuthenticateResponse {
	w.t.Helper()
	_, body, err := w.read()
	if err != nil {
		w.t.Fatal(err)
	}
	response := kmsg.NewPtrSASLAuthenticateResponse()
	response.SetVersion(1)
	if err := response.ReadFrom(body); err != nil {
		w.t.Fatal(err)
	}
	return response
}

func (w wire) login(user, pass string) *kmsg.SASLAuthenticateResponse {
	w.t.Helper()
	w.write(handshake("PLAIN"), 1)
	if _, body, err := w.read(); err != nil || body[0] != 0 || body[1] != 0 {
		w.t.Fatalf("handshake: %x, %v", body, err)
	}
	w.write(password("\x00"+user+"\x00"+pass), 2)
	return w.authenticated()
}

func TestGateRefuses(t *testing.T) {
	secured := startBroker(t, embedded.BrokerConfig{SASLPlain: map[string]string{"alice": "secret", "bob": "secret"}})
	open := startBroker(t, embedded.BrokerConfig{})
	raw := func(frame ...byte) func(wire) {
		return func(w wire) { _, _ = w.Write(frame) }
	}
	for name, c := range map[string]struct {
		broker *embedded.Broker
		send   func(wire)
	}{
		"a request before the handshake": {secured, func(w wire) { w.write(metadata(), 1) }},
		"a request after the handshake": {secured, func(w wire) {
			w.write(handshake("PLAIN"), 1)
			_, _, _ = w.read()
			w.write(metadata(), 2)
		}},
		"a request during renewal": {secured, func(w wire) {
			w.login("alice", "secret")
			w.write(handshake("PLAIN"), 3)
			_, _, _ = w.read()
			w.write(metadata(), 4)
		}},
		"a large frame":         {open, raw(0x7f, 0xff, 0xff, 0xff, 0, 3, 0, 1, 0, 0, 0, 1)},
		"a negative size":       {open, raw(0xff, 0xff, 0xff, 0xff, 0, 3, 0, 1, 0, 0, 0, 1)},
		"a tiny frame":          {open, raw(0, 0, 0, 1, 0, 3, 0, 1, 0, 0, 0, 1)},
		"an unknown key":        {open, raw(0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff)},
		"a negative key":        {open, raw(0, 0, 0, 10, 0xff, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff)},
		"a negative version":    {open, raw(0, 0, 0, 10, 0, 3, 0xff, 0xff, 0, 0, 0, 1, 0xff, 0xff)},
		"a large SASL frame":    {secured, raw(0, 0xff, 0xff, 0xff, 0, 36, 0, 1, 0, 0, 0, 1)},
		"a broken SASL frame":   {secured, raw(0, 0, 0, 12, 0, 36, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0x7f, 0xff)},
		"a future SASL version": {secured, raw(0, 0, 0, 12, 0, 36, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 0, 0)},
		"HTTP":                  {open, raw([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")...)},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, c.broker.Addr())
			c.send(w)
			w.hungUp()
		})
	}
	// Whatever came, both brokers still serve.
	if _, err := send(t, open.Addr(), clientConfig(), "orders", "x"); err != nil {
		t.Error(err)
	}
	if r := dial(t, secured.Addr()).login("alice", "secret"); r.ErrorCode != 0 {
		t.Errorf("login gives %d", r.ErrorCode)
	}
}

func TestSASLErrors(t *testing.T) {
	secured := startBroker(t, embedded.BrokerConfig{SASLPlain: map[string]string{"alice": "secret", "bob": "secret"}})
	open := startBroker(t, embedded.BrokerConfig{})
	for name, c := range map[string]struct {
		broker *embedded.Broker
		send   func(wire)
		want   *kerr.Error
	}{
		"no handshake before": {secured, func(w wire) { w.write(password("\x00alice\x00secret"), 1) }, kerr.IllegalSaslState},
		"handshake twice": {secured, func(w wire) {
			w.write(handshake("PLAIN"), 1)
			_, _, _ = w.read()
			w.write(handshake("PLAIN"), 2)
		}, kerr.IllegalSaslState},
		"unknown mechanism": {secured, func(w wire) { w.write(handshake("GSSAPI"), 1) }, kerr.UnsupportedSaslMechanism},
		"open broker":       {open, func(w wire) { w.write(handshake("PLAIN"), 1) }, kerr.IllegalSaslState},
		"another user at renewal": {secured, func(w wire) {
			w.login("alice", "secret")
			w.write(handshake("PLAIN"), 3)
			_, _, _ = w.read()
			w.write(password("\x00bob\x00secret"), 4)
		}, kerr.SaslAuthenticationFailed},
		"malformed": {secured, func(w wire) {
			w.write(handshake("PLAIN"), 1)
			_, _, _ = w.read()
			w.write(password("alice"), 2)
		}, kerr.SaslAuthenticationFailed},
		"in another's name": {secured, func(w wire) {
			w.write(handshake("PLAIN"), 1)
			_, _, _ = w.read()
			w.write(password("bob\x00alice\x00secret"), 2)
		}, kerr.SaslAuthenticationFailed},
	} {
		t.Run(name, func(t *testing.T) {
			w := dial(t, c.broker.Addr())
			c.send(w)
			_, body, err := w.read()
			if err != nil {
				t.Fatal(err)
			}
			if code := int16(binary.BigEndian.Uint16(body)); code != c.want.Code {
				t.Errorf("got error %d, want %d", code, c.want.Code)
			}
			w.hungUp()
		})
	}
}

func TestASessionEnds(t *testing.T) {
	b := startBroker(t, embedded.BrokerConfig{SASLPlain: map[string]string{"alice": "secret"}, MaxSession: 300 * time.Millisecond})
	w := dial(t, b.Addr())
	response := w.login("alice", "secret")
	if got := response.SessionLifetimeMillis; got < 200 || got > 300 {
		t.Errorf("a session of %d ms", got)
	}
	end := time.Now().Add(300 * time.Millisecond)
	for {
		w.write(metadata(), 5)
		_, _, err := w.read()
		if err != nil {
			if time.Now().Before(end.Add(-10 * time.Millisecond)) {
				t.Error("the session ended too early")
			}
			return
		}
		if time.Now().After(end.Add(time.Second)) {
			t.Fatal("the session never ends")
		}
	}
}

// TestAnswersKeepTheirOrder sends requests, a login among them, without waiting
// for responses: they have to come in the order of the requests.
func TestAnswersKeepTheirOrder(t *testing.T) {
	b := startBroker(t, embedded.BrokerConfig{SASLPlain: map[string]string{"alice": "secret"}})
	w := dial(t, b.Addr())
	w.login("alice", "secret")
	var correlation int32 = 100
	next := func(r kmsg.Request) {
		correlation++
		w.write(r, correlation)
	}
	for range 20 {
		next(metadata())
		next(handshake("PLAIN"))
		next(password("\x00alice\x00secret"))
		next(metadata())
	}
	for want := int32(101); want <= correlation; want++ {
		got, _, err := w.read()
		if err != nil || got != want {
			t.Fatalf("response %d, %v; want %d", got, err, want)
		}
	}
}
