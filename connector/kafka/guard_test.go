package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/headrace/headrace/connector"
)

// peer listens, answers the n-th request of each connection with answers[n]
// and is silent once they are used up.
func peer(t *testing.T, answers ...string) (addr string, connections *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int32)
	ended := make(chan struct{})
	t.Cleanup(func() { _ = l.Close(); <-ended })
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			go func() {
				defer func() { _ = c.Close() }()
				buf := make([]byte, 4096)
				for i := 0; ; i++ {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if i < len(answers) {
						_, _ = io.WriteString(c, answers[i])
					}
				}
			}()
		}
	}()
	return l.Addr().String(), connections
}

// versions is the answer to ApiVersions 0 with no error and no API, as every
// version of the request may get it.
func versions(correlation byte) string {
	return "\x00\x00\x00\x0a\x00\x00\x00" + string(correlation) + "\x00\x00\x00\x00\x00\x00"
}

// What is no broker is said to be none, at once, whatever the settings, and its
// lengths are not believed.
func TestNotABroker(t *testing.T) {
	for name, tc := range map[string]struct{ answer, want string }{
		"HTTP":            {"HTTP/1.1 400 Bad Request\r\n\r\n", "this is not a Kafka broker (it answered HTTP)"},
		"TLS":             {"\x15\x03\x03\x00\x02\x02\x46", "it answered with a TLS alert"},
		"SSH":             {"SSH-2.0-OpenSSH_9.2\r\n", `this is not a Kafka broker (its answer begins with "SSH-")`},
		"giant":           {"\x7f\xff\xff\xff\x00\x00\x00\x00", "an answer of 2147483647 bytes"},
		"all ones":        {"\xff\xff\xff\xff\x00\x00\x00\x00", "an answer of 4294967295 bytes"},
		"below 100 MiB":   {"\x06\x30\x00\x00\x00\x00\x00\x00", "an answer of 103809024 bytes"},
		"too short":       {"\x00\x00\x00\x03\x00\x00\x00\x00", "an answer of 3 bytes"},
		"nothing follows": {"\x00\x00\x00\x00\x00\x00\x00\x00", "an answer of 0 bytes"},
	} {
		for _, s := range []Settings{
			{},
			{SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Mechanism: "PLAIN", Username: "u", Password: "p"}},
			{SecurityProtocol: "SASL_PLAINTEXT", SASL: &SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: "p"}},
		} {
			t.Run(name+" "+s.Mechanism(), func(t *testing.T) {
				addr, _ := peer(t, tc.answer)
				s.BootstrapServer = []string{addr}
				c := cluster(t, s)
				allocated := allocations()
				start := time.Now()
				_, err := c.Client(t.Context())
				if err == nil || !strings.Contains(err.Error(), tc.want) || connector.KindOf(err) != connector.Unavailable {
					t.Fatalf("got %v (%s), want %q", err, connector.KindOf(err), tc.want)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("took %s", took)
				}
				if n := allocations() - allocated; n > 16<<20 {
					t.Errorf("%d MiB were allocated", n>>20)
				}
			})
		}
	}
}

// A length in the middle of the login, where the library has code of its own,
// is not believed either.
func TestGiantAnswerInTheLogin(t *testing.T) {
	addr, _ := peer(t, versions(0), "\x7f\xff\xff\xff\x00\x00\x00\x01")
	c := cluster(t, Settings{BootstrapServer: []string{addr}, SecurityProtocol: "SASL_PLAINTEXT",
		SASL: &SASL{Mechanism: "PLAIN", Username: "u", Password: "p"}})
	allocated := allocations()
	if _, err := c.Client(t.Context()); err == nil || !strings.Contains(err.Error(), "2147483647 bytes") {
		t.Fatalf("got %v", err)
	}
	if n := allocations() - allocated; n > 16<<20 {
		t.Errorf("%d MiB were allocated", n>>20)
	}
}

func allocations() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// pieces is a connection that gives its bytes in pieces of at most size.
type pieces struct {
	net.Conn
	r    io.Reader
	size int
}

func (p *pieces) Read(b []byte) (int, error) { return p.r.Read(b[:min(len(b), p.size)]) }
func (p *pieces) Close() error               { return nil }

func frameOf(n int, fill byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(n)), bytes.Repeat([]byte{fill}, n)...)
}

