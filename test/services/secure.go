package services

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// SecureCluster is one broker with a listener for each way of logging in, and
// rights. Principals: admin (may do all), exporter, gateway and shortlived
// (topics, groups and transactions that start with "exp."), noaccess (logs in,
// may do nothing), ANONYMOUS (what starts with "open."). Passwords are Secret
// of the name. Topics are not created by themselves.
type SecureCluster struct {
	Open     string // PLAINTEXT, principal ANONYMOUS
	MTLS     string // SSL, client certificate required
	Misnamed string // SSL, no client certificate; the broker's is for another host name
	SASL     string // SASL_PLAINTEXT: PLAIN, SCRAM-SHA-256, SCRAM-SHA-512
	SASLTLS  string // SASL_SSL: those and OAUTHBEARER
	Kerberos string // SASL_PLAINTEXT: GSSAPI, dialled as localhost; empty without a KDC
	Certs    *Certs
	Keycloak *KeycloakServer
	KDC      *KDC // nil without Kerberos

	kafka *KafkaCluster
}

// Restart stops the broker and starts it again on the same ports and data.
func (s *SecureCluster) Restart(ctx context.Context) error { return s.kafka.Restart(ctx, 0) }

func startSecure(ctx context.Context, kc *KeycloakServer, kdc *KDC, orphan bool) (*SecureCluster, func(), error) {
	s, err := retryPorts(func() (*SecureCluster, error) { return startSecureOnce(ctx, kc, kdc, orphan) })
	if err != nil {
		return nil, nil, err
	}
	return s, s.kafka.stop, nil
}

func startSecureOnce(ctx context.Context, kc *KeycloakServer, kdc *KDC, orphan bool) (_ *SecureCluster, err error) {
	jvm, err := newKafkaJVM("")
	if err != nil {
		return nil, err
	}
	p, err := freePorts(7)
	if err != nil {
		return nil, err
	}
	s := &SecureCluster{
		Open: loopback(p[0]), MTLS: loopback(p[1]), SASL: loopback(p[2]), SASLTLS: loopback(p[3]), Misnamed: loopback(p[4]),
		Certs: kc.Certs, Keycloak: kc, KDC: kdc, kafka: &KafkaCluster{},
	}
	// Without this list the broker refuses every address of a token service.
	args := []string{"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=" + kc.JWKSURL + "," + kc.TokenURL}
	vars := map[string]any{
		"Open": p[0], "MTLS": p[1], "SASL": p[2], "SASLTLS": p[3], "Misnamed": p[4], "Kerberos": p[5], "Controller": p[6],
		"Certs": kc.Certs, "Keycloak": kc, "KDC": kdc,
	}
	if kdc != nil {
		s.Kerberos = fmt.Sprintf("localhost:%d", p[5])
		args = append(args, "-Djava.security.krb5.conf="+kdc.Config)
	}
	if s.kafka.dir, err = os.MkdirTemp("", "headrace-kafka-secure-"); err != nil {
		return nil, fmt.Errorf("start kafka: %w", err)
	}
	defer func() {
		if err != nil {
			s.kafka.stop()
		}
	}()
	b, err := jvm.prepare(s.kafka.dir, "kafka-secure", "kafka-secure.properties", vars, scramUsers(), args...)
	if err != nil {
		return nil, err
	}
	b.run.orphan, b.ready = orphan, kafkaUp(s.SASL)
	s.kafka.brokers = []*broker{b}
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	return s, s.grant(ctx)
}

func scramUsers() (args []string) {
	for _, name := range []string{"admin", "exporter", "gateway", "noaccess"} {
		for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, name, Secret(name)))
		}
	}
	return args
}

// Admin returns a client that may do everything; the caller closes it.
func (s *SecureCluster) Admin() (*kgo.Client, error) {
	return kgo.NewClient(kgo.SeedBrokers(s.SASL), kgo.SASL(plain.Auth{User: "admin", Pass: Secret("admin")}.AsMechanism()))
}

// grant writes the rights that the type's comment promises.
func (s *SecureCluster) grant(ctx context.Context) error {
	cl, err := s.Admin()
	if err != nil {
		return fmt.Errorf("grant rights: %w", err)
	}
	defer cl.Close()
	use := func(names ...string) []string {
		for i, n := range names {
			names[i] = "User:" + n
		}
		return names
	}
	adm := kadm.NewClient(cl)
	for _, b := range []*kadm.ACLBuilder{
		kadm.NewACLs().Topics("exp.").Groups("exp.").TransactionalIDs("exp.").ResourcePatternType(kmsg.ACLResourcePatternTypePrefixed).
			Operations(kadm.OpAll).Allow(use("exporter", "gateway", "shortlived")...).AllowHosts(),
		kadm.NewACLs().Topics("open.").Groups("open.").ResourcePatternType(kmsg.ACLResourcePatternTypePrefixed).
			Operations(kadm.OpAll).Allow(use("ANONYMOUS")...).AllowHosts(),
	} {
		done, err := adm.CreateACLs(ctx, b)
		if err != nil {
			return fmt.Errorf("grant rights: %w", err)
		}
		for _, d := range done {
			if d.Err != nil {
				return fmt.Errorf("grant rights on %s: %w", strings.TrimSpace(d.Name), d.Err)
			}
		}
	}
	return nil
}
