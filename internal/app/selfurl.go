package app

import (
	"net"
	"net/netip"
	"strconv"

	"github.com/headrace/headrace/gateway"
	"github.com/headrace/headrace/gateway/restproxy"
)

// selfURL is where the other servers of a cluster reach this one: what it is
// told to advertise, else the address that it listens on. Of a listener on all
// addresses it is the first that other machines may know.
func selfURL(rest *restproxy.Settings, at *gateway.Server) string {
	advertised, hostName := rest.AdvertisedListeners, rest.HostName
	if rest.PeerURL != "" {
		return rest.PeerURL
	}
	if len(advertised) > 0 {
		return advertised[0]
	}
	addr, err := netip.ParseAddrPort(at.Addr().String())
	if err != nil {
		return at.URL()
	}
	host := addr.Addr().String()
	switch {
	case hostName != "":
		host = hostName
	case addr.Addr().IsUnspecified():
		host = outward(host)
	}
	return at.Scheme() + "://" + net.JoinHostPort(host, strconv.Itoa(int(addr.Port())))
}

func outward(otherwise string) string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return otherwise
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	return otherwise
}
