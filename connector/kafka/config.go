package kafka

import (
	"errors"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/internal/redact"
)

// configTimeouts bound what the library does while it opens a client and
// refreshes metadata.
const (
	metadataRetries = 2
	metadataBackoff = 200 * time.Millisecond
)

// newConfig makes the library's configuration. The identity is shared: all
// connections of a cluster use one token source and one set of stores.
func newConfig(s *Settings, id *identity) (*sarama.Config, error) {
	cfg := sarama.NewConfig()
	cfg.Version = sarama.MaxVersion // an upper bound; each broker's own versions are negotiated
	cfg.ApiVersionsRequest = true
	cfg.MetricRegistry = nilRegistry{}
	cfg.ClientID = orDefault(s.ClientID, DefaultClientID)

	cfg.Net.DialTimeout = dialTimeout
	cfg.Net.ReadTimeout = ioTimeout
	cfg.Net.WriteTimeout = ioTimeout
	cfg.Net.Proxy.Enable = true // this is how the library takes a dialer
	cfg.Net.Proxy.Dialer = &dialer{id: id}

	cfg.Metadata.Retry.Max = metadataRetries
	cfg.Metadata.Retry.Backoff = metadataBackoff
	cfg.Metadata.RefreshFrequency = 5 * time.Minute // as Java's metadata.max.age.ms

	if id.sasl != nil {
		if err := setSASL(cfg, id); err != nil {
			return nil, err
		}
	}
	if err := cfg.Validate(); err != nil {
		return nil, connector.Errorf(connector.Invalid, "preparing the Kafka client: %w", err)
	}
	return cfg, nil
}

func setSASL(cfg *sarama.Config, id *identity) error {
	r := id.sasl
	sasl := &cfg.Net.SASL
	sasl.Enable = true
	sasl.Version = sarama.SASLHandshakeV1
	switch m := r.mechanism(); m {
	case MechanismPlain:
		sasl.Mechanism = sarama.SASLTypePlaintext
	case MechanismSCRAM256:
		sasl.Mechanism = sarama.SASLTypeSCRAMSHA256
		sasl.SCRAMClientGeneratorFunc = newSCRAM(scram.SHA256, &id.scram)
	case MechanismSCRAM512:
		sasl.Mechanism = sarama.SASLTypeSCRAMSHA512
		sasl.SCRAMClientGeneratorFunc = newSCRAM(scram.SHA512, &id.scram)
	case MechanismOAuthBearer, MechanismAWSMSKIAM:
		sasl.Mechanism = sarama.SASLTypeOAuth
		sasl.TokenProvider = id
		return nil
	case MechanismGSSAPI:
		return setKerberos(cfg, id)
	default:
		return connector.Errorf(connector.Invalid, "sasl_config.mechanism %s is not known", redact.Quote(m))
	}
	sasl.User, sasl.Password = r.Username, r.Password.Reveal()
	return nil
}

// invalid turns faults into one error for callers that have no loader.
func invalid(what string, f []connector.Fault) error {
	if len(f) == 0 {
		return nil
	}
	errs := make([]error, 0, len(f))
	for _, fault := range f {
		errs = append(errs, errors.New(fault.Path+": "+fault.Message))
	}
	return connector.Errorf(connector.Invalid, "%s: %w", what, errors.Join(errs...))
}
