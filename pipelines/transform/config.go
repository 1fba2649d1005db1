// Package transform changes messages between a source and an exporter with
// expressions (expr-lang): it filters them, and makes new data, keys, times,
// topics, partitions and headers.
package transform

import (
	"errors"
	"fmt"

	"github.com/expr-lang/expr/file"

	"github.com/headrace/headrace/connector"
)

// Config are the keys of an expression transformer. Every expression sees the
// message as it came in:
//
//	data      the value, decoded from JSON; a string when it is not JSON. Of a
//	          name that is there twice the last counts
//	key       the key as text, or nil
//	metadata  {key, time, dest_topic, partition, headers}; each nil when not set
//	source    {topic, partition, offset, timestamp (ms)}, where Kafka had it;
//	          each nil for other sources
//
// beside the language's own functions, merge(map, map, …) and omit(map, name, …).
// What an expression hands on untouched keeps its bytes: maps, lists, numbers.
type Config struct {
	Filter    string `mapstructure:"filter" doc:"keeps a record when true"`
	Data      string `mapstructure:"data" doc:"the new data; nil with a key is a tombstone"`
	Key       string `mapstructure:"key" doc:"the new key; nil or an empty text is none"`
	Time      string `mapstructure:"time" doc:"the new time: ms since 1970 as number or text, a date, an RFC 3339 text or \"2013-01-01 05:00:00\" (UTC where no zone is given); nil or an empty text is the time of sending"`
	DestTopic string `mapstructure:"dest_topic" doc:"the topic the record goes to; nil is the exporter's"`
	Headers   string `mapstructure:"headers" doc:"the new headers: a map, or a list of {key, value}; a number, true or false becomes its text"`
	Partition string `mapstructure:"partition" doc:"the partition the record goes to; nil lets the exporter choose"`
}

// DefaultConfig returns a Config without expressions.
func DefaultConfig() Config { return Config{} }

// Validate compiles the expressions and reports what is wrong with each.
func (c *Config) Validate() []connector.Fault {
	_, faults := c.compile()
	return faults
}

// CompileError is what is wrong with one expression, and where in its text.
type CompileError struct {
	Key          string // the configuration key
	Line, Column int    // in the expression, counted from 1
	Message      string
}

// Error names the place, unless it is the whole expression.
func (e *CompileError) Error() string {
	switch {
	case e.Line > 1:
		return fmt.Sprintf("line %d, column %d of the expression: %s", e.Line, e.Column, e.Message)
	case e.Line == 1:
		return fmt.Sprintf("column %d of the expression: %s", e.Column, e.Message)
	default:
		return e.Message
	}
}

// Errors compiles the expressions and returns what is wrong with them, with
// places, in the order of the keys.
func (c *Config) Errors() []*CompileError {
	var found []*CompileError
	for _, s := range c.slots() {
		if s.text == "" {
			continue
		}
		if _, err := compile(s.text, s.bool); err != nil {
			found = append(found, compileError(s.key, err))
		}
	}
	return found
}

func compileError(key string, err error) *CompileError {
	var fe *file.Error
	if errors.As(err, &fe) {
		return &CompileError{Key: key, Line: fe.Line, Column: fe.Column + 1, Message: fe.Message}
	}
	return &CompileError{Key: key, Message: err.Error()}
}

// slot is one key with its expression.
type slot struct {
	key  string
	text string
	bool bool // the expression must be true or false
	set  func(*output, any) error
}

func (c *Config) slots() []slot {
	return []slot{
		{key: "filter", text: c.Filter, bool: true, set: (*output).setKeep},
		{key: "data", text: c.Data, set: (*output).setData},
		{key: "key", text: c.Key, set: (*output).setKey},
		{key: "time", text: c.Time, set: (*output).setTime},
		{key: "dest_topic", text: c.DestTopic, set: (*output).setTopic},
		{key: "headers", text: c.Headers, set: (*output).setHeaders},
		{key: "partition", text: c.Partition, set: (*output).setPartition},
	}
}
