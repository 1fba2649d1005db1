package services

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"time"
)

// Ports are taken below the range that systems hand out to outgoing
// connections (32768 and up on Linux): a broker that is killed and started
// again must find its port free, and a client that dials a dead port of that
// range can end up connected to itself.
const portLow, portHigh = 20000, 32000

// freePorts returns n ports that nothing listens on at this moment.
func freePorts(n int) ([]int, error) {
	var ports []int
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for try := 0; len(ports) < n; try++ {
		if try > 200+n {
			return nil, fmt.Errorf("find %d free ports between %d and %d: none after %d tries", n, portLow, portHigh, try)
		}
		p := portLow + rand.IntN(portHigh-portLow)
		l, err := net.Listen("tcp4", loopback(p))
		if err != nil {
			continue
		}
		held = append(held, l) // held until all are found, so that none comes twice
		ports = append(ports, p)
	}
	return ports, nil
}

// loopback is the address of the port on 127.0.0.1.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// dialable gives nil when something accepts connections at addr.
func dialable(addr string) error {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}
