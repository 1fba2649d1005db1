package kafka

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/embedded"
)

func request(key, version int16) []byte {
	b := binary.BigEndian.AppendUint32(nil, 100)
	b = binary.BigEndian.AppendUint16(b, uint16(key))
	return binary.BigEndian.AppendUint16(b, uint16(version))
}

func answer(body ...byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(4+len(body)))
	return append(append(b, 0, 0, 0, 7), body...)
}

func TestSessionLifetimes(t *testing.T) {
	life := []byte{0, 0, 0, 0, 0, 0, 0xea, 0x60} // 60000
	for _, tc := range []struct {
		name    string
		version int16
		answer  []byte
		ms      int64
		ok      bool
	}{
		{"v1", 1, answer(append([]byte{0, 0, 0xff, 0xff, 0, 0, 0, 2, 'o', 'k'}, life...)...), 60000, true},
		{"v1 with null bytes", 1, answer(append([]byte{0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, life...)...), 60000, true},
		{"v2", 2, answer(append(append([]byte{0, 0, 0, 0, 3, 'o', 'k'}, life...), 0)...), 60000, true},
		{"v2 without end", 2, answer(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), 0, true},
		{"v0 has none", 0, answer(0, 0, 0xff, 0xff, 0, 0, 0, 0), 0, false},
		{"a refusal", 2, answer(append(append([]byte{0, 0, 58, 0, 1}, life...), 0)...), 0, false},
		{"too short", 2, answer(0, 0, 0), 0, false},
		{"a length beyond the end", 1, answer(0, 0, 0xff, 0xff, 0x7f, 0xff, 0xff, 0xff), 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var r sessionReader
			r.expect(request(keySASLAuthenticate, tc.version))
			for _, b := range tc.answer[:len(tc.answer)-1] {
				if _, ok := r.read([]byte{b}); ok {
					t.Fatal("the answer is not whole yet")
				}
			}
			ms, ok := r.read(tc.answer[len(tc.answer)-1:])
			if ok != tc.ok || ok && ms != tc.ms {
				t.Fatalf("%d %v, want %d %v", ms, ok, tc.ms, tc.ok)
			}
		})
	}
	var other sessionReader
	other.expect(request(18, 3))
	if _, ok := other.read(answer(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0)); ok {
		t.Fatal("an answer to another request")
	}
}

func FuzzSession(f *testing.F) {
	f.Add(int16(2), answer(0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0))
	f.Add(int16(1), answer(0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, version int16, b []byte) {
		var r sessionReader
		r.expect(request(keySASLAuthenticate, version))
		if ms, ok := r.read(b); ok && ms < 0 {
			t.Fatalf("a session of %d ms", ms)
		}
	})
}

// What the reader finds on a real connection.
func TestLoginTellsTheSession(t *testing.T) {
	b := embed(t, embedded.BrokerConfig{SASLPlain: map[string]string{"u": "p"}, MaxSession: 90 * time.Second})
	c := cluster(t, Settings{BootstrapServer: []string{b.Addr()}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Username: "u", Password: "p"}})
	login, err := c.Login(t.Context(), b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer login.Close()
	if login.Session < 89*time.Second || login.Session > 90*time.Second {
		t.Fatalf("session %s", login.Session)
	}
}
