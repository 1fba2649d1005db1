package embedded

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/xdg-go/scram"
)

var scramMechanisms = []struct {
	name string
	hash scram.HashGeneratorFcn
}{
	{"SCRAM-SHA-256", scram.SHA256},
	{"SCRAM-SHA-512", scram.SHA512},
}

// scramIterations is what Kafka uses by default and asks for at least.
const scramIterations = 4096

// credentials are the stored keys of SCRAM users (RFC 5802), made when a user
// first comes: making them takes longer than the start of the broker.
type credentials struct {
	hash      scram.HashGeneratorFcn
	passwords map[string]string

	mu    sync.Mutex
	known map[string]scram.StoredCredentials
}

func newCredentials(hash scram.HashGeneratorFcn, passwords map[string]string) *credentials {
	return &credentials{hash: hash, passwords: passwords, known: make(map[string]scram.StoredCredentials)}
}

func (c *credentials) lookup(user string) (scram.StoredCredentials, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if stored, ok := c.known[user]; ok {
		return stored, nil
	}
	password, ok := c.passwords[user]
	if !ok {
		return scram.StoredCredentials{}, fmt.Errorf("no such user")
	}
	client, err := c.hash.NewClient(user, password, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	stored, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: rand.Text(), Iters: scramIterations})
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	c.known[user] = stored
	return stored, nil
}

func (c *credentials) begin(mechanism string) exchange {
	e := &scramExchange{mechanism: mechanism}
	if server, err := c.hash.NewServer(c.lookup); err == nil {
		e.conversation = server.NewConversation()
	}
	return e
}

type scramExchange struct {
	mechanism    string
	conversation *scram.ServerConversation
}

func (s *scramExchange) step(_ context.Context, in []byte) ([]byte, *identity, error) {
	if s.conversation == nil {
		return nil, nil, refusal(s.mechanism + " is not available")
	}
	out, err := s.conversation.Step(string(in))
	if err != nil {
		return nil, nil, refusal("Authentication failed during authentication due to invalid credentials with SASL mechanism " + s.mechanism)
	}
	if s.conversation.Valid() {
		return []byte(out), &identity{name: s.conversation.Username()}, nil
	}
	return []byte(out), nil, nil
}
