package kafkarest

import (
	"strings"

	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/internal/redact"
)

// https reads ssl.*, which is for listeners of https.
func (r *reading) https() {
	clients, asked := r.clientCertificates()
	if !r.secure {
		if clients != "" {
			r.fault(asked, "client certificates need a listener of https; set listeners, or remove the key")
		}
		for key := range r.props {
			if strings.HasPrefix(key, "ssl.") && !r.used[key] {
				r.used[key] = true
				r.ignore(key, "there is no listener of https")
			}
		}
		return
	}
	key := func(name string) string {
		v, _ := r.take("ssl." + name)
		return v
	}
	store := func(name string) *tlsstore.StoreSettings {
		s := &tlsstore.StoreSettings{Location: key(name + ".location"), Type: key(name + ".type"), Password: connector.Secret(key(name + ".password"))}
		if s.Type == "" {
			s.Type = "JKS"
		}
		if s.Location == "" {
			return nil
		}
		return s
	}
	t := &gateway.TLS{Keystore: store("keystore"), Truststore: store("truststore"), Clients: clients}
	keyPassword := connector.Secret(key("key.password"))
	if t.Keystore == nil {
		r.fault("ssl.keystore.location", "is missing; a listener of https needs the certificate and key of this server")
		return
	}
	t.Keystore.KeyPassword = keyPassword
	r.HTTP.TLS = t
	for name := range r.props {
		if strings.HasPrefix(name, "ssl.") && !r.used[name] {
			r.used[name] = true
			r.ignore(name, "TLS 1.2 and 1.3 are spoken as Go does, and stores are read again when they change")
		}
	}
}

// clientCertificates is what the clients are asked for, "", requested or
// required, and the key that says so: there is an older one.
func (r *reading) clientCertificates() (mode, key string) {
	old, _ := r.take("ssl.client.auth")
	value, _ := r.take("ssl.client.authentication")
	switch strings.ToUpper(value) {
	case "REQUIRED", "REQUESTED":
		return strings.ToLower(value), "ssl.client.authentication"
	case "":
		if strings.EqualFold(old, "true") {
			return "required", "ssl.client.auth"
		}
	case "NONE":
	default:
		r.fault("ssl.client.authentication", "must be NONE, REQUESTED or REQUIRED, not %s", redact.Quote(value))
	}
	return "", ""
}
