// Command headrace brings data into Kafka and its neighbours and never loses a
// record on the way. Each file here is one command: flags, output and exit
// codes; what the commands do is in the packages.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/headrace/headrace/connector/config"
)

// The exit codes of every command.
const (
	exitOK           = 0
	exitFailed       = 1
	exitBadConfig    = 2
	exitDeadLettered = 3
)

// exit is an error that carries the code of the process; its text, if any, is
// printed.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &cli{stdin: stdin, stdout: stdout, stderr: stderr, resolver: config.NewResolver()}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return exitOK
	}
	var problems config.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(stderr, a.masked(problems).Error())
		return exitBadConfig
	}
	code := exitBadConfig // what cobra itself refuses: flags and arguments
	var e *exit
	if errors.As(err, &e) {
		code = e.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintln(stderr, "headrace: "+a.resolver.Masker.Mask(text))
	}
	return code
}

// cli is what the commands share.
type cli struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	resolver       *config.Resolver

	logLevel, logFormat string
	projectFile         string
	kafkaRestFile       string // kafka-rest.properties
}

func (a *cli) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "headrace",
		Short:         "Bring data into Kafka and its neighbours, and lose none of it",
		Version:       versionLine(),
		SilenceErrors: true,
		SilenceUsage:  true,
		CompletionOptions: cobra.CompletionOptions{
			HiddenDefaultCmd: true,
		},
	}
	root.SetFlagErrorFunc(flagFault)
	root.SetVersionTemplate("{{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.logLevel, "log-level", "info", "least level to log: debug, info, warn or error")
	flags.StringVar(&a.logFormat, "log-format", "text", "form of the log on standard error: text or json")
	flags.StringVar(&a.projectFile, "project", "", "project file (default headrace.yaml beside the given paths)")
	root.AddCommand(a.runCommand(), a.devCommand(), a.exportCommand(), a.validateCommand(),
		a.doctorCommand(), a.schemaCommand(), a.nextCommand(), a.stateCommand(), a.versionCommand())
	return root
}
