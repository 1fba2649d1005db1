package main

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/headrace/headrace/connector/config"
	"github.com/headrace/headrace/pipelines"
)

// field is the name of a field or column; everything else is an expression.
var field = regexp.MustCompile(`^[\pL_][\pL\pN_ -]*$`)

// expression is what --key and its like mean: the field of that name, or the
// expression as it stands.
func expression(text string) string {
	switch text {
	case "data", "key", "metadata", "nil", "true", "false":
		return text
	}
	if field.MatchString(text) {
		return "data[" + strconv.Quote(text) + "]"
	}
	return text
}

// flagOf are the flags that stand for keys of export's blocks.
var flagOf = map[string]string{
	"topic": "topic", "bootstrap_server": "bootstrap-server", "batch_size": "batch-size", "compression_type": "compression", "partitioner": "partitioner",
	"format": "format", "delimiter": "delimiter", "types": "types", "default_type": "types", "null_values": "null-values", "columns": "columns",
	"key": "key", "time": "time", "headers": "header",
}

var (
	missingKey = regexp.MustCompile(`^missing key "(\w+)"`)
	leadingKey = regexp.MustCompile(`^(\w+)(\.[^:\s]+)?(:? )`)
)

// exportProblems says what is wrong in the words of the command line, where the
// command line is wrong.
func exportProblems(problems config.Problems) config.Problems {
	out := make(config.Problems, len(problems))
	for i, p := range problems {
		out[i] = p
		missing := missingKey.FindStringSubmatch(p.Message)
		if p.File != pipelines.CommandLine {
			if missing != nil && flagOf[missing[1]] != "" {
				out[i].Message += "; add it there, or give --" + flagOf[missing[1]]
			}
			continue
		}
		out[i].Position = config.Position{}
		switch key := leadingKey.FindStringSubmatch(p.Message); {
		case missing != nil && missing[1] == "topic":
			out[i].Message = "give --topic, the topic to write to; or --config with a block that names it"
		case strings.HasPrefix(p.Message, "bootstrap_server is missing"):
			out[i].Message = "give --bootstrap-server host:port, or name the brokers under clusters in " + pipelines.ProjectFile
		case strings.HasPrefix(p.Message, "csv without a header"):
			out[i].Message = "--no-header: give the names of the columns with --columns"
		case strings.Contains(p.Message, "unknown type; use "): // begins with the column's name
			out[i].Message = "--types " + p.Message
		case key != nil && flagOf[key[1]] != "":
			of := ""
			if key[2] != "" {
				of = " (" + key[2][1:] + ")"
			}
			out[i].Message = "--" + flagOf[key[1]] + of + key[3] + p.Message[len(key[0]):]
		}
	}
	return out.Sort()
}
