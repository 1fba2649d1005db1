package kafka

import (
	"strconv"
	"strings"
	"sync"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// maxIterations bounds what a broker can make us compute. Kafka's own limit is
// 16384 (KIP-84).
const maxIterations = 1 << 20

// keptFor bounds the keys that are kept: a broker gives a user one salt, a
// hostile one may give a new salt each time.
const keptFor = 1000

// scramKeys are the keys of a cluster's user, which cost thousands of hashes
// and are the same for all its connections. The zero value is ready; it is safe
// for concurrent use.
type scramKeys struct {
	mu     sync.Mutex
	client *scram.Client
	uses   int
}

// conversation begins an exchange. Name and password are taken byte for byte:
// Kafka hashes them as they are, where RFC 5802 has SASLprep change a decomposed
// letter, a ligature or a no-break space, and refuses some characters.
func (k *scramKeys) conversation(hash scram.HashGeneratorFcn, user, password, authzID string) (*scram.ClientConversation, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.client == nil || k.uses >= keptFor {
		client, err := hash.NewClientUnprepped(user, password, authzID)
		if err != nil {
			return nil, connector.Errorf(connector.Unauthenticated, "preparing SCRAM: %w", redact.Error(err, password))
		}
		k.client, k.uses = client, 0
	}
	k.uses++
	return k.client.NewConversation(), nil
}

// scramClient is one SCRAM exchange (RFC 5802); the library asks for a new one
// for each connection and each re-authentication.
type scramClient struct {
	hash scram.HashGeneratorFcn
	keys *scramKeys
	conv *scram.ClientConversation
}

func newSCRAM(hash scram.HashGeneratorFcn, keys *scramKeys) func() sarama.SCRAMClient {
	return func() sarama.SCRAMClient { return &scramClient{hash: hash, keys: keys} }
}

func (c *scramClient) Begin(user, password, authzID string) (err error) {
	c.conv, err = c.keys.conversation(c.hash, user, password, authzID)
	return err
}

func (c *scramClient) Step(challenge string) (string, error) {
	if n := iterations(challenge); n > maxIterations {
		return "", connector.Errorf(connector.Unauthenticated, "authenticating with SCRAM: the broker asks for %d iterations, and more than %d are refused", n, maxIterations)
	}
	answer, err := c.conv.Step(challenge)
	if err != nil {
		return "", connector.Errorf(connector.Unauthenticated, "authenticating with SCRAM: %w", err)
	}
	return answer, nil
}

// iterations is the i= of the server's first message.
func iterations(challenge string) int {
	for part := range strings.SplitSeq(challenge, ",") {
		if text, ok := strings.CutPrefix(part, "i="); ok {
			n, err := strconv.Atoi(text)
			if err != nil {
				return maxIterations + 1
			}
			return n
		}
	}
	return 0
}

func (c *scramClient) Done() bool { return c.conv.Done() }
