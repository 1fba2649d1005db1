package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

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
			keys := brokerKeys
			keys.identified = cluster.TLS().Identified()
			refused := failed(alert, alertAdvice(alert, keys))
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
	var foreign kafka.NotKafka
	switch {
	case !s.UsesTLS() && speaksTLS(ctx, w.found.Address):
		return failed(err, "the listener speaks TLS: set security_protocol to "+withTLS(s)+", or use its plain port in bootstrap_server")
	case errors.As(err, &foreign):
		return failed(err, adviceIn(err.Error(), "correct the port in bootstrap_server"))
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
