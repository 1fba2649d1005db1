package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector"
	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/examples"
	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/internal/embedded"
	"github.com/headrace/headrace/pipelines"
)

// The topics of dev: what the sample pipeline fills and what the curl line
// posts to.
const (
	devFlights = "flights"
	devOrders  = "orders"
)

func (a *cli) devCommand() *cobra.Command {
	var listen, folder string
	var security devSecurity
	cmd := &cobra.Command{
		Use: "dev", Short: "Try everything: a Kafka broker in the process, a sample pipeline, the HTTP API", Args: cobra.NoArgs,
		Long: "Dev starts a Kafka broker and a token issuer in the process, exports a sample of real flights to the\n" +
			"topic \"flights\", and serves the HTTP API. Nothing is installed, and nothing is kept after it ends.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := a.logger()
			if err != nil {
				return err
			}
			return a.dev(cmd, listen, folder, security, log)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:8082", "address of the HTTP API; port 0 lets the system choose")
	cmd.Flags().StringVar(&folder, "data", "", "folder that keeps the broker's data (default a temporary one)")
	security.flags(cmd.Flags())
	return cmd
}

func (a *cli) dev(cmd *cobra.Command, listen, folder string, security devSecurity, log *slog.Logger) error {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return &exit{exitBadConfig, fmt.Errorf("--listen %q: write it like 127.0.0.1:8082", listen)}
	}
	issuer, client, err := security.issuer()
	if err != nil {
		return err
	}
	defer issuer.Close()
	cfg := embedded.BrokerConfig{DataDir: folder, Topics: map[string]int32{devFlights: 3, devOrders: 3}}
	keys, note, err := security.secureBroker(&cfg, issuer, client)
	if err != nil {
		return err
	}
	broker, err := embedded.StartBroker(cfg)
	if err != nil {
		return &exit{exitFailed, fmt.Errorf("start the broker: %w", err)}
	}
	defer closeBroker(broker, log)
	dir, err := os.MkdirTemp("", "headrace-dev-*")
	if err != nil {
		return &exit{exitFailed, err}
	}
	defer os.RemoveAll(dir)
	if err := writeSample(dir, broker.Addr(), keys, listen); err != nil {
		return &exit{exitFailed, err}
	}
	settings, err := app.LoadToRun(app.Options{Paths: []string{dir}, Resolver: config.NewResolver()}, false, log)
	if err != nil {
		return err
	}
	life := watchSignals(cmd.Context(), 5*time.Second, log)
	defer life.End()
	d, err := app.Start(life.Soft, settings, a.env(life, log))
	if err != nil {
		return exitOf(err)
	}
	start := time.Now()
	failed := d.Once(life.Soft, devFlights)
	if faults, err := security.issuerFaults(); err == nil { // issuer has seen them
		issuer.SetFaults(faults)
	}
	a.sayDev(broker.Addr()+note, issuer.URL(), d.URL(), d.Counts()[devFlights], time.Since(start))
	select {
	case <-life.Soft.Done():
	case <-d.Served():
	}
	life.stop()
	if err := errors.Join(failed, d.Stop()); err != nil {
		return &exit{exitFailed, err}
	}
	return nil
}

// sayDev prints what dev did and what to do next.
func (a *cli) sayDev(broker, issuer, api string, c connector.Counts, took time.Duration) {
	fmt.Fprintf(a.stdout, `Exported %d of %d sample flights to the topic %q in %s.

  Kafka broker   %s  (in this process, gone when it ends)
  Token issuer   %s
  HTTP API       %s/v3/clusters
  Metrics        %s/-/metrics

Post a record:

  curl -s %s/topics/%s -H 'Content-Type: application/vnd.kafka.json.v2+json' \
    -d '{"records":[{"key":"c-1","value":{"id":1,"status":"paid"}}]}'

Stop with Ctrl-C.
`, c.Acknowledged, c.Read, devFlights, took.Round(time.Millisecond), broker, issuer, api, api, api, devOrders)
}

// writeSample lays the sample project into dir.
func writeSample(dir, broker, keys, listen string) error {
	files := map[string]string{
		pipelines.ProjectFile:    fmt.Sprintf("clusters:\n  dev: {bootstrap_server: %q%s}\nhttp: {listen: %q}\n", broker, keys, listen),
		"pipelines/flights.yaml": examples.DevPipeline,
	}
	if err := os.MkdirAll(filepath.Join(dir, "pipelines"), 0o755); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "flights-sample.csv.gz"), examples.Flights, 0o600)
}

func closeBroker(b *embedded.Broker, log *slog.Logger) {
	if err := b.Close(); err != nil {
		log.Error("close the embedded broker", "error", err)
	}
}
