package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector/kafka/doctor"
	"github.com/headrace/headrace/internal/app"
	"github.com/headrace/headrace/pipelines"
)

func (a *cli) doctorCommand() *cobra.Command {
	var format string
	var o doctor.Options
	cmd := &cobra.Command{
		Use: "doctor [PATH…]", Short: "Walk each connection step by step and say what to change",
		Long: "Doctor walks each connection of the project and its pipelines: name, TCP, TLS and its chain, SASL mechanisms,\n" +
			"token and its claims, authentication, metadata, rights on the topics in use, the session's life. For the first\n" +
			"step that fails it says what to change. It writes nothing to the cluster.\n\n" +
			"Exit code 0: every connection works; 1: one does not; 2: the configuration is wrong.",
		RunE: func(cmd *cobra.Command, paths []string) error {
			if !slices.Contains([]string{"", "text", "json", "junit", "sarif"}, format) {
				return &exit{exitBadConfig, fmt.Errorf("--output %q: use text, json, junit or sarif", format)}
			}
			log, err := a.logger()
			if err != nil {
				return err
			}
			loading := a.options(paths)
			a.withKafkaRest(&loading)
			s, problems := app.Load(loading)
			problems, _ = s.Project.Runnable(problems) // no connection needs the inputs
			if len(problems) > 0 && format != "" && format != "text" {
				if err := writeFindings(a.stdout, format, a.masked(problems)); err != nil {
					return err
				}
				return &exit{code: exitBadConfig}
			}
			if len(problems) > 0 {
				return problems
			}
			targets := append(doctorTargets(s.Project), s.HTTP.Targets()...)
			if len(targets) == 0 {
				return &exit{exitBadConfig, errors.New("no connection is named at these paths; give a folder with " + pipelines.ProjectFile + " or pipelines, or --kafka-rest-properties")}
			}
			o.Log = log
			report := doctor.Run(cmd.Context(), targets, o)
			if err := a.writeReport(report, format); err != nil {
				return &exit{exitFailed, err}
			}
			if !report.OK() {
				return &exit{code: exitFailed}
			}
			return nil
		},
	}
	a.kafkaRestFlag(cmd.Flags())
	cmd.Flags().StringVarP(&format, "output", "o", "", "form of the report on standard output: text, json, junit or sarif")
	cmd.Flags().DurationVar(&o.Timeout, "timeout", 30*time.Second, "longest time for one connection")
	cmd.Flags().StringVar(&o.Audience, "expect-audience", "", "audience that the brokers want in a token, which they do not tell")
	cmd.Flags().StringVar(&o.Issuer, "expect-issuer", "", "issuer that the brokers want in a token")
	return cmd
}

// doctorResults are the connections that do not work, as results of SARIF. They
// stand in no file: the place is the connection's name.
func doctorResults(report doctor.Report) []any {
	results := []any{}
	for _, c := range report.Connections {
		for _, s := range c.Steps {
			if s.Status == doctor.Failed {
				results = append(results, map[string]any{
					"ruleId": s.Name, "level": "error", "message": map[string]any{"text": s.Error + "; " + s.Advice},
					"locations": []any{map[string]any{"logicalLocations": []any{map[string]any{"fullyQualifiedName": c.Name + " at " + c.Address, "kind": c.Kind}}}},
				})
			}
		}
	}
	return results
}

func doctorTargets(p *pipelines.Project) []doctor.Target {
	var out []doctor.Target
	for _, c := range p.Connections() {
		t := doctor.Target{Name: c.Name, UsedBy: c.UsedBy, Kafka: &c.Settings}
		for _, topic := range c.Topics {
			t.Topics = append(t.Topics, doctor.Topic(topic))
		}
		out = append(out, t)
	}
	for _, r := range p.Registries() {
		out = append(out, doctor.Target{Name: r.Name, UsedBy: r.UsedBy, HTTP: &r.Settings})
	}
	return out
}

// writeReport writes the report. Only what libraries and servers said is masked,
// piece by piece: names, addresses and the report's own words stay.
func (a *cli) writeReport(report doctor.Report, format string) error {
	report.Mask(a.resolver.Masker.Mask)
	switch format {
	case "json":
		return report.WriteJSON(a.stdout)
	case "junit":
		return report.WriteJUnit(a.stdout)
	case "sarif":
		return writeJSON(a.stdout, sarif(doctorResults(report)))
	}
	return report.WriteText(a.stdout)
}
