// Package httpclient makes HTTP clients that prove who we are: to Schema
// Registries, HTTP sources and webhooks, with the same identities that reach
// Kafka. Settings are the keys, New makes the client:
//
//	client, err := httpclient.New("registry", settings, log)
//	defer client.Close()
//	resp, err := client.Do(req) // Authorization is set, tokens are renewed
//
// Credentials go to the configured origins only, certificates that change on
// disk are used by the next connection, and no secret shows in an error.
package httpclient

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/headrace/headrace/auth"
	"github.com/headrace/headrace/auth/tlsstore"
	"github.com/headrace/headrace/connector"
)

// Settings are the keys of an HTTP service that asks who we are. Embed it with
// the tag mapstructure:",squash"; one of the three ways may be given: username
// and password, bearer_token or bearer_token_file, the oauth_ keys. ssl_config
// goes with each of them, and alone is mutual TLS. The config package calls
// Validate.
type Settings struct {
	URL             string           `mapstructure:"url" doc:"address of the service, several with commas between"`
	Username        string           `mapstructure:"username" doc:"user of Basic authentication"`
	Password        connector.Secret `mapstructure:"password" doc:"password of Basic authentication"`
	BearerToken     connector.Secret `mapstructure:"bearer_token" doc:"a ready-made token"`
	BearerTokenFile string           `mapstructure:"bearer_token_file" path:"file" doc:"file with a token that something else keeps fresh, read again for each request"`
	AllowPlainHTTP  bool             `mapstructure:"allow_plain_http" doc:"allow credentials over http:// to another machine"`

	OAuth auth.OAuthSettings `mapstructure:",squash"`
	TLS   *tlsstore.Settings `mapstructure:"ssl_config" doc:"TLS settings"`
}

// URLs are the addresses, one an element, without a slash at the end.
func (s *Settings) URLs() []string {
	var out []string
	for part := range strings.SplitSeq(s.URL, ",") {
		if part = strings.TrimRight(strings.TrimSpace(part), "/"); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// method is one way to prove who we are.
type method string

const (
	none   method = ""
	basic  method = "username"
	bearer method = "bearer_token"
	file   method = "bearer_token_file"
	oauth  method = "oauth_token_url"
)

func (s *Settings) methods() []method {
	var out []method
	if s.Username != "" || s.Password != "" {
		out = append(out, basic)
	}
	if s.BearerToken != "" {
		out = append(out, bearer)
	}
	if s.BearerTokenFile != "" {
		out = append(out, file)
	}
	o := &s.OAuth
	if o.TokenURL != "" || o.ClientID != "" || o.ClientSecret != "" || o.ClientSecretFile != "" || o.AssertionFile != "" || o.SubjectTokenFile != "" {
		out = append(out, oauth)
	}
	return out
}

func (s *Settings) method() method {
	if m := s.methods(); len(m) > 0 {
		return m[0]
	}
	return none
}

// Authenticates reports whether requests carry credentials.
func (s *Settings) Authenticates() bool { return s.method() != none }

// Describe says in words how requests prove who we are.
func (s *Settings) Describe() string {
	how := map[method]string{none: "no credentials", basic: "Basic authentication", bearer: "a ready-made token", file: "a token from a file", oauth: "a token from " + s.OAuth.TokenURL}[s.method()]
	if s.TLS != nil && s.TLS.KeyStore() != nil {
		how += ", a client certificate"
	}
	return how
}

// Validate reports every fault that needs neither files nor network. It allows
// an empty URL, so that a section may be left out; New does not.
func (s *Settings) Validate() []connector.Fault {
	f := &faults{}
	for _, raw := range s.URLs() {
		s.validateURL(f, raw)
	}
	ways := s.methods()
	if len(ways) > 1 {
		f.add(string(ways[1]), "cannot be given together with %s; keep one of them", ways[0])
	}
	switch {
	case s.Username == "" && s.Password != "":
		f.add("username", "is missing; password needs the user that it belongs to")
	case strings.Contains(s.Username, ":"):
		f.add("username", "cannot hold a colon in Basic authentication (RFC 7617)")
	}
	if strings.ContainsAny(s.BearerToken.Reveal(), " \t\r\n") {
		f.add("bearer_token", "holds blanks or line breaks; give the token alone, without the word Bearer")
	}
	if len(ways) > 0 && ways[0] == oauth {
		*f = append(*f, s.OAuth.Faults("")...)
	}
	if s.TLS != nil {
		*f = append(*f, s.TLS.Faults("ssl_config.")...)
	}
	for _, fault := range connector.PathFaults(s, "", map[string]string{"bearer_token_file": "bearer_token"}) {
		if !slices.ContainsFunc(*f, func(known connector.Fault) bool { return known.Path == fault.Path }) { // those of the oauth_ keys in use were found above
			*f = append(*f, fault)
		}
	}
	return *f
}

func (s *Settings) validateURL(f *faults, raw string) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		f.add("url", "is not an address; write it like https://registry.example.com:8081")
	case u.User != nil:
		f.add("url", "carries a user name; use username and password")
	case u.RawQuery != "" || u.Fragment != "":
		f.add("url", "must end before the ? and the #")
	case u.Scheme == "http" && s.TLS != nil:
		f.add("ssl_config", "has no effect with an http:// url; use https:// or remove it")
	case u.Scheme == "http" && s.Authenticates() && !auth.Loopback(u.Host) && !s.AllowPlainHTTP:
		f.add("url", "is plain http, so the credentials can be read on the way; use https, or allow it with allow_plain_http: true")
	}
}

// CheckFiles reads the files that the settings name and reports each that is of
// no use. Call it after Validate found nothing.
func (s *Settings) CheckFiles() []connector.Fault {
	f := &faults{}
	if s.TLS != nil {
		*f = append(*f, s.TLS.CheckFiles("ssl_config.")...)
	}
	switch s.method() {
	case oauth:
		*f = append(*f, s.OAuth.CheckFiles("")...)
	case file:
		if err := auth.CheckFile(s.BearerTokenFile); err != nil {
			f.add("bearer_token_file", "%s", err)
		}
	}
	return *f
}

// faults collects what is wrong.
type faults []connector.Fault

func (f *faults) add(path, format string, args ...any) {
	*f = append(*f, connector.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
}

var (
	_ connector.Validator = (*Settings)(nil)
	_ http.RoundTripper   = (*Client)(nil)
)
