package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/headrace/headrace/internal/redact"
)

// flagFault says what is wrong with a flag. The flag library's own words hold
// those of Go's number parser.
func flagFault(cmd *cobra.Command, err error) error {
	var bad *pflag.InvalidValueError
	if !errors.As(err, &bad) {
		return fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())
	}
	want := map[string]string{
		"int": "write a whole number", "bool": "write true or false, or the flag alone", "duration": "write a time with its unit, as 500ms, 30s or 2m",
	}[bad.GetFlag().Value.Type()]
	var ours *flagError
	if errors.As(err, &ours) || want == "" {
		want = errors.Unwrap(bad).Error()
	}
	return fmt.Errorf("--%s %s: %s", bad.GetFlag().Name, redact.Quote(bad.GetValue()), want)
}

// flagError is what a flag of our own says about its value.
type flagError struct{ text string }

func (e *flagError) Error() string { return e.text }
