package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector/kafka"
	"github.com/headrace/headrace/internal/embedded"
)

// hidden stands for every secret of a set-up; it must never show.
const hidden = "hunter2-is-secret"

// order is the order of the steps of a broker.
var order = []string{"settings", "name", "tcp", "tls", "protocol", "mechanisms", "token-name", "token-tcp", "token-tls", "token", "claims", "ticket", "authentication", "metadata", "brokers", "rights", "session"}

func TestSabotage(t *testing.T) {
	b := newBench(t)
	expired := b.ca.Issue("broker", time.Now().Add(-time.Hour)).Certificate
	elsewhere := b.ca.Issue("broker", time.Now().Add(time.Hour), "kafka.example.com").Certificate
	foreign := b.other.Issue("intruder", time.Now().Add(time.Hour)).File
	mine := b.ca.Issue("exporter", time.Now().Add(time.Hour)).File
	ended := start(t, embedded.BrokerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{expired}}})
	misnamed := start(t, embedded.BrokerConfig{TLS: &tls.Config{Certificates: []tls.Certificate{elsewhere}}})
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	realm := strings.TrimSuffix(b.issuer.TokenURL(), "/protocol/openid-connect/token")
	at := func(address string) kafka.Settings { return kafka.Settings{BootstrapServer: []string{address}} }
	for _, tc := range []struct {
		name, step, advice string
		s                  kafka.Settings
		o                  Options
		faults             embedded.Faults
		topics             []Topic
	}{
		{name: "all is well", s: plain(b.open), topics: []Topic{{Name: "orders", Write: true}}},
		{name: "all is well with TLS", s: b.ssl(b.tls, kafka.SSL{})},
		{name: "all is well with a certificate", s: b.ssl(b.mutual, kafka.SSL{CertFile: mine})},
		{name: "all is well with SCRAM", s: scram(b.plainSASL, "exporter", hidden)},
		{name: "all is well with a token", s: b.token(nil), o: Options{Audience: "kafka", Issuer: b.issuer.URL()}},

		{name: "a CA file that is none", step: "settings", advice: "check the path", s: b.ssl(b.tls, kafka.SSL{CAFile: "/nowhere/ca.pem"})},
		{name: "a name that does not exist", step: "name", advice: "bootstrap_server", s: at("no-such-broker.invalid:9092")},
		{name: "a port where nobody listens", step: "tcp", advice: "nothing listens", s: at(free(t))},
		{name: "an unknown CA", step: "tls", advice: `put the CA "CN=Right CA" into ssl_config.cafile`, s: b.ssl(b.tls, kafka.SSL{CAFile: b.other.File})},
		{name: "an expired certificate", step: "tls", advice: "new certificate", s: b.ssl(ended, kafka.SSL{})},
		{name: "a certificate for another name", step: "tls", advice: "kafka.example.com", s: b.ssl(misnamed, kafka.SSL{})},
		{name: "no client certificate", step: "tls", advice: "asks for a client certificate", s: b.ssl(b.mutual, kafka.SSL{})},
		{name: "a client certificate of another CA", step: "tls", advice: "does not accept our client certificate", s: b.ssl(b.mutual, kafka.SSL{CertFile: foreign})},
		{name: "TLS to a plain listener", step: "tls", advice: "TLS port", s: b.ssl(b.open, kafka.SSL{})},
		{name: "plain to a TLS listener", step: "protocol", advice: "set security_protocol to SSL", s: plain(b.tls)},
		{name: "a web server", step: "protocol", advice: "correct the port", s: at(strings.TrimPrefix(web.URL, "http://"))},
		{name: "no SASL to a SASL listener", step: "mechanisms", advice: "SASL_PLAINTEXT and sasl_config.mechanism to one of SCRAM-SHA-256", s: plain(b.plainSASL)},
		{name: "no SASL to a SASL listener with TLS", step: "mechanisms", advice: "set security_protocol to SASL_SSL", s: b.ssl(b.tlsSASL, kafka.SSL{})},
		{name: "SASL to a listener without", step: "mechanisms", advice: "set security_protocol to PLAINTEXT", s: scram(b.open, "exporter", hidden)},
		{name: "a mechanism that is not offered", step: "mechanisms", advice: "SCRAM-SHA-256, SCRAM-SHA-512", s: kafka.Settings{BootstrapServer: []string{b.plainSASL.Addr()}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &kafka.SASL{Mechanism: "PLAIN", Username: "exporter", Password: hidden}}},
		{name: "a wrong password", step: "authentication", advice: "correct username and password", s: scram(b.plainSASL, "exporter", "another-"+hidden)},
		{name: "an unknown user", step: "authentication", advice: "correct username and password", s: scram(b.plainSASL, "nobody", hidden)},
		{name: "no host of the token endpoint", step: "token-name", advice: "oauth_token_url", s: b.token(func(s *kafka.SASL) { s.OAuth.TokenURL = "https://no-such-issuer.invalid/token" })},
		{name: "a dead token endpoint", step: "token-tcp", advice: "oauth_token_url", s: b.token(func(s *kafka.SASL) { s.OAuth.TokenURL = "http://" + free(t) + "/token" })},
		{name: "an unencrypted token endpoint", step: "token-tls", advice: "does not speak TLS", s: b.token(func(s *kafka.SASL) { s.OAuth.TokenURL = strings.Replace(b.issuer.TokenURL(), "http:", "https:", 1) })},
		{name: "a wrong client secret", step: "token", advice: "oauth_client_secret", s: b.token(func(s *kafka.SASL) { s.OAuth.ClientSecret = "wrong-" + hidden })},
		{name: "a wrong path of the token endpoint", step: "token", advice: "oauth_token_url", s: b.token(func(s *kafka.SASL) { s.OAuth.TokenURL = realm + "/token" })},
		{name: "a scope that does not exist", step: "token", advice: "oauth_scope", s: b.token(func(s *kafka.SASL) { s.OAuth.Scope = "no-such-scope" })},
		{name: "an issuer in trouble", step: "token", advice: "in trouble", s: b.token(nil), faults: embedded.Faults{ServerError: true}},
		{name: "an issuer that does not answer", step: "token", advice: "does not answer in time", s: b.token(nil), o: Options{Timeout: 3 * time.Second}, faults: embedded.Faults{Delay: time.Minute}},
		{name: "a token that has ended", step: "claims", advice: "clock", s: b.token(nil), faults: embedded.Faults{Expired: true}},
		{name: "a token of an unknown key", step: "claims", advice: "realm's keys", s: b.token(nil), faults: embedded.Faults{UnknownKey: true}},
		{name: "keys that cannot be read", step: "claims", advice: "identity provider", s: b.token(nil), faults: embedded.Faults{KeysError: true}},
		{name: "a known wrong audience", step: "claims", advice: "audience mapper", s: b.token(nil), o: Options{Audience: "kafka"}, faults: embedded.Faults{WrongAudience: true}},
		{name: "a known wrong issuer", step: "claims", advice: "another realm", s: b.token(nil), o: Options{Issuer: "https://id.example.com/realms/r"}},
		{name: "a wrong audience", step: "authentication", advice: "for audience", s: b.token(nil), faults: embedded.Faults{WrongAudience: true}},
		{name: "a fixed token of somebody else", step: "authentication", advice: "issuer", s: b.token(func(s *kafka.SASL) {
			*s = kafka.SASL{Mechanism: "OAUTHBEARER", OAuthToken: "e30.e30.c2ln"}
		})},
		{name: "a topic that does not exist", step: "rights", advice: "create topic nothing", s: plain(b.open), topics: []Topic{{Name: "nothing", Read: true}}},
		{name: "no keytab", step: "settings", advice: "check the path", s: kafka.Settings{BootstrapServer: []string{b.open.Addr()}, SecurityProtocol: "SASL_PLAINTEXT", SASL: &kafka.SASL{Mechanism: "GSSAPI", Username: "u@R", KerberosKeytab: "/nowhere", KerberosConfig: b.ca.File}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b.issuer.SetFaults(tc.faults)
			check(t, examine(t, tc.s, tc.o, tc.topics...), tc.step, tc.advice)
		})
	}
}

