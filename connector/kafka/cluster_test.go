package kafka

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/connector"
)

func broker(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func cluster(t *testing.T, s Settings) *Cluster {
	t.Helper()
	c, err := NewCluster("test", s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func TestClusterOpensOnceAndKnowsItsID(t *testing.T) {
	k := broker(t, kfake.ClusterID("the-id"))
	c := cluster(t, Settings{BootstrapServer: k.ListenAddrs()})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := c.Client(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	first, _ := c.Client(t.Context())
	if again, err := c.Client(t.Context()); err != nil || again != first {
		t.Fatalf("second call opened another client: %v", err)
	}
	if id, err := c.ID(t.Context()); err != nil || id != "the-id" {
		t.Fatalf("ID = %q, %v", id, err)
	}
	admin, err := c.Admin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := admin.ListTopics(); err != nil {
		t.Fatal(err)
	}
}

func TestSASLPasswordMechanisms(t *testing.T) {
	k := broker(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "plain", "plain-secret"),
		kfake.Superuser("SCRAM-SHA-256", "s256", "s256-secret"), kfake.Superuser("SCRAM-SHA-512", "s512", "s512-secret"))
	for _, tc := range []struct {
		mechanism, user, password string
		want                      connector.Kind // Unknown means success
	}{
		{"plain", "plain", "plain-secret", connector.Unknown},
		{"SCRAM-SHA-256", "s256", "s256-secret", connector.Unknown},
		{"SCRAM_SHA-512", "s512", "s512-secret", connector.Unknown},
		{"PLAIN", "plain", "wrong-secret", connector.Unauthenticated},
		{"SCRAM-SHA-256", "s256", "wrong-secret", connector.Unauthenticated},
		{"SCRAM-SHA-512", "nobody", "s512-secret", connector.Unauthenticated},
	} {
		t.Run(tc.mechanism+" "+tc.user+" "+tc.password, func(t *testing.T) {
			c := cluster(t, Settings{BootstrapServer: k.ListenAddrs(), SecurityProtocol: "sasl_plaintext",
				SASL: &SASL{Mechanism: tc.mechanism, Username: tc.user, Password: connector.Secret(tc.password)}})
			start := time.Now()
			_, err := c.Client(t.Context())
			if (err == nil) != (tc.want == connector.Unknown) || err != nil && connector.KindOf(err) != tc.want {
				t.Fatalf("got %v (%s), want %s", err, connector.KindOf(err), tc.want)
			}
			if err != nil {
				if strings.Contains(err.Error(), tc.password) {
					t.Fatalf("the password shows in %q", err)
				}
				if took := time.Since(start); took > 2*time.Second {
					t.Fatalf("took %s; wrong credentials must be told at once", took)
				}
			}
		})
	}
}

func TestUnreachableClusters(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := closed.Addr().String()
	_ = closed.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts and never answers
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	k := broker(t)
	for _, tc := range []struct {
		name    string
		servers []string
		want    string // part of the error; "" means success
	}{
		{"nobody listens", []string{dead}, "connection refused"},
		{"silent", []string{silent.Addr().String()}, "no answer in time"},
		{"no such host", []string{"no-such-host.invalid:9092"}, "looking up the broker"},
		{"one of three lives", []string{dead, silent.Addr().String(), k.ListenAddrs()[0]}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := cluster(t, Settings{BootstrapServer: tc.servers})
			start := time.Now()
			_, err := c.Client(t.Context())
			if took := time.Since(start); took > OpenTimeout+500*time.Millisecond {
				t.Errorf("took %s", took)
			}
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) || connector.KindOf(err) != connector.Unavailable {
				t.Fatalf("got %v (%s), want %q", err, connector.KindOf(err), tc.want)
			}
		})
	}
}

// TestOpenWithin opens a cluster that takes half a second for each answer.
func TestOpenWithin(t *testing.T) {
	k := broker(t)
	k.Control(func(kmsg.Request) (kmsg.Response, error, bool) {
		k.KeepControl()
		time.Sleep(500 * time.Millisecond)
		return nil, nil, false
	})
	for patience, want := range map[time.Duration]connector.Kind{100 * time.Millisecond: connector.Unavailable, time.Minute: 0} {
		c := cluster(t, Settings{BootstrapServer: k.ListenAddrs()})
		c.OpenWithin(patience)
		if _, err := c.Client(t.Context()); connector.KindOf(err) != want {
			t.Errorf("within %s: %v", patience, err)
		}
	}
}

func TestWrongProtocolForTheListener(t *testing.T) {
	plain := broker(t)
	secured := broker(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "u", "p"))
	t.Run("TLS to a plain listener", func(t *testing.T) {
		c := cluster(t, Settings{BootstrapServer: plain.ListenAddrs(), SecurityProtocol: "SSL"})
		if _, err := c.Client(t.Context()); err == nil {
			t.Fatal("no error")
		}
	})
	t.Run("plain to a SASL listener", func(t *testing.T) {
		c := cluster(t, Settings{BootstrapServer: secured.ListenAddrs()})
		if _, err := c.Client(t.Context()); err == nil {
			t.Fatal("no error")
		}
	})
	t.Run("mechanism not offered", func(t *testing.T) {
		c := cluster(t, Settings{BootstrapServer: secured.ListenAddrs(), SecurityProtocol: "SASL_PLAINTEXT",
			SASL: &SASL{Mechanism: "OAUTHBEARER", OAuthToken: "opaque"}})
		_, err := c.Client(t.Context())
		if connector.KindOf(err) != connector.Unauthenticated {
			t.Fatalf("got %v (%s)", err, connector.KindOf(err))
		}
	})
}

func TestClosedClusterRefuses(t *testing.T) {
	k := broker(t)
	c, err := NewCluster("test", Settings{BootstrapServer: k.ListenAddrs()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Client(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Client(context.Background()); err == nil {
		t.Fatal("a closed cluster gave a client")
	}
}
