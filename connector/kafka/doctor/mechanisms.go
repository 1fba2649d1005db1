package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/headrace/headrace/connector/kafka"
)

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
