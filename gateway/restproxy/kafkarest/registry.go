package kafkarest

import (
	"maps"
	"slices"
	"strings"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// registryKeys are the keys of the Schema Registry's client, without the
// prefix schema.registry.
var registryKeys = map[string]func(s *httpclient.Settings, value string){
	"basic.auth.user.info": func(s *httpclient.Settings, v string) {
		user, password, _ := strings.Cut(v, ":")
		s.Username, s.Password = user, connector.Secret(password)
	},
	"bearer.auth.token":               func(s *httpclient.Settings, v string) { s.BearerToken = connector.Secret(v) },
	"bearer.auth.client.id":           func(s *httpclient.Settings, v string) { s.OAuth.ClientID = v },
	"bearer.auth.client.secret":       func(s *httpclient.Settings, v string) { s.OAuth.ClientSecret = connector.Secret(v) },
	"bearer.auth.scope":               func(s *httpclient.Settings, v string) { s.OAuth.Scope = v },
	"bearer.auth.issuer.endpoint.url": func(s *httpclient.Settings, v string) { s.OAuth.TokenURL = v },
	"ssl.truststore.location":         func(s *httpclient.Settings, v string) { trust(s).Location = v },
	"ssl.truststore.password":         func(s *httpclient.Settings, v string) { trust(s).Password = connector.Secret(v) },
	"ssl.truststore.type":             func(s *httpclient.Settings, v string) { trust(s).Type = v },
	"ssl.keystore.location":           func(s *httpclient.Settings, v string) { identity(s).Location = v },
	"ssl.keystore.password":           func(s *httpclient.Settings, v string) { identity(s).Password = connector.Secret(v) },
	"ssl.keystore.type":               func(s *httpclient.Settings, v string) { identity(s).Type = v },
	"ssl.key.password":                func(s *httpclient.Settings, v string) { identity(s).KeyPassword = connector.Secret(v) },
}

func stores(s *httpclient.Settings) *tlsstore.Settings {
	if s.TLS == nil {
		s.TLS = &tlsstore.Settings{}
	}
	return s.TLS
}

func trust(s *httpclient.Settings) *tlsstore.StoreSettings {
	t := stores(s)
	if t.Truststore == nil {
		t.Truststore = &tlsstore.StoreSettings{Type: "JKS"}
	}
	return t.Truststore
}

func identity(s *httpclient.Settings) *tlsstore.StoreSettings {
	t := stores(s)
	if t.Keystore == nil {
		t.Keystore = &tlsstore.StoreSettings{Type: "JKS"}
	}
	return t.Keystore
}

// registry reads schema.registry.*; without a URL nothing of it counts.
func (r *reading) registry() {
	const prefix = "schema.registry."
	url, given := r.take(prefix + "url")
	s := httpclient.Settings{URL: url}
	for _, key := range slices.Sorted(maps.Keys(r.props)) {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok || name == "url" {
			continue
		}
		r.used[key] = true
		set := registryKeys[name]
		switch {
		case name == "basic.auth.credentials.source" || name == "bearer.auth.credentials.source":
			// What is given says it.
		case set == nil:
			r.ignore(key, "set for the client by itself")
		case url == "":
			r.ignore(key, "schema.registry.url is not set")
		default:
			set(&s, strings.TrimSpace(r.props[key]))
		}
	}
	if !given {
		return
	}
	for _, f := range s.Validate() {
		r.fault(prefix+f.Path, "%s", f.Message)
	}
	r.Registry = &s
}
