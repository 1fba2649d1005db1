package main

import (
	"fmt"
	"log/slog"
)

// logger returns the process's logger: to standard error, with every secret of
// the configuration masked.
func (a *cli) logger() (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(a.logLevel)); err != nil {
		return nil, &exit{exitBadConfig, fmt.Errorf("--log-level %q: use debug, info, warn or error", a.logLevel)}
	}
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler
	switch a.logFormat {
	case "text":
		handler = slog.NewTextHandler(a.stderr, options)
	case "json":
		options.ReplaceAttr = durationText
		handler = slog.NewJSONHandler(a.stderr, options)
	default:
		return nil, &exit{exitBadConfig, fmt.Errorf("--log-format %q: use text or json", a.logFormat)}
	}
	return slog.New(a.resolver.Masker.Handler(handler)), nil
}

// durationText writes a duration in JSON as the text form has it: a bare number
// would not say its unit.
func durationText(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