// TestATopicThatIsMadeWhenWritten is missing, and no fault: the broker says that
// it makes it. One that is read as well is missed.
func TestATopicThatIsMadeWhenWritten(t *testing.T) {
	b := newBench(t)
	c := examine(t, b.token(nil), Options{}, Topic{Name: "later", Write: true})
	rights := stepOf(t, c, "rights")
	if !c.OK || !strings.Contains(rights.Detail, "later: does not exist yet") || !rights.Rights[0].Made || rights.Rights[0].Exists {
		t.Fatalf("%+v", rights)
	}
	check(t, examine(t, b.token(nil), Options{}, Topic{Name: "later", Write: true, Read: true}), "rights", "create topic later")
}

func TestWhatAStepFinds(t *testing.T) {
	b := newBench(t)
	tlsFound := examine(t, b.ssl(b.tls, kafka.SSL{}), Options{})
	chain := stepOf(t, tlsFound, "tls").Certificates
	if len(chain) != 1 || chain[0].Subject != "CN=broker" || chain[0].Issuer != "CN=Right CA" || chain[0].Names[0] != "127.0.0.1" || chain[0].NotAfter.Before(time.Now()) {
		t.Fatalf("%+v", chain)
	}
	if d := stepOf(t, tlsFound, "tls").Detail; !strings.Contains(d, "TLS 1.3") || !strings.Contains(d, "ends in 0 days") {
		t.Fatal(d)
	}
	refused := examine(t, b.ssl(b.tls, kafka.SSL{CAFile: b.other.File}), Options{})
	if chain := stepOf(t, refused, "tls").Certificates; len(chain) != 1 || chain[0].Issuer != "CN=Right CA" {
		t.Fatalf("the chain of a refused certificate: %+v", chain)
	}
	token := examine(t, b.token(nil), Options{})
	claims := stepOf(t, token, "claims").Claims
	if claims == nil || claims.Issuer != b.issuer.URL() || !slices.Contains(claims.Audience, "kafka") || claims.Expiry.Before(time.Now()) || claims.ClockSkew != "" {
		t.Fatalf("%+v", claims)
	}
	if m := stepOf(t, token, "mechanisms").Mechanisms; !slices.Equal(m, []string{"OAUTHBEARER"}) {
		t.Fatal(m)
	}
	if d := stepOf(t, token, "session").Detail; !strings.Contains(d, "1m0s") {
		t.Fatalf("session: %s", d)
	}
	if d := stepOf(t, examine(t, scram(b.plainSASL, "exporter", hidden), Options{}), "session").Detail; d != "without end" {
		t.Fatalf("session: %s", d)
	}
}

