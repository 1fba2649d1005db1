package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/internal/app"
)

func (a *cli) validateCommand() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use: "validate [PATH…]", Short: "Report every error of every file, without a network",
		RunE: func(_ *cobra.Command, paths []string) error {
			o := a.options(paths)
			a.withKafkaRest(&o)
			s, problems := app.Load(o)
			p := s.Project
			if format != "" && format != "text" {
				if err := writeFindings(a.stdout, format, a.masked(problems)); err != nil {
					return err
				}
				if len(problems) > 0 {
					return &exit{code: exitBadConfig}
				}
				return nil
			}
			if len(problems) > 0 {
				return problems
			}
			for _, d := range p.Pipelines {
				for _, w := range d.Warnings {
					fmt.Fprintln(a.stderr, "warning: "+a.resolver.Masker.Mask(w))
				}
			}
			if n := len(p.Pipelines); n == 1 {
				fmt.Fprintln(a.stdout, "1 pipeline is valid")
			} else {
				fmt.Fprintf(a.stdout, "%d pipelines are valid\n", n)
			}
			return nil
		},
	}
	a.kafkaRestFlag(cmd.Flags())
	cmd.Flags().StringVarP(&format, "output", "o", "", "form of the findings: text, or json, junit or sarif on standard output")
	return cmd
}

// options are those of the flags that all commands have.
func (a *cli) options(paths []string) app.Options {
	return app.Options{Paths: paths, ProjectFile: a.projectFile, Resolver: a.resolver}
}

// kafkaRestFlag is for commands that look at the keys of kafka-rest.
func (a *cli) kafkaRestFlag(flags *pflag.FlagSet) {
	flags.StringVar(&a.kafkaRestFile, "kafka-rest-properties", "", "kafka-rest.properties of Confluent's REST Proxy; KAFKA_REST_… variables are read too, and win")
}

// withKafkaRest adds what such commands look at.
func (a *cli) withKafkaRest(o *app.Options) {
	o.KafkaRestFile, o.Environ = a.kafkaRestFile, os.Environ()
}

func (a *cli) masked(problems config.Problems) config.Problems {
	out := make(config.Problems, len(problems))
	for i, p := range problems {
		out[i] = p
		out[i].Message = a.resolver.Masker.Mask(p.Message)
	}
	return out
}

// finding is one problem in -o json.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
}

// writeFindings writes problems in a form for machines.
func writeFindings(w io.Writer, format string, problems config.Problems) error {
	switch format {
	case "json":
		out := make([]finding, len(problems))
		for i, p := range problems {
			out[i] = finding{p.File, p.Line, p.Column, p.Message}
		}
		return writeJSON(w, map[string]any{"problems": out})
	case "junit":
		return writeJUnit(w, problems)
	case "sarif":
		return writeJSON(w, sarif(problemResults(problems)))
	default:
		return &exit{exitBadConfig, fmt.Errorf("--output %q: use text, json, junit or sarif", format)}
	}
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string   `xml:"name,attr"`
	File    string   `xml:"file,attr,omitempty"`
	Failure *failure `xml:"failure,omitempty"`
}

type failure struct {
	Message string `xml:"message,attr"`
}

func writeJUnit(w io.Writer, problems config.Problems) error {
	suite := junitSuite{Name: "headrace validate", Tests: max(1, len(problems)), Failures: len(problems)}
	for _, p := range problems {
		suite.Cases = append(suite.Cases, junitCase{Name: p.Position.String(), File: p.File, Failure: &failure{p.Message}})
	}
	if len(problems) == 0 {
		suite.Cases = []junitCase{{Name: "configuration"}}
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(suite); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// sarif is the document of SARIF 2.1.0 that code hosts show beside the lines.
func sarif(results []any) map[string]any {
	rules := []any{}
	for _, r := range results {
		rule := map[string]any{"id": r.(map[string]any)["ruleId"]}
		if !slices.ContainsFunc(rules, func(known any) bool { return reflect.DeepEqual(known, rule) }) {
			rules = append(rules, rule)
		}
	}
	return map[string]any{
		"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
		"runs": []any{map[string]any{
			"tool":    map[string]any{"driver": map[string]any{"name": "headrace", "rules": rules}},
			"results": results,
		}},
	}
}

// problemResults are problems as results of SARIF.
func problemResults(problems config.Problems) []any {
	results := []any{}
	for _, p := range problems {
		results = append(results, map[string]any{
			"ruleId": "configuration", "level": "error", "message": map[string]any{"text": p.Message},
			"locations": []any{map[string]any{"physicalLocation": map[string]any{
				"artifactLocation": map[string]any{"uri": p.File},
				"region":           map[string]any{"startLine": max(1, p.Line), "startColumn": max(1, p.Column)},
			}}},
		})
	}
	return results
}
