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
}

// Kafka's ScramFormatter hashes the UTF-8 of a password; what SASLprep would
// make of it is another password.
func TestSCRAMTakesPasswordsAsTheyAre(t *testing.T) {
	for _, password := range kafkaPasswords {
		mechanism := scram.SHA256
		broker, err := mechanism.NewClientUnprepped("ü½", password, "")
		if err != nil {
			t.Fatal(err)
		}
		salt := scram.KeyFactors{Salt: "0123456789abcdef", Iters: 4096}
		stored, err := broker.GetStoredCredentialsWithError(salt)
		if err != nil {
			t.Fatal(err)
		}
		server, err := mechanism.NewServer(func(name string) (scram.StoredCredentials, error) {
			if name != "ü½" {
				t.Errorf("the name arrives as %q", name)
			}
			return stored, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		c, s := newSCRAM(mechanism, &scramKeys{})(), server.NewConversation()
		if err := c.Begin("ü½", password, ""); err != nil {
			t.Errorf("%q: %v", password, err)
			continue
		}
		for answer := ""; !c.Done(); {
			question, err := c.Step(answer)
			if err != nil {
				t.Errorf("%q: %v", password, err)
				break
			}
			if c.Done() {
				break
			}
			if answer, err = s.Step(question); err != nil {
				t.Errorf("%q: %v", password, err)
				break
			}
		}
		if !s.Valid() {
			t.Errorf("%q is refused", password)
		}
	}
}

// kafkaPasswords are what Java's Admin stores and SASLprep changes or refuses.
var kafkaPasswords = []string{"pa\u0308ss", "½", "™", "ﬁx", "a\u00a0b", "🔑", "x\u200by", "ªº", "Ⅸ", "a\u0007b", "\u0627a", "=,="}
