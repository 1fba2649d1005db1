package gateway

import (
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/headrace/headrace/connector"
)

// Config is the `http:` section of the project file.
type Config struct {
	Listen         string             `mapstructure:"listen" doc:"address to serve on, host:port; port 0 lets the system choose"`
	MaxBodyBytes   connector.ByteSize `mapstructure:"max_body_bytes" doc:"largest request body; a streamed produce is bounded for each record instead"`
	TLS            *TLS               `mapstructure:"tls" doc:"speak https, with this certificate"`
	CORS           CORS               `mapstructure:"cors" doc:"what pages of other origins may do"`
	AllowAnonymous bool               `mapstructure:"allow_anonymous" doc:"serve without authentication on an address that other machines reach"`
	MaxConnections int                `mapstructure:"max_connections" doc:"open connections; further ones wait to be accepted"`
	HeaderTimeout  connector.Duration `mapstructure:"header_timeout" doc:"longest time for the headers of a request to arrive"`
	BodyTimeout    connector.Duration `mapstructure:"body_timeout" doc:"longest time for each 64 KiB of a request body to arrive"`
	IdleTimeout    connector.Duration `mapstructure:"idle_timeout" doc:"how long a connection may stay open without a request"`
	DrainTimeout   connector.Duration `mapstructure:"drain_timeout" doc:"how long open requests may take to finish when the server stops"`
	Compression    bool               `mapstructure:"compression" doc:"gzip larger answers for clients that accept it"`
	HTTP2          bool               `mapstructure:"http2" doc:"speak HTTP/2 too, without TLS to clients that begin with it (prior knowledge)"`
	Headers        map[string]string  `mapstructure:"headers" doc:"headers that every answer gets"`
}

// CORS says which pages may call the API from a browser. Without an origin no
// CORS header is sent.
type CORS struct {
	AllowedOrigins []string `mapstructure:"allowed_origins" doc:"origins such as https://app.example.com, or * for any"`
	AllowedMethods []string `mapstructure:"allowed_methods" doc:"methods that a page may use; default all"`
	AllowedHeaders []string `mapstructure:"allowed_headers" doc:"request headers that a page may send; default those that it asks for"`
	ExposedHeaders []string `mapstructure:"exposed_headers" doc:"headers of answers that a page may read; default Location"`
}

// maxHeaderBytes bounds the request line and headers of one request.
const maxHeaderBytes = 64 << 10

// DefaultConfig returns the values that hold where the file says nothing.
func DefaultConfig() Config {
	return Config{
		Listen:         "127.0.0.1:8082",
		MaxBodyBytes:   10 << 20,
		MaxConnections: 16384,
		HeaderTimeout:  connector.Duration(10 * time.Second),
		BodyTimeout:    connector.Duration(60 * time.Second),
		IdleTimeout:    connector.Duration(2 * time.Minute),
		DrainTimeout:   connector.Duration(30 * time.Second),
		Compression:    true,
		HTTP2:          true,
	}
}

// Validate reports every value that cannot work. An address that other
// machines reach needs allow_anonymous, because nobody is asked for a name,
// unless client certificates are required.
func (c *Config) Validate() []connector.Fault {
	var faults []connector.Fault
	fault := func(path, message string) {
		faults = append(faults, connector.Fault{Path: path, Message: message})
	}
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		fault("listen", "not an address; write it like 127.0.0.1:8082")
	case !loopback(host) && !c.AllowAnonymous && !c.TLS.asksClients():
		fault("listen", "other machines reach this address and no authentication is set; listen on 127.0.0.1 or set allow_anonymous: true")
	}
	faults = append(faults, c.TLS.faults()...)
	if c.MaxBodyBytes < 1 {
		fault("max_body_bytes", "must be at least 1")
	}
	if c.MaxConnections < 1 {
		fault("max_connections", "must be at least 1")
	}
	for _, d := range []struct {
		key   string
		value connector.Duration
	}{
		{"header_timeout", c.HeaderTimeout}, {"body_timeout", c.BodyTimeout},
		{"idle_timeout", c.IdleTimeout}, {"drain_timeout", c.DrainTimeout},
	} {
		if d.value <= 0 {
			fault(d.key, "must be longer than 0")
		}
	}
	for name, value := range c.Headers {
		if name == "" || strings.ContainsAny(name, " :\r\n\t") || strings.ContainsAny(value, "\r\n") {
			fault("headers."+name, "not a header")
		}
	}
	for _, o := range c.CORS.AllowedOrigins {
		if o != "*" && !strings.Contains(o, "://") {
			fault("cors.allowed_origins", "an origin has a scheme and a host, like https://app.example.com; or write * for any")
			break
		}
	}
	return faults
}

// loopback reports whether only this machine reaches host. A name other than
// localhost is not looked up: it may resolve to anything later.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
