package embedded_test

import (
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/rcrowley/go-metrics"
	"github.com/xdg-go/scram"
	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/embedded"
)

func TestMain(m *testing.M) {
	metrics.UseNilMetrics = true
	goleak.VerifyTestMain(m)
}

func startBroker(t *testing.T, cfg embedded.BrokerConfig) *embedded.Broker {
	t.Helper()
	b, err := embedded.StartBroker(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func startIssuer(t *testing.T, cfg embedded.IssuerConfig) *embedded.Issuer {
	t.Helper()
	i, err := embedded.StartIssuer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Error(err)
		}
	})
	return i
}

// clientConfig is a sarama configuration that gives up soon.
func clientConfig() *sarama.Config {
	c := sarama.NewConfig()
	c.Version = sarama.MaxVersion
	c.Net.DialTimeout, c.Net.ReadTimeout = 5*time.Second, 5*time.Second
	c.Metadata.Retry.Max = 0
	c.Producer.Return.Successes = true
	c.Producer.RequiredAcks = sarama.WaitForAll
	return c
}

// send writes one record and returns its offset.
func send(t *testing.T, addr string, c *sarama.Config, topic, value string) (int64, error) {
	t.Helper()
	p, err := sarama.NewSyncProducer([]string{addr}, c)
	if err != nil {
		return 0, err
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	_, offset, err := p.SendMessage(&sarama.ProducerMessage{Topic: topic, Partition: 0, Value: sarama.StringEncoder(value)})
	return offset, err
}

func withPassword(mechanism sarama.SASLMechanism, user, password string) *sarama.Config {
	c := clientConfig()
	c.Net.SASL.Enable, c.Net.SASL.Mechanism = true, mechanism
	c.Net.SASL.User, c.Net.SASL.Password = user, password
	hash := scram.SHA256
	if mechanism == sarama.SASLTypeSCRAMSHA512 {
		hash = scram.SHA512
	}
	c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{hash: hash} }
	return c
}

// scramClient lets sarama use a SCRAM client.
type scramClient struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

func (s *scramClient) Begin(user, password, authorization string) error {
	client, err := s.hash.NewClient(user, password, authorization)
	if err == nil {
		s.ClientConversation = client.NewConversation()
	}
	return err
}

// tokens is sarama's source of tokens.
type tokens func() (string, error)

func (f tokens) Token() (*sarama.AccessToken, error) {
	token, err := f()
	return &sarama.AccessToken{Token: token, Extensions: map[string]string{"traceId": "1"}}, err
}

func withToken(f tokens) *sarama.Config {
	c := clientConfig()
	c.Net.SASL.Enable, c.Net.SASL.Mechanism, c.Net.SASL.TokenProvider = true, sarama.SASLTypeOAuth, f
	return c
}
