package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/headrace/headrace/internal/embedded"
)

// devSecurity are the flags of dev that are about identity: what the broker
// asks for, and where its tokens come from.
type devSecurity struct {
	secure, realm, audience string
	faults                  []string
}

func (d *devSecurity) flags(f *pflag.FlagSet) {
	f.StringVar(&d.secure, "secure", "", "what the broker asks for: plain, scram or oauthbearer (default nothing)")
	f.StringVar(&d.realm, "realm", "", "Keycloak realm export for the token issuer (default a realm with the clients exporter, gateway and app)")
	f.StringVar(&d.audience, "audience", "kafka", "audience that the broker wants in a token")
	f.StringSliceVar(&d.faults, "fault", nil, "let the issuer fail once the sample is exported: expired, wrong-audience, unknown-key, slow, error, keys-error")
}

// devUser logs in with a password, where the broker asks for one.
const devUser = "exporter"

// slowIssuer is how long a slow token endpoint takes: longer than a client
// waits for one request.
const slowIssuer = 15 * time.Second

// issuer starts the token issuer of the realm, and returns the client of it
// that the sample uses.
func (d *devSecurity) issuer() (*embedded.Issuer, *embedded.Client, error) {
	realm := embedded.DefaultRealm()
	if d.realm != "" {
		file, err := os.Open(d.realm)
		if err != nil {
			return nil, nil, &exit{exitBadConfig, fmt.Errorf("--realm: %w", err)}
		}
		defer file.Close()
		if realm, err = embedded.ReadRealm(file); err != nil {
			return nil, nil, &exit{exitBadConfig, fmt.Errorf("--realm %s: %w", d.realm, err)}
		}
	}
	if _, err := d.issuerFaults(); err != nil {
		return nil, nil, err
	}
	client := realm.ServiceAccountFor(d.audience)
	if client == nil && d.secure == "oauthbearer" {
		return nil, nil, &exit{exitBadConfig, fmt.Errorf("--realm %s: no client has a secret and a service account; switch one on", d.realm)}
	}
	issuer, err := embedded.StartIssuer(embedded.IssuerConfig{Realm: realm})
	if err != nil {
		return nil, nil, &exit{exitFailed, fmt.Errorf("start the token issuer: %w", err)}
	}
	return issuer, client, nil
}

// secureBroker makes the broker ask, and returns the keys of a cluster in the
// project file that answer it, and a note that names no secret of a realm.
func (d *devSecurity) secureBroker(cfg *embedded.BrokerConfig, issuer *embedded.Issuer, client *embedded.Client) (keys, note string, err error) {
	password := devUser + "-secret"
	login := ", security_protocol: SASL_PLAINTEXT, sasl_config: {mechanism: %s, username: " + devUser + ", password: " + password + "}"
	switch strings.ToLower(d.secure) {
	case "":
		return "", "", nil
	case "plain":
		cfg.SASLPlain = map[string]string{devUser: password}
		return fmt.Sprintf(login, "PLAIN"), "; PLAIN, user " + devUser + ", password " + password, nil
	case "scram":
		cfg.SASLScram = map[string]string{devUser: password}
		return fmt.Sprintf(login, "SCRAM-SHA-512"), "; SCRAM-SHA-256 and -512, user " + devUser + ", password " + password, nil
	case "oauthbearer", "oauth":
		cfg.OAuth = issuer.Check(d.audience)
		return fmt.Sprintf(", security_protocol: SASL_PLAINTEXT, sasl_config: {mechanism: OAUTHBEARER, oauth_token_url: %q, oauth_client_id: %q, oauth_client_secret: %q}",
			issuer.TokenURL(), client.ID, client.Secret), fmt.Sprintf("; OAUTHBEARER for audience %s, client %s of %s", d.audience, client.ID, issuer.TokenURL()), nil
	}
	return "", "", &exit{exitBadConfig, fmt.Errorf("--secure %q: use plain, scram or oauthbearer", d.secure)}
}

func (d *devSecurity) issuerFaults() (embedded.Faults, error) {
	var f embedded.Faults
	for _, name := range d.faults {
		switch name {
		case "expired":
			f.Expired = true
		case "wrong-audience":
			f.WrongAudience = true
		case "unknown-key":
			f.UnknownKey = true
		case "slow":
			f.Delay = slowIssuer
		case "error":
			f.ServerError = true
		case "keys-error":
			f.KeysError = true
		default:
			return f, &exit{exitBadConfig, fmt.Errorf("--fault %q: use expired, wrong-audience, unknown-key, slow, error or keys-error", name)}
		}
	}
	return f, nil
}
