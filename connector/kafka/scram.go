package kafka

import (
	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"github.com/headrace/headrace/connector"
)

// scramClient is one SCRAM exchange (RFC 5802); the library asks for a new one
// for each connection and each re-authentication.
type scramClient struct {
	hash scram.HashGeneratorFcn
	conv *scram.ClientConversation
}

func newSCRAM(hash scram.HashGeneratorFcn) func() sarama.SCRAMClient {
	return func() sarama.SCRAMClient { return &scramClient{hash: hash} }
}

func (c *scramClient) Begin(user, password, authzID string) error {
	client, err := c.hash.NewClient(user, password, authzID)
	if err != nil {
		// The library's text may quote what it could not prepare.
		return connector.Errorf(connector.Unauthenticated, "preparing SCRAM: the user name or password holds characters that SCRAM does not allow (RFC 4013)")
	}
	c.conv = client.NewConversation()
	return nil
}

func (c *scramClient) Step(challenge string) (string, error) {
	answer, err := c.conv.Step(challenge)
	if err != nil {
		return "", connector.Errorf(connector.Unauthenticated, "authenticating with SCRAM: %w", err)
	}
	return answer, nil
}

func (c *scramClient) Done() bool { return c.conv.Done() }
