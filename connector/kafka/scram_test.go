package kafka

import (
	"crypto/tls"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/auth/tlsstore/certtest"

	"github.com/xdg-go/scram"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/embedded"
)

func TestSCRAMConnectionsShareTheirKeys(t *testing.T) {
	ca := certtest.New(t, "CA")
	b := embed(t, embedded.BrokerConfig{SASLScram: map[string]string{"u": "u-secret"},
		TLS: &tls.Config{Certificates: []tls.Certificate{ca.Issue("b", time.Now().Add(time.Hour)).Certificate}}})
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		c := cluster(t, Settings{BootstrapServer: []string{b.Addr()}, SecurityProtocol: "SASL_SSL", SSL: &SSL{CAFile: ca.File},
			SASL: &SASL{Mechanism: mechanism, Username: "u", Password: "u-secret"}})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				login, err := c.Login(t.Context(), b.Addr())
				if err != nil {
					t.Error(err)
					return
				}
				_ = login.Close()
			})
		}
		wg.Wait()
		if c.identity.scram.uses != 20 {
			t.Fatalf("%s: %d exchanges with one set of keys, want 20", mechanism, c.identity.scram.uses)
		}
	}
}

func TestSCRAMIsBounded(t *testing.T) {
	for _, challenge := range []string{"r=%s,s=c2FsdA==,i=2000000000", "r=%s,s=c2FsdA==,i=99999999999999999999", "r=%s,s=c2FsdA==,i=x"} {
		c := newSCRAM(scram.SHA512, &scramKeys{})()
		if err := c.Begin("u", "hunter2", ""); err != nil {
			t.Fatal(err)
		}
		first, err := c.Step("")
		if err != nil {
			t.Fatal(err)
		}
		nonce := first[strings.Index(first, "r=")+2:]
		_, err = c.Step(strings.Replace(challenge, "%s", nonce+"more", 1))
		if connector.KindOf(err) != connector.Unauthenticated || !strings.Contains(err.Error(), "iterations") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", challenge, err)
		}
	}
	keys := &scramKeys{}
	for range keptFor + 1 {
		if _, err := keys.conversation(scram.SHA256, "u", "p", ""); err != nil {
			t.Fatal(err)
		}
	}
	if keys.uses != 1 {
		t.Fatalf("keys are kept for %d exchanges", keys.uses)
	}
	if _, err := (&scramKeys{}).conversation(scram.SHA256, "u", "hunter2\x00", ""); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Fatal(err)
	}
}
