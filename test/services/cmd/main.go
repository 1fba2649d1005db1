// Command cmd keeps the services of the integration tests up at a terminal.
//
//	go run ./test/services/cmd start [kafka kafka3 secure keycloak registry]
//	eval "$(go run ./test/services/cmd env)"
//	go run ./test/services/cmd stop
//	go run ./test/services/cmd install    fetches everything, for work offline
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/headrace/headrace/test/services"
)

func main() {
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("usage: start [SERVICE…] | env | stop | install")
	}
	var h *services.Held
	var err error
	switch args[0] {
	case "start":
		names := args[1:]
		if len(names) == 0 {
			names = []string{"kafka"}
		}
		h, err = services.Hold(ctx, names)
	case "env":
		h, err = services.HeldServices()
	case "stop":
		return services.Release()
	case "install":
		return install()
	default:
		return fmt.Errorf("unknown command %q; there are start, env, stop, install", args[0])
	}
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(h.Exports(), "\n"))
	return nil
}

func install() error {
	var errs []error
	for _, get := range []func() (string, error){services.InstallKafka, services.InstallKeycloak, services.InstallRegistry, services.InstallFlights} {
		dir, err := get()
		if err == nil {
			fmt.Println(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, services.InstallKerberos())...)
}
