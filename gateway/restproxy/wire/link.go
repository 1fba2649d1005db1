package wire

import (
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/headrace/headrace/gateway/route"
)

// LinkOptions say what the absolute links of answers begin with. The zero
// value takes the Host header.
type LinkOptions struct {
	// Advertised are the listeners to name in links, by the request's scheme
	// (advertised.listeners).
	Advertised []*url.URL
	// HostName stands in for the host of the request (host.name).
	HostName string
	// Ports are the listening ports by scheme, for HostName.
	Ports map[string]string
	// Trusted reports whether the peer (r.RemoteAddr) is a proxy whose
	// Forwarded and X-Forwarded-* headers count. Nil trusts nobody.
	Trusted func(remoteAddr string) bool
}

// Link is an absolute URL of an answer. It grows by whole segments, each of
// which is escaped, so that what a name contains stays in its segment.
type Link string

// At is the link to what is below l: names of resources, as they are, and
// fixed parts of the path.
func (l Link) At(segments ...string) Link {
	for _, s := range segments {
		switch s {
		case ".", "..": // clients would resolve them
			s = strings.ReplaceAll(s, ".", "%2E")
		default:
			s = url.PathEscape(s)
		}
		l += Link("/" + s)
	}
	return l
}

// Number is a segment of a broker or partition.
func Number(n int32) string { return strconv.Itoa(int(n)) }

// Root is scheme, authority and base path of every generated link: an
// advertised listener of the request's scheme, else the host name that was
// set, else what the client asked for. A trusted peer may say what the client
// asked for (RFC 7239, or the older X-Forwarded-*).
func Root(r *http.Request, opts LinkOptions) Link {
	scheme, host, before := "http", r.Host, ""
	if r.TLS != nil {
		scheme = "https"
	}
	if opts.Trusted != nil && opts.Trusted(r.RemoteAddr) {
		f := forwarded(r.Header)
		if f.scheme != "" {
			scheme = f.scheme
		}
		if f.host != "" {
			host = f.host
		}
		before = f.prefix
	}
	return Link(scheme + "://" + authority(scheme, host, opts) + before + route.Prefix(r))
}

func authority(scheme, host string, opts LinkOptions) string {
	for _, u := range opts.Advertised {
		if u.Scheme == scheme {
			return u.Host
		}
	}
	if opts.HostName == "" {
		return host
	}
	if _, port, err := net.SplitHostPort(host); err == nil && port != "" {
		if own := opts.Ports[scheme]; own != "" {
			port = own
		}
		return net.JoinHostPort(strings.Trim(opts.HostName, "[]"), port)
	}
	return opts.HostName
}

type forwardedTo struct{ scheme, host, prefix string }

// forwarded reads the first element: that is the proxy nearest to the client.
func forwarded(h http.Header) forwardedTo {
	var f forwardedTo
	for pair := range strings.SplitSeq(firstElement(h.Get("Forwarded")), ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "proto":
			f.scheme = value
		case "host":
			f.host = value
		}
	}
	if f.scheme == "" {
		f.scheme = firstElement(h.Get("X-Forwarded-Proto"))
	}
	if f.host == "" {
		f.host = firstElement(h.Get("X-Forwarded-Host"))
		if port := firstElement(h.Get("X-Forwarded-Port")); f.host != "" && port != "" && !strings.Contains(f.host, ":") {
			f.host += ":" + port
		}
	}
	f.prefix = strings.TrimRight(firstElement(h.Get("X-Forwarded-Prefix")), "/")
	return f.valid()
}

func firstElement(header string) string {
	element, _, _ := strings.Cut(header, ",")
	return strings.TrimSpace(element)
}

// valid drops what is not a scheme, a host or a path, so that a header can
// not write anything else into a link.
func (f forwardedTo) valid() forwardedTo {
	f.scheme = strings.ToLower(f.scheme)
	if f.scheme != "http" && f.scheme != "https" {
		f.scheme = ""
	}
	if u, err := url.Parse("http://" + f.host); err != nil || u.Host != f.host {
		f.host = ""
	}
	if u, err := url.Parse(f.prefix); err != nil || u.Path != f.prefix || !strings.HasPrefix(f.prefix, "/") || strings.HasPrefix(f.prefix, "//") {
		f.prefix = ""
	}
	return f
}
