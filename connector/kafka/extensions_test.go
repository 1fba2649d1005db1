package kafka

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/embedded"
)

// tap passes connections on and keeps what the client sent.
type tap struct {
	mu   sync.Mutex
	sent strings.Builder
}

func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.Write(b)
}

func (p *tap) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent.String()
}

// The extensions of KIP-342 go to the broker behind the token, each between
// the separators of RFC 7628.
func TestExtensionsReachTheBroker(t *testing.T) {
	i := issuer(t, 60)
	b := embed(t, embedded.BrokerConfig{OAuth: i.Check("kafka")})
	var seen tap
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer l.Close()
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.DialTimeout("tcp", b.Addr(), 5*time.Second)
			if err != nil {
				near.Close()
				continue
			}
			wg.Go(func() { pipe(near, far, nil) })
			wg.Go(func() { pipe(far, near, &seen) })
		}
	})
	s := oauthSettings(b, i)
	s.BootstrapServer = []string{l.Addr().String()}
	s.SASL.OAuthExtensions = map[string]string{"logicalCluster": "lkc-1", "identityPoolId": "pool-2"}
	c := cluster(t, s)
	login, err := c.Login(t.Context(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if err := login.Close(); err != nil {
		t.Fatal(err)
	}
	tok, _, err := c.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "n,,\x01auth=Bearer " + tok.Value.Reveal() + "\x01identityPoolId=pool-2\x01logicalCluster=lkc-1\x01\x01"; !strings.Contains(seen.String(), want) {
		t.Fatal("the first message is not the token with its extensions")
	}
}

// pipe copies from one connection to the other, and closes both at the end.
func pipe(to, from net.Conn, copyTo *tap) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if copyTo != nil {
			_, _ = copyTo.Write(buf[:n])
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
