package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

func TestAllows(t *testing.T) {
	open, faults := (&Settings{Allow: []string{"127.0.0.2", "fe80::/10"}, Deny: []string{"10.0.0.0/8", "127.0.0.2/32", "2001:db8::1"}}).Policy()
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	named, _ := (&Settings{Allow: []string{"127.0.0.2"}}).Policy()
	for _, tc := range []struct {
		policy *Policy
		addr   string
		want   bool
	}{
		{&Policy{}, "93.184.216.34", true}, {&Policy{}, "2606:2800:220:1::1", true}, {&Policy{}, "10.1.2.3", true}, {&Policy{}, "192.168.1.1", true},
		{&Policy{}, "127.0.0.1", false}, {&Policy{}, "127.255.255.254", false}, {&Policy{}, "::1", false}, {&Policy{}, "::ffff:127.0.0.1", false},
		{&Policy{}, "169.254.169.254", false}, {&Policy{}, "::ffff:a9fe:a9fe", false}, {&Policy{}, "64:ff9b::a9fe:a9fe", false}, {&Policy{}, "2002:7f00:1::1", false},
		{&Policy{}, "::7f00:1", false}, {&Policy{}, "64:ff9b::5db8:d822", true},
		{&Policy{}, "0.0.0.0", false}, {&Policy{}, "0.1.2.3", false}, {&Policy{}, "::", false}, {&Policy{}, "fe80::1", false}, {&Policy{}, "fe80::1%eth0", false},
		{&Policy{}, "224.0.0.1", false}, {&Policy{}, "255.255.255.255", false}, {&Policy{}, "ff02::1", false}, {&Policy{}, "100.100.100.200", false},
		{&Policy{}, "fd00:ec2::254", false}, {&Policy{}, "192.0.0.192", false},
		{named, "127.0.0.2", true}, {named, "::ffff:127.0.0.2", true}, {named, "127.0.0.1", false}, {named, "127.0.0.3", false},
		{open, "127.0.0.2", false}, {open, "10.1.2.3", false}, {open, "::ffff:10.1.2.3", false}, {open, "11.1.2.3", true}, {open, "fe80::1", true}, {open, "2001:db8::1", false},
	} {
		if got := tc.policy.Allows(netip.MustParseAddr(tc.addr)); got != tc.want {
			t.Errorf("%s: %t, want %t", tc.addr, got, tc.want)
		}
	}
	if _, faults := (&Settings{Allow: []string{"localhost", "127.0.0.1"}, Deny: []string{"10.0.0.0/40"}}).Policy(); len(faults) != 2 || faults[0].Path != "allow" || faults[1].Path != "deny" {
		t.Errorf("faults %v", faults)
	}
}

// Nothing is dialled that was not checked, and what was checked is what is
// dialled: a recorder stands where the network would be.
func TestDialContext(t *testing.T) {
	for _, tc := range []struct {
		name, address string
		resolved      []string
		dialled       string
		forbidden     bool
	}{
		{"a good name", "hooks.example.com:443", []string{"93.184.216.34"}, "93.184.216.34:443", false},
		{"a name of this machine", "evil.example.com:80", []string{"127.0.0.1"}, "", true},
		{"a name with two faces", "evil.example.com:80", []string{"93.184.216.34", "169.254.169.254"}, "", true},
		{"an address", "169.254.169.254:80", nil, "", true},
		{"an address in brackets", "[::1]:80", nil, "", true},
		{"a number that the system takes for an address", "2130706433:80", []string{"127.0.0.1"}, "", true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var dialled []string
			refused := errors.New("recorded")
			asked := 0
			p := &Policy{
				Resolve: func(context.Context, string) (out []netip.Addr, _ error) {
					asked++
					for _, a := range tc.resolved {
						out = append(out, netip.MustParseAddr(a))
					}
					return out, nil
				},
				Dial: func(_ context.Context, _, address string) (net.Conn, error) {
					dialled = append(dialled, address)
					return nil, refused
				},
			}
			_, err := p.DialContext(t.Context(), "tcp", tc.address)
			if errors.Is(err, ErrForbidden) != tc.forbidden || strings.Join(dialled, " ") != tc.dialled || asked > 1 {
				t.Errorf("dialled %v after %d look-ups: %v", dialled, asked, err)
			}
		})
	}
}
