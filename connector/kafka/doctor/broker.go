package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/kafka"
)

// broker walks one bootstrap address.
func (w *walk) broker() {
	s := w.target.Kafka
	addr := w.found.Address
	var cluster *kafka.Cluster
	w.step("settings", func(context.Context) outcome {
		faults := s.Validate()
		if len(faults) == 0 {
			faults = s.CheckFiles()
		}
		if len(faults) > 0 {
			return failed(errors.New(faults[0].Path+": "+faults[0].Message), adviceIn(faults[0].Message, "correct "+faults[0].Path))
		}
		var err error
		if cluster, err = kafka.NewCluster(w.target.Name, *s, w.options.Log); err != nil {
			return failed(err, "correct the settings")
		}
		return ok(describeSettings(s))
	})
	if cluster != nil {
		defer func() { _ = cluster.Close() }()
	}
	w.name("name", addr, brokerKeys)
	conn := w.tcp("tcp", addr, brokerKeys)
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	w.step("tls", func(ctx context.Context) outcome {
		if !s.UsesTLS() {
			return skipped("security_protocol is " + s.Protocol())
		}
		secured, out := shake(ctx, conn, cluster.TLS(), addr, brokerKeys)
		if out.err != nil {
			if errors.Is(out.err, io.EOF) || errors.Is(out.err, syscall.ECONNRESET) {
				out.advice = "the listener closes the connection on a TLS handshake, so it does not speak TLS: set security_protocol to " + withoutTLS(s) + ", or use its TLS port in bootstrap_server"
			}
			return out
		}
		conn = secured
		// A broker checks the client's certificate after its own handshake is
		// over, so the refusal comes with the first answer (RFC 8446, 4.4.2).
		w.ask(ctx, conn)
		if alert := w.greeting.err; alert != nil && isAlert(alert) {
			refused := failed(alert, alertAdvice(alert, brokerKeys))
			refused.Certificates = out.Certificates
			return refused
		}
		return out
	})
	w.step("protocol", func(ctx context.Context) outcome { return w.protocol(ctx, conn, s) })
	w.step("mechanisms", func(ctx context.Context) outcome { return w.mechanisms(ctx, conn, cluster, s) })
	w.token(s, cluster)
	w.step("ticket", func(ctx context.Context) outcome {
		if s.Mechanism() != kafka.MechanismGSSAPI {
			return skipped("not used by " + orWord(s.Mechanism(), s.Protocol()))
		}
		if err := cluster.Ticket(ctx); err != nil {
			return failed(err, ticketAdvice(err))
		}
		return ok("the KDC issued a ticket")
	})
	w.login(s, cluster, addr)
}

func describeSettings(s *kafka.Settings) string {
	detail := s.Protocol()
	if m := s.Mechanism(); m != "" {
		detail += " with " + m
	}
	if warnings := s.Warnings(); len(warnings) > 0 {
		detail += "; " + strings.Join(warnings, "; ")
	}
	return detail
}

func withoutTLS(s *kafka.Settings) string {
	if s.UsesSASL() {
		return kafka.ProtocolSASLPlaintext
	}
	return kafka.ProtocolPlaintext
}

func withTLS(s *kafka.Settings) string {
	if s.UsesSASL() {
		return kafka.ProtocolSASLSSL
	}
	return kafka.ProtocolSSL
}

// bound ends what a connection waits for with ctx.
func bound(ctx context.Context, conn net.Conn) {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end)
	}
}

// greeting is what a broker answered to the first question.
type greeting struct {
	asked bool
	kinds int
	err   error
}

// ask asks what any broker answers anybody, once: a listener with SASL hangs up
// on the second such question.
func (w *walk) ask(ctx context.Context, conn net.Conn) {
	if w.greeting.asked {
		return
	}
	half, cancel := context.WithTimeout(ctx, stepTimeout/2)
	defer cancel()
	bound(half, conn)
	w.greeting.asked = true
	w.greeting.kinds, w.greeting.err = apiVersions(conn)
}

func (w *walk) protocol(ctx context.Context, conn net.Conn, s *kafka.Settings) outcome {
	w.ask(ctx, conn)
	err := w.greeting.err
	if err == nil {
		return ok(fmt.Sprintf("Kafka answers, with %d kinds of requests", w.greeting.kinds))
	}
	switch {
	case !s.UsesTLS() && speaksTLS(ctx, w.found.Address):
		return failed(err, "the listener speaks TLS: set security_protocol to "+withTLS(s)+", or use its plain port in bootstrap_server")
	case errors.Is(err, errNotKafka):
		return failed(err, "this is not a Kafka listener: correct the port in bootstrap_server")
	}
	return failed(err, "nothing there speaks Kafka's protocol: correct the port in bootstrap_server")
}

// speaksTLS tries a handshake, without trusting anything it says.
func speaksTLS(ctx context.Context, addr string) bool {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	err = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(ctx) // nothing is sent over it
	return err == nil || isAlert(err)
}