func TestRights(t *testing.T) {
	acl := func(topic string, op kmsg.ACLOperation) kfake.ACL {
		return kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: topic, Pattern: kmsg.ACLResourcePatternTypeLiteral, Operation: op, Allow: true}
	}
	k, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.EnableACLs(), kfake.SeedTopics(1, "in", "out", "secret"),
		kfake.User("PLAIN", "exporter", hidden, acl("in", kmsg.ACLOperationRead), acl("out", kmsg.ACLOperationWrite)))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	s := kafka.Settings{BootstrapServer: k.ListenAddrs(), SecurityProtocol: "SASL_PLAINTEXT", SASL: &kafka.SASL{Username: "exporter", Password: hidden}}
	for _, tc := range []struct {
		name, advice string
		topics       []Topic
	}{
		{"enough", "", []Topic{{Name: "in", Read: true}, {Name: "out", Write: true}}},
		{"no right to write", "allow Write on topic in", []Topic{{Name: "in", Read: true, Write: true}}},
		{"no right to read", "allow Read on topic out", []Topic{{Name: "in", Read: true}, {Name: "out", Read: true}}},
		{"no right at all", "allow Write on topic secret", []Topic{{Name: "secret", Write: true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			step := ""
			if tc.advice != "" {
				step = "rights"
			}
			check(t, examine(t, s, Options{}, tc.topics...), step, tc.advice)
		})
	}
}

