package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// identity is who a session belongs to, and when it ends; the zero time means
// that it does not end by itself.
type identity struct {
	name string
	ends time.Time
}

// exchange is the server's side of one SASL exchange. step takes a message of
// the client; it is over with an identity or an error, whose text the client
// gets to see.
type exchange interface {
	step(ctx context.Context, in []byte) (out []byte, who *identity, err error)
}

func newGate(ctx context.Context, cfg BrokerConfig) *gate {
	g := &gate{
		ctx: ctx, maxSession: cfg.MaxSession,
		mechanisms: make(map[string]func() exchange), conns: make(map[*gateConn]struct{}),
	}
	g.empty = sync.NewCond(&g.mu)
	offer := func(name string, begin func() exchange) {
		g.names = append(g.names, name)
		g.mechanisms[name] = begin
	}
	if cfg.SASLPlain != nil {
		offer("PLAIN", func() exchange { return plain(cfg.SASLPlain) })
	}
	if cfg.SASLScram != nil {
		for _, m := range scramMechanisms {
			credentials := newCredentials(m.hash, cfg.SASLScram)
			offer(m.name, func() exchange { return credentials.begin(m.name) })
		}
	}
	if cfg.OAuth != nil {
		verifier := newVerifier(*cfg.OAuth)
		offer("OAUTHBEARER", func() exchange { return &bearer{verifier: verifier} })
	}
	return g
}

// refusal is a failed exchange in the words that Apache Kafka sends.
type refusal string

func (r refusal) Error() string { return string(r) }

// session is the authentication of one connection.
type session struct {
	exchange exchange  // begun by a handshake
	who      *identity // authenticated
}

// open reports whether requests may pass: not before the end of the first
// exchange, not during a later one, not after the session's end (KIP-368).
func (s *session) open(now time.Time) bool {
	return s.who != nil && s.exchange == nil && (s.who.ends.IsZero() || now.Before(s.who.ends))
}

// handle answers a SASL request; last means that the connection ends.
func (s *session) handle(g *gate, request kmsg.Request) (response kmsg.Response, last bool) {
	if handshake, ok := request.(*kmsg.SASLHandshakeRequest); ok {
		return s.handshake(g, handshake)
	}
	return s.authenticate(g, request.(*kmsg.SASLAuthenticateRequest))
}

func (s *session) handshake(g *gate, request *kmsg.SASLHandshakeRequest) (kmsg.Response, bool) {
	response := request.ResponseKind().(*kmsg.SASLHandshakeResponse)
	response.SupportedMechanisms = g.names
	begin, offered := g.mechanisms[request.Mechanism]
	switch {
	case request.Version == 0: // the exchange would go on outside of requests
		response.ErrorCode = kerr.UnsupportedVersion.Code
	case len(g.names) == 0 || s.exchange != nil:
		response.ErrorCode = kerr.IllegalSaslState.Code
	case !offered:
		response.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	default:
		s.exchange = begin()
	}
	return response, response.ErrorCode != 0
}

func (s *session) authenticate(g *gate, request *kmsg.SASLAuthenticateRequest) (kmsg.Response, bool) {
	response := request.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	fail := func(e *kerr.Error, message string) (kmsg.Response, bool) {
		g.refused.Add(1)
		response.ErrorCode, response.ErrorMessage, response.SASLAuthBytes = e.Code, &message, nil
		return response, true
	}
	if s.exchange == nil {
		return fail(kerr.IllegalSaslState, "SaslAuthenticate request received before SaslHandshake")
	}
	out, who, err := s.exchange.step(g.ctx, request.SASLAuthBytes)
	if err != nil {
		return fail(kerr.SaslAuthenticationFailed, err.Error())
	}
	response.SASLAuthBytes = out
	if who == nil {
		return response, false
	}
	if s.who != nil && s.who.name != who.name {
		return fail(kerr.SaslAuthenticationFailed, fmt.Sprintf(
			"Cannot change principals during re-authentication from %s: %s", s.who.name, who.name))
	}
	now := time.Now()
	if end := now.Add(g.maxSession); g.maxSession > 0 && (who.ends.IsZero() || end.Before(who.ends)) {
		who.ends = end
	}
	if !who.ends.IsZero() {
		response.SessionLifetimeMillis = max(1, who.ends.Sub(now).Milliseconds())
	}
	s.exchange, s.who = nil, who
	g.accepted.Add(1)
	return response, false
}

// plain checks user names and passwords (RFC 4616).
type plain map[string]string

func (p plain) step(_ context.Context, in []byte) ([]byte, *identity, error) {
	parts := bytes.Split(in, []byte{0})
	if len(parts) != 3 {
		return nil, nil, refusal("Invalid SASL/PLAIN response: expected 3 tokens")
	}
	authorization, user, password := string(parts[0]), string(parts[1]), string(parts[2])
	want, known := p[user]
	if !known || want != password {
		return nil, nil, refusal("Authentication failed: Invalid username or password")
	}
	if authorization != "" && authorization != user {
		return nil, nil, refusal("Authentication failed: Client requested an authorization id that is different from username")
	}
	return nil, &identity{name: user}, nil
}

// readRequest reads a request without its size.
func readRequest(body []byte, key kmsg.Key, version int16) (kmsg.Request, error) {
	request := key.Request()
	if version > request.MaxVersion() {
		return nil, fmt.Errorf("version %d of key %d: %w", version, key, errRefused)
	}
	request.SetVersion(version)
	reader := kbin.Reader{Src: body[8:]}
	reader.NullableString() // client id
	if request.IsFlexible() {
		kmsg.SkipTags(&reader)
	}
	if err := reader.Complete(); err != nil {
		return nil, err
	}
	return request, request.ReadFrom(reader.Src)
}

func responseFrame(response kmsg.Response, correlation int32) []byte {
	frame := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation))
	if response.IsFlexible() {
		frame = append(frame, 0) // no tags
	}
	frame = response.AppendTo(frame)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}
