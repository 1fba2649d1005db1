package embedded_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/internal/embedded"
)

func TestOpenBroker(t *testing.T) {
	start := time.Now()
	b := startBroker(t, embedded.BrokerConfig{Topics: map[string]int32{"orders": 3}, Partitions: 2})
	if d := time.Since(start); d > time.Second {
		t.Errorf("took %v to start", d)
	}
	if _, err := send(t, b.Addr(), clientConfig(), "made-by-use", "x"); err != nil {
		t.Fatal(err)
	}
	client, err := sarama.NewClient([]string{b.Addr()}, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	for topic, want := range map[string]int{"orders": 3, "made-by-use": 2} {
		if got, err := client.Partitions(topic); err != nil || len(got) != want {
			t.Errorf("%s has %d partitions, want %d (%v)", topic, len(got), want, err)
		}
	}
}

func TestRecordsSurviveARestart(t *testing.T) {
	cfg := embedded.BrokerConfig{DataDir: t.TempDir(), Topics: map[string]int32{"kept": 1}}
	for want := range int64(3) {
		b := startBroker(t, cfg)
		offset, err := send(t, b.Addr(), clientConfig(), "kept", "x")
		if err != nil || offset != want {
			t.Fatalf("offset %d, %v; want %d", offset, err, want)
		}
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTemporaryFolderGoes(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	b := startBroker(t, embedded.BrokerConfig{})
	pattern := filepath.Join(os.TempDir(), "headrace-kafka-*")
	if found, _ := filepath.Glob(pattern); len(found) != 1 {
		t.Fatalf("folders %v", found)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(pattern); len(found) != 0 {
		t.Errorf("%v is left", found)
	}
}

func TestRetentionBoundsAPartition(t *testing.T) {
	b := startBroker(t, embedded.BrokerConfig{Topics: map[string]int32{"big": 1}, RetentionBytes: 2 << 20})
	c := clientConfig()
	p, err := sarama.NewSyncProducer([]string{b.Addr()}, c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	value := sarama.ByteEncoder(make([]byte, 256<<10))
	for range 40 { // 10 MiB
		if _, _, err := p.SendMessage(&sarama.ProducerMessage{Topic: "big", Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	client, err := sarama.NewClient([]string{b.Addr()}, clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	// Nobody asks for the retention: the broker's own clock has to do it.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		oldest, err := client.GetOffset("big", 0, sarama.OffsetOldest)
		if err != nil {
			t.Fatal(err)
		}
		if oldest >= 28 { // at most 3 MiB are left
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the oldest record is still %d", oldest)
		}
	}
}

func TestImpossibleBrokers(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cfg  embedded.BrokerConfig
		want string
	}{
		"port taken":         {embedded.BrokerConfig{Port: taken.Addr().(*net.TCPAddr).Port}, "address already in use"},
		"no such port":       {embedded.BrokerConfig{Port: 70000}, "port 70000"},
		"partitions":         {embedded.BrokerConfig{Partitions: -1}, "-1 partitions"},
		"retention":          {embedded.BrokerConfig{RetentionBytes: -1}, "retention"},
		"folder is a file":   {embedded.BrokerConfig{DataDir: file}, "not a directory"},
		"no issuer":          {embedded.BrokerConfig{OAuth: &embedded.OAuthCheck{}}, "issuer"},
		"topic's name":       {embedded.BrokerConfig{Topics: map[string]int32{"a/b": 1}}, "a/b"},
		"topic's partitions": {embedded.BrokerConfig{Topics: map[string]int32{"a": 0}}, "0 partitions"},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := embedded.StartBroker(c.cfg)
			if err == nil {
				_ = b.Close()
				t.Fatal("it started")
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %q, want it to name %q", err, c.want)
			}
		})
	}
}

func TestTLS(t *testing.T) {
	certificate, pool := selfSigned(t)
	b := startBroker(t, embedded.BrokerConfig{
		TLS:       &tls.Config{Certificates: []tls.Certificate{certificate}},
		SASLPlain: map[string]string{"alice": "secret"},
	})
	c := withPassword(sarama.SASLTypePlaintext, "alice", "secret")
	c.Net.TLS.Enable, c.Net.TLS.Config = true, &tls.Config{RootCAs: pool}
	if _, err := send(t, b.Addr(), c, "orders", "x"); err != nil {
		t.Error(err)
	}
	c.Net.TLS.Config = &tls.Config{}
	if _, err := send(t, b.Addr(), c, "orders", "x"); err == nil || !strings.Contains(err.Error(), "unknown authority") {
		t.Errorf("an untrusted certificate gave %v", err)
	}
}

func selfSigned(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	ca := certtest.New(t, "CA")
	return ca.Issue("broker", time.Now().Add(time.Hour)).Certificate, ca.Pool()
}
