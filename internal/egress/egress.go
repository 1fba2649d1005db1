// Package egress decides which addresses a callback may go to: a URL that users
// write into a webhook must not reach what only this machine can reach.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Settings are the keys of http.callbacks.
type Settings struct {
	Allow []string `mapstructure:"allow" doc:"addresses or CIDRs that callbacks may reach although they are loopback, link-local or metadata addresses"`
	Deny  []string `mapstructure:"deny" doc:"addresses or CIDRs that callbacks must not reach; deny wins over allow"`
}

// Fault is one thing that is wrong with Settings.
type Fault struct{ Path, Message string }

// Faults reports what is no address.
func (s *Settings) Faults() (faults []Fault) {
	_, faults = s.Policy()
	return faults
}

// Policy returns what the settings mean, and what is wrong with them.
func (s *Settings) Policy() (*Policy, []Fault) {
	p := &Policy{}
	var faults []Fault
	for _, list := range []struct {
		key  string
		text []string
		into *[]netip.Prefix
	}{{"allow", s.Allow, &p.allow}, {"deny", s.Deny, &p.deny}} {
		for _, text := range list.text {
			prefix, err := parse(text)
			if err != nil {
				faults = append(faults, Fault{list.key, "is no address; write it like 127.0.0.2 or 10.0.0.0/8"})
				continue
			}
			*list.into = append(*list.into, prefix)
		}
	}
	return p, faults
}

func parse(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil || p.Addr().Is4In6() {
			return netip.Prefix{}, errors.New("no prefix")
		}
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, errors.New("no address")
	}
	a = a.Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// Policy says which addresses may be called. The zero value allows what is
// neither this machine, nor its link, nor a cloud's metadata service. It is
// safe for concurrent use.
type Policy struct {
	allow, deny []netip.Prefix
	// Resolve and Dial are those of package net when nil; tests set them.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// special are addresses that only this machine, its link or its cloud answers
// at, beside those that netip knows as such.
var special = prefixes(
	"0.0.0.0/8",          // this network (RFC 1122)
	"100.100.100.200/32", // metadata services
	"192.0.0.192/32",
	"fd00:ec2::254/128",
	"255.255.255.255/32",
)

// embedding are IPv6 prefixes that carry an IPv4 address, and the byte at which
// it begins.
var embedding = []struct {
	prefix netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12},   // RFC 6052
	{netip.MustParsePrefix("64:ff9b:1::/48"), 12}, // RFC 8215
	{netip.MustParsePrefix("2002::/16"), 2},       // 6to4
	{netip.MustParsePrefix("::/96"), 12},          // IPv4-compatible
}

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, t := range texts {
		out = append(out, netip.MustParsePrefix(t))
	}
	return out
}

func within(list []netip.Prefix, a netip.Addr) bool {
	for _, p := range list {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Allows reports whether an address may be called.
func (p *Policy) Allows(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	if within(p.deny, a) {
		return false
	}
	if within(p.allow, a) {
		return true
	}
	if a.Is6() {
		for _, e := range embedding {
			if e.prefix.Contains(a) && a != netip.IPv6Unspecified() && a != netip.IPv6Loopback() {
				b := a.As16()
				return p.Allows(netip.AddrFrom4([4]byte(b[e.at : e.at+4])))
			}
		}
	}
	return a.IsValid() && !a.IsLoopback() && !a.IsUnspecified() && !a.IsLinkLocalUnicast() && !a.IsLinkLocalMulticast() &&
		!a.IsInterfaceLocalMulticast() && !a.IsMulticast() && !within(special, a)
}

// ErrForbidden is why a callback was not made.
var ErrForbidden = errors.New("callbacks must not reach this address; name it under http.callbacks.allow in headrace.yaml if they may")

// dialTimeout bounds one connection.
const dialTimeout = 10 * time.Second

// DialContext resolves the host once, and connects to the first of its
// addresses that answers. All of them must be allowed, so that a name with two
// faces is of no use; the address that was checked is the one that is called.
func (p *Policy) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	addrs, err := p.resolve(ctx, host)
	if err != nil {
		return nil, err
	}
	for _, a := range addrs {
		if !p.Allows(a) {
			return nil, fmt.Errorf("%s is %s: %w", host, a, ErrForbidden)
		}
	}
	dial := p.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	for _, a := range addrs {
		var conn net.Conn
		if conn, err = dial(ctx, network, net.JoinHostPort(a.String(), port)); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (p *Policy) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{a}, nil
	}
	if p.Resolve != nil {
		return p.Resolve(ctx, host)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no address", Name: host, IsNotFound: true}
	}
	return addrs, err
}
