package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/headrace/headrace/auth/kerberos"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
)

// login authenticates and looks around.
func (w *walk) login(s *kafka.Settings, cluster *kafka.Cluster, addr string) {
	var login *kafka.Login
	defer func() {
		if login != nil {
			_ = login.Close()
		}
	}()
	w.step("authentication", func(ctx context.Context) outcome {
		l, err := cluster.Login(w.ctx, addr)
		if err != nil {
			return failed(err, w.loginAdvice(s, err))
		}
		login = l
		switch {
		case s.UsesSASL():
			return ok("accepted by " + s.Mechanism())
		case s.UsesTLS() && s.SSL != nil && s.SSL.KeyStore() != nil:
			return ok("the client certificate is accepted")
		}
		return skipped("the listener asks for none")
	})
	w.metadata(cluster, login)
	w.step("session", func(context.Context) outcome {
		switch life := login.Session; {
		case !s.UsesSASL():
			return skipped("a session of SASL only")
		case life == 0:
			return ok("without end")
		default:
			return ok(fmt.Sprintf("ends after %s unless the client authenticates again, which it does in time", life.Round(time.Second)))
		}
	})
}

// loginAdvice says what to change when a broker refuses us.
func (w *walk) loginAdvice(s *kafka.Settings, err error) string {
	if connector.KindOf(err) != connector.Unauthenticated {
		return "the connection was lost while logging in: look into the broker's log"
	}
	switch m := s.Mechanism(); m {
	case kafka.MechanismPlain:
		return "correct username and password in sasl_config"
	case kafka.MechanismSCRAM256, kafka.MechanismSCRAM512:
		return fmt.Sprintf("correct username and password in sasl_config; the user must have a credential of %s (kafka-configs.sh --describe --entity-type users)", m)
	case kafka.MechanismGSSAPI:
		return "the broker's principal must be kerberos_service_name/host@REALM with the name that it is reached by: check kerberos_service_name (kafka), kerberos_host and the advertised names"
	case kafka.MechanismAWSMSKIAM:
		return "allow kafka-cluster:Connect for this identity in IAM, and check aws_region"
	case kafka.MechanismOAuthBearer:
		return w.tokenRefusal()
	}
	return "use a client certificate that the broker trusts"
}

func ticketAdvice(err error) string {
	if advice := kerberos.Explain(err); advice != "" {
		return advice
	}
	return adviceIn(err.Error(), "check username, kerberos_keytab and kerberos_config")
}