func TestRegistry(t *testing.T) {
	b := newBench(t)
	status := http.StatusOK
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		if r.URL.Path != "/subjects" || user != "exporter" || password != hidden {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
	}))
	defer srv.Close()
	ca := &tlsstore.Settings{Truststore: &tlsstore.StoreSettings{Type: "PEM", Certificates: certificate(srv)}}
	good := httpclient.Settings{URL: srv.URL, Username: "exporter", Password: hidden, TLS: ca}
	for _, tc := range []struct {
		name, step, advice string
		status             int
		edit               func(*httpclient.Settings)
	}{
		{"all is well", "", "", 200, func(*httpclient.Settings) {}},
		{"a wrong password", "request", "correct username and password", 200, func(s *httpclient.Settings) { s.Password = "x" }},
		{"no right", "request", "allow this identity", 403, func(*httpclient.Settings) {}},
		{"another service", "request", "not the root", 404, func(*httpclient.Settings) {}},
		{"an unknown CA", "tls", "ssl_config.cafile", 200, func(s *httpclient.Settings) { s.TLS = nil }},
		{"nobody", "tcp", "nothing listens", 200, func(s *httpclient.Settings) { s.URL = "https://" + free(t) }},
		{"a wrong client secret", "token", "oauth_client_secret", 200, func(s *httpclient.Settings) {
			s.Username, s.Password, s.OAuth = "", "", auth.OAuthSettings{TokenURL: b.issuer.TokenURL(), ClientID: "exporter", ClientSecret: "wrong"}
		}},
		{"two ways", "settings", "keep one of them", 200, func(s *httpclient.Settings) { s.BearerToken = hidden }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status = tc.status
			s := good
			tc.edit(&s)
			r := Run(t.Context(), []Target{{Name: "registry", HTTP: &s}}, Options{Timeout: 10 * time.Second})
			c := r.Connections[0]
			var text bytes.Buffer
			_ = r.WriteText(&text)
			if c.Failed != tc.step || !strings.Contains(c.Advice, tc.advice) || r.OK() != (tc.step == "") || strings.Contains(text.String(), hidden) {
				t.Fatalf("%q %q\n%s", c.Failed, c.Advice, &text)
			}
		})
	}
}

func certificate(srv *httptest.Server) string {
	var out bytes.Buffer
	_ = pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	return out.String()
}

func TestSilentServersAreBounded(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // accepts by the system's backlog and never answers
	var targets []Target
	for range 6 {
		targets = append(targets, Target{Name: "silent", Kafka: &kafka.Settings{BootstrapServer: []string{l.Addr().String()}}})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	start := time.Now()
	r := Run(ctx, targets, Options{})
	if took := time.Since(start); took > 3*time.Second {
		t.Fatalf("took %s", took)
	}
	for _, c := range r.Connections {
		if c.OK || c.Failed == "" {
			t.Fatalf("%+v", c)
		}
	}
}

func TestFormsForMachines(t *testing.T) {
	b := newBench(t)
	s := plain(b.tls)
	r := Run(t.Context(), []Target{{Name: "main", Kafka: &s}}, Options{})
	var doc struct {
		Connections []struct {
			Failed string `json:"failed_step"`
			Advice string
			Steps  []struct{ Step, Status string }
		}
	}
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil || doc.Connections[0].Failed != "protocol" || doc.Connections[0].Advice == "" || doc.Connections[0].Steps[0].Step != "settings" {
		t.Fatalf("%+v %v", doc, err)
	}
	out.Reset()
	if err := r.WriteJUnit(&out); err != nil {
		t.Fatal(err)
	}
	var suites junitSuites
	if err := xml.Unmarshal(out.Bytes(), &suites); err != nil || suites.Suites[0].Failures != 1 || suites.Suites[0].Tests != len(suites.Suites[0].Cases) {
		t.Fatalf("%s %v", &out, err)
	}
}
