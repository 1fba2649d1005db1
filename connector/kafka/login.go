package kafka

import (
	"context"
	"time"

	"github.com/IBM/sarama"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka/bounded"
	"github.com/headrace/headrace/internal/redact"
)

// Login is one authenticated connection to one broker, for whoever looks at
// the steps of connecting one by one.
type Login struct {
	Broker *sarama.Broker
	// Session is how long the broker lets a client go on before it must
	// authenticate again (KIP-368); 0 means without end.
	Session time.Duration
}

// Close closes the connection.
func (l *Login) Close() error { return l.Broker.Close() }

// Login connects and authenticates to the broker at addr, with errors as those
// of Client. The connection ends with ctx.
func (c *Cluster) Login(ctx context.Context, addr string) (*Login, error) {
	end, ok := ctx.Deadline()
	if !ok {
		end = time.Now().Add(ioTimeout)
	}
	b, watched, err := c.connect(ctx, addr, end)
	if err != nil {
		return nil, err
	}
	return &Login{Broker: b, Session: time.Duration(watched.lifetime.Load()) * time.Millisecond}, nil
}

// TLS is nil when connections are not encrypted.
func (c *Cluster) TLS() *tlsstore.Client { return c.identity.tls }

// Token is the token that connections authenticate with, requested if need be;
// ok is false when the mechanism has none.
func (c *Cluster) Token(ctx context.Context) (tok auth.Token, ok bool, err error) {
	if c.identity.tokens == nil {
		return auth.Token{}, false, nil
	}
	tok, err = c.identity.tokens.Token(ctx)
	return tok, true, err
}

// Ticket asks the KDC for the ticket that GSSAPI starts from.
func (c *Cluster) Ticket(ctx context.Context) error {
	cfg, err := c.SaramaConfig()
	if err != nil {
		return err
	}
	err = bounded.Do(ctx, func() error {
		client, err := sarama.NewKerberosClient(&cfg.Net.SASL.GSSAPI)
		if err != nil {
			return err
		}
		defer client.Destroy()
		return client.Login()
	})
	if err != nil {
		return connector.Errorf(connector.Unauthenticated, "asking the KDC for a ticket: %w", redact.Error(err))
	}
	return nil
}

// Mechanism is the SASL mechanism in its official spelling, also when a JAAS
// line names it; "" without SASL.
func (s *Settings) Mechanism() string {
	if !s.UsesSASL() || s.SASL == nil {
		return ""
	}
	r, _ := s.SASL.resolve()
	return r.mechanism()
}

// TokenEndpoint are the keys with which tokens are asked for; ok is false when
// the mechanism has none, or a token that is ready made.
func (s *Settings) TokenEndpoint() (o *auth.OAuthSettings, ok bool) {
	if s.Mechanism() != MechanismOAuthBearer {
		return nil, false
	}
	r, faults := s.SASL.resolve()
	if len(faults) > 0 || r.OAuth.TokenURL == "" {
		return nil, false
	}
	return &r.OAuth, true
}

// Explain says which step of connecting to addr an error belongs to, and what
// to change; see Client for the kinds.
func Explain(addr string, err error) error { return explain(addr, err) }
