package main

import (
	"errors"
	"net"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/headrace/headrace/internal/embedded"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"headrace": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// freePort returns a port that nobody listens on now.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// TestScripts runs testdata/script: a command line, and what it must print and
// return. $BROKER is an embedded broker of the script's own, $PORT a free port.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			broker, err := embedded.StartBroker(embedded.BrokerConfig{Topics: map[string]int32{"orders": 3}})
			if err != nil {
				return err
			}
			e.Defer(func() { _ = broker.Close() })
			e.Setenv("BROKER", broker.Addr())
			port, err := freePort()
			e.Setenv("PORT", port)
			return err
		},
	})
}