// mechanisms asks what the listener offers. A listener that wants SASL where
// none is configured hangs up on the first other request, and tells then.
func (w *walk) mechanisms(ctx context.Context, conn net.Conn, cluster *kafka.Cluster, s *kafka.Settings) outcome {
	bound(ctx, conn)
	if !s.UsesSASL() {
		if openToAll(conn) {
			return skipped("security_protocol is " + s.Protocol())
		}
		return w.wantsSASL(ctx, cluster, s)
	}
	want := s.Mechanism()
	if want == kafka.MechanismAWSMSKIAM {
		want = kafka.MechanismOAuthBearer
	}
	code, offered, err := handshake(conn, want)
	offers := strings.Join(offered, ", ")
	switch {
	case err != nil:
		return failed(err, "the listener hangs up on SASL: check that security_protocol is that of the listener")
	case code == codeIllegalState, code == codeUnsupportedMechanism && openToAll(conn): // not every broker says so
		return failed(errors.New("the listener does not use SASL"), "set security_protocol to "+withoutSASL(s)+", or use the listener's SASL port in bootstrap_server")
	case code == codeUnsupportedMechanism, code == 0 && len(offered) > 0 && !slices.Contains(offered, want):
		out := failed(fmt.Errorf("the listener offers %s and not %s", orWord(offers, "no mechanism"), want),
			"set sasl_config.mechanism to one that it offers: "+offers)
		out.Mechanisms = offered
		return out
	case code != 0:
		return failed(fmt.Errorf("the broker answers the handshake with error %d", code), "check sasl_config.mechanism")
	}
	out := ok("offered: " + orWord(offers, want))
	out.Mechanisms = offered
	return out
}

// wantsSASL asks a listener that hung up on us for its mechanisms.
func (w *walk) wantsSASL(ctx context.Context, cluster *kafka.Cluster, s *kafka.Settings) outcome {
	offers := "a mechanism that it offers"
	out := failed(fmt.Errorf("the listener wants SASL, and security_protocol is %s", s.Protocol()), "")
	if conn, err := redial(ctx, cluster, w.found.Address); err == nil {
		defer func() { _ = conn.Close() }()
		if _, offered, err := handshake(conn, "?"); err == nil && len(offered) > 0 {
			out.Mechanisms, offers = offered, "one of "+strings.Join(offered, ", ")
		}
	}
	out.advice = fmt.Sprintf("set security_protocol to %s and sasl_config.mechanism to %s", withSASL(s), offers)
	return out
}

// redial opens one more connection, as the walk so far has shown that it can.
func redial(ctx context.Context, cluster *kafka.Cluster, addr string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	bound(ctx, conn)
	if cluster.TLS() == nil {
		return conn, nil
	}
	secured, out := shake(ctx, conn, cluster.TLS(), addr, brokerKeys)
	if out.err != nil {
		_ = conn.Close()
		return nil, out.err
	}
	return secured, nil
}

func withSASL(s *kafka.Settings) string {
	if s.UsesTLS() {
		return kafka.ProtocolSASLSSL
	}
	return kafka.ProtocolSASLPlaintext
}

func withoutSASL(s *kafka.Settings) string {
	if s.UsesTLS() {
		return kafka.ProtocolSSL
	}
	return kafka.ProtocolPlaintext
}

func ticketAdvice(err error) string {
	text := err.Error()
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(strings.ToLower(text), strings.ToLower(p)) })
	}
	switch {
	case has("KDC_ERR_C_PRINCIPAL_UNKNOWN", "CLIENT_NOT_FOUND", "not found in kerberos database"):
		return "the KDC does not know this principal: correct sasl_config.username and the realm"
	case has("KDC_ERR_PREAUTH_FAILED", "matching key not found in keytab", "no keys", "decrypt"):
		return "the key does not fit the principal: export the keytab anew, or correct the password; list a keytab with klist -k"
	case has("clock skew", "KRB_AP_ERR_SKEW"):
		return "set the clock of this machine: it differs from the KDC's by more than five minutes"
	case has("networking error", "dial", "connection refused", "i/o timeout", "communication error", "no KDC"):
		return "the KDC cannot be reached: check kdc of the realm in krb5.conf (kerberos_config), and port 88"
	case has("krb5 config", "libdefaults", "realms section"):
		return "correct the file krb5.conf that kerberos_config (or $KRB5_CONFIG) names"
	case has("expired"):
		return "the ticket in the cache has ended: run kinit again"
	}
	return "check username, kerberos_keytab and kerberos_config"
}

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
	w.metadata(login)
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

func orWord(v, otherwise string) string {
	if v == "" {
		return otherwise
	}
	return v
}

// adviceIn is what a message of this project says to do: "what is wrong; what
// to do".
func adviceIn(message, otherwise string) string {
	if _, advice, found := strings.Cut(message, "; "); found {
		return advice
	}
	return otherwise
}