// Frames of every size come through as they are, however they are cut.
func TestGuardPassesFrames(t *testing.T) {
	var sent []byte
	for i, n := range []int{4, 5, 300, plainFrame, 8, plainFrame + 1, 70, 9 << 20, 4} {
		sent = append(sent, frameOf(n, byte(i+1))...)
	}
	for _, size := range []int{1, 3, 7, 4096, 1 << 20, 64 << 20} {
		for _, ask := range []int{4, 4096, 32 << 20} {
			if size == 1 && ask > 4 {
				continue // as with 4
			}
			c := guard(&pieces{r: bytes.NewReader(sent), size: size}, "b:1")
			var got bytes.Buffer
			buf := make([]byte, ask)
			for {
				n, err := c.Read(buf)
				got.Write(buf[:n])
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatalf("pieces of %d, reads of %d: %v", size, ask, err)
				}
			}
			if !bytes.Equal(got.Bytes(), sent) {
				t.Errorf("pieces of %d, reads of %d: %d bytes came, of %d, or others", size, ask, got.Len(), len(sent))
			}
		}
	}
}

// The length of a long frame is shown only when a quarter of it is here.
func TestLongFramesAreHeldBack(t *testing.T) {
	const size = 64 << 20
	part := frameOf(size, 1)[:8<<20] // the rest never comes
	c := guard(&pieces{r: bytes.NewReader(append(frameOf(10, 1), part...)), size: 1 << 20}, "b:1")
	got, err := io.ReadAll(c)
	if err != nil || len(got) != 14 {
		t.Fatalf("%d bytes were shown, %v; want the first frame's 14", len(got), err)
	}
	c = guard(&pieces{r: bytes.NewReader(append(frameOf(10, 1), binary.BigEndian.AppendUint32(nil, maxFrame+1)...)), size: 5}, "b:1")
	_, err = io.ReadAll(c)
	var foreign NotKafka
	if !errors.As(err, &foreign) || !strings.Contains(err.Error(), "104857601 bytes; the limit is 104857600") {
		t.Fatalf("got %v", err)
	}
	if _, again := c.Read(make([]byte, 4)); again == nil || again.Error() != err.Error() {
		t.Errorf("then %v", again)
	}
}

// A cluster that cannot be opened costs its patience once, not once for each
// batch, and everybody gets the reason.
func TestUnreachableIsRemembered(t *testing.T) {
	const patience = 400 * time.Millisecond
	for name, answers := range map[string][]string{
		"silent":          nil,
		"greets only":     {versions(0)},
		"HTTP":            {"HTTP/1.1 400 Bad Request\r\n\r\n"},
		"giant":           {"\x7f\xff\xff\xff\x00\x00\x00\x00"},
		"an endless slow": {"\x00\x00\x10\x00\x00"},
	} {
		t.Run(name, func(t *testing.T) {
			addr, connections := peer(t, answers...)
			c := cluster(t, Settings{BootstrapServer: []string{addr}})
			c.OpenWithin(patience)
			s := sink(t, c, DefaultProducerSettings(), "orders")
			start := time.Now()
			for i := range 100 {
				r := send(t, s, record("v"))
				if connector.KindOf(r[0].Err) != connector.Unavailable || !strings.Contains(r[0].Err.Error(), addr) {
					t.Fatalf("record %d: %v", i, r[0].Err)
				}
			}
			if took := time.Since(start); took > patience*2 {
				t.Errorf("100 batches took %s", took)
			}
			if n := connections.Load(); n > 10 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// A cluster that comes back is found.
func TestReopens(t *testing.T) {
	addr, _ := peer(t, "HTTP/1.1 400 Bad Request\r\n\r\n")
	k := broker(t)
	c := cluster(t, Settings{BootstrapServer: []string{addr}})
	if _, err := c.Client(t.Context()); err == nil {
		t.Fatal("no error")
	}
	c.settings.BootstrapServer = k.ListenAddrs()
	if err := opens(t, c); err != nil {
		t.Fatal(err)
	}
}

// opens asks for the client until the pause behind a failure is over.
func opens(t *testing.T, c *Cluster) (err error) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); <-time.After(10 * time.Millisecond) {
		if _, err = c.Client(t.Context()); err == nil {
			return nil
		}
	}
	return err
}
