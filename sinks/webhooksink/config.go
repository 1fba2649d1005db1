// Package webhooksink sends records to a URL, one request a record or a few in
// a JSON array. Authentication is that of auth/httpclient; which addresses may
// be called is internal/egress's matter.
package webhooksink

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/headrace/headrace/auth/httpclient"
	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/block"
	"github.com/headrace/headrace/internal/egress"
)

// Config are the keys of a webhook exporter block.
type Config struct {
	URL            string                      `mapstructure:"url" required:"true" doc:"where records are sent, https://host/path"`
	Method         string                      `mapstructure:"method" enum:"POST,PUT,PATCH" doc:"HTTP method"`
	Headers        map[string]connector.Secret `mapstructure:"headers" doc:"headers of each request"`
	Batch          int                         `mapstructure:"batch" doc:"records in a request; more than 1 makes its body a JSON array"`
	Concurrency    int                         `mapstructure:"concurrency" doc:"requests under way at a time; records with one key follow each other"`
	Timeout        connector.Duration          `mapstructure:"timeout" doc:"longest time of one request"`
	Authentication *httpclient.Settings        `mapstructure:"authentication" doc:"username and password, bearer_token, or the oauth_ keys; ssl_config goes with each"`
	Signature      *Signature                  `mapstructure:"signature" doc:"signs each request, so that the receiver can tell who sent it"`
	Retry          block.Retry                 `mapstructure:"retry" doc:"how long a record is tried again that was refused for now: 408, 425, 429, 5xx, no answer"`

	Callbacks egress.Settings `mapstructure:"-"` // the project's: which addresses may be called
}

// Signature says how requests are signed: HMAC-SHA256 over the time, a dot and
// the body, as t=UNIX,v1=HEX in a header.
type Signature struct {
	Secret connector.Secret `mapstructure:"secret" required:"true" doc:"what sender and receiver share"`
	Header string           `mapstructure:"header" doc:"header that holds the signature; default Headrace-Signature"`
}

// DefaultConfig returns the values of keys that are not written.
func DefaultConfig() Config {
	return Config{Method: http.MethodPost, Batch: 1, Concurrency: 4, Timeout: connector.Duration(30 * time.Second), Retry: block.DefaultRetry()}
}

// The bounds of the keys.
const (
	maxBatch       = 1000
	maxConcurrency = 256
)

// Validate reports values that cannot work.
func (c *Config) Validate() []connector.Fault {
	var faults []connector.Fault
	add := func(path, format string, args ...any) {
		faults = append(faults, connector.Fault{Path: path, Message: fmt.Sprintf(format, args...)})
	}
	u, err := url.Parse(c.URL)
	switch {
	case c.URL == "":
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		add("url", "is not an address; write it like https://hooks.example.com/orders")
	case u.User != nil:
		add("url", "carries a user name; use authentication: {username: …, password: …}")
	case u.Fragment != "":
		add("url", "ends before the #")
	}
	if c.Batch < 1 || c.Batch > maxBatch {
		add("batch", "must be between 1 and %d records", maxBatch)
	}
	if c.Concurrency < 1 || c.Concurrency > maxConcurrency {
		add("concurrency", "must be between 1 and %d", maxConcurrency)
	}
	if c.Timeout <= 0 {
		add("timeout", "must be more than 0")
	}
	if c.Retry.Delay <= 0 || c.Retry.MaxDelay < c.Retry.Delay {
		add("retry", "delay must be more than 0, and max_delay not less than it")
	}
	for name, value := range c.Headers {
		if !httpguts.ValidHeaderFieldName(name) || !httpguts.ValidHeaderFieldValue(value.Reveal()) {
			add("headers", "%q is not a header that can be sent", name)
		}
	}
	if c.Signature != nil {
		if c.Signature.Header == "" {
			c.Signature.Header = "Headrace-Signature"
		}
		if !httpguts.ValidHeaderFieldName(c.Signature.Header) {
			add("signature", "header is not a name of a header")
		}
	}
	if len(faults) > 0 || c.URL == "" {
		return faults
	}
	if c.Authentication != nil && c.Authentication.URL != "" {
		add("authentication", "has no url of its own; the block's url is the one that is called")
	}
	s := c.client()
	for _, f := range s.Validate() {
		if f.Path != "url" {
			f.Path = "authentication." + f.Path
		}
		faults = append(faults, f)
	}
	return faults
}

// client are the settings of the HTTP client: the origin and path only, since a
// query may be a secret.
func (c *Config) client() httpclient.Settings {
	var s httpclient.Settings
	if c.Authentication != nil {
		s = *c.Authentication
	}
	s.URL, _, _ = strings.Cut(c.URL, "?")
	return s
}

// Prepare implements block.Preparer.
func (c *Config) Prepare(p *block.Project) []connector.Fault {
	c.Callbacks, _ = block.Shared[egress.Settings](p)
	if c.Authentication == nil {
		return nil
	}
	var faults []connector.Fault
	s := c.client()
	for _, f := range s.CheckFiles() {
		faults = append(faults, connector.Fault{Path: "authentication." + f.Path, Message: f.Message})
	}
	return faults
}

// RetryPolicy implements block.Retrier.
func (c *Config) RetryPolicy() block.Retry { return c.Retry }

// Target implements block.Targeter: the host, since the rest may be a secret.
func (c *Config) Target() string {
	if u, err := url.Parse(c.URL); err == nil {
		return u.Host
	}
	return ""
}
